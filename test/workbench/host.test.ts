// Runs the suite of test/workbench/host inside the extension host of the newest and of the oldest VS Code.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { setUpCodeServer, type EditorName } from '../../scripts/steps/codeServer.mjs';
import { pageAddress, startEditor, type RunningEditor } from '../../scripts/steps/startEditor.mjs';
import { startSimulatedFuro } from '../../src/simulator/simulatedFuro';
import { vsixFile } from './globalSetup';
import type { HostResult } from './host';
import { setStage, type Stage } from './host/stage.mjs';
import { workbenchObstacle } from './workbench';
