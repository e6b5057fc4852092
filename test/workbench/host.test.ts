// Runs the suite of test/workbench/host inside the extension host of the newest and of the oldest VS Code.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { setUpCodeServer, type EditorName } from '../../scripts/steps/codeServer.mjs';
import { pageAddress, startEditor, type RunningEditor } from '../../scripts/steps/startEditor.mjs';
import { startSimulatedFuro } from '../../src/simulator/simulatedFuro';
import { chromiumPath, missing } from '../requirements';
import { vsixFile } from './globalSetup';
import type { HostResult } from './host';
import { activationHeard, sayMark } from './host/say';
import { setStage, type Stage } from './host/stage.mjs';
import { demoModel } from './workbench';

const obstacle = missing('chromium', 'editor');
const isCi = process.env['CI'] === 'true';
/** Start of the editor, its page and all tests; under load twice what it needs. */
const runLimitMs = 240_000;
/** Activation may not be felt by the person who opens a window. */
const activationLimitMs = 50;
/** Short delays: what is tested here is the extension host, not the queue. */
const scheduling = { schedulingDelayMs: 200, terminationMs: 200 };

interface HostRun {
  /** What VS Code would exit with. */
  readonly exitCode: number;
  readonly results: readonly HostResult[];
  /** How long `activate` took. */
  readonly activateMs: number | undefined;
}

async function runHostSuite(editorName: EditorName): Promise<HostRun> {
  const work = mkdtempSync(join(tmpdir(), 'furo-host-'));
  const python = process.env['FURO_TEST_PYTHON'];
  const model = process.env['FURO_TEST_MODEL'];
  const furo = await startSimulatedFuro({
    root: join(work, 'furo'),
    scheduling,
    ...(python !== undefined && { python }),
    ...(model !== undefined && { models: { [demoModel]: model } }),
  });
  let editor: RunningEditor | undefined;
  try {
    const place = join(work, 'editor');
    const userData = join(place, 'user-data');
    const stage = await setStage({ work, userData, endpoint: furo.endpoint });
    editor = await startEditor({
      program: await setUpCodeServer(editorName, () => undefined),
      work: place,
      extensions: [vsixFile],
      hostTests: true,
      env: stage.env,
    });
    const { exitCode, lines } = await runInPage(editor, stage);
    report(lines, existsSync(stage.results));
    const results = JSON.parse(readFileSync(stage.results, 'utf8')) as HostResult[];
    return { exitCode, results, activateMs: activationHeard(lines) };
  } finally {
    await editor?.stop();
    await furo.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}

/** Prints what the suite said; all that VS Code said only where the suite did not come to its end. */
function report(lines: readonly string[], hasResults: boolean): void {
  const own = lines.filter((line) => line.startsWith(sayMark));
  console.log((hasResults ? own : lines).join('\n'));
}

/** Opens the page that starts the suite and waits for its exit code. */
async function runInPage(
  editor: RunningEditor,
  stage: Stage,
): Promise<{ exitCode: number; lines: string[] }> {
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
  try {
    const context = await browser.newContext();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const page = await context.newPage();
    const lines: string[] = [];
    const ended = exitCodeOf(page, lines);
    const remote = (path: string) => `vscode-remote://127.0.0.1:${editor.port}${path}`;
    await page.goto(
      pageAddress(editor, stage.workspace, [
        ['extensionDevelopmentPath', remote(stage.emptyExtension)],
        ['extensionTestsPath', remote(stage.suite)],
        ['enableProposedApi', ''],
        ['skipWelcome', 'true'],
      ]),
    );
    return { exitCode: await ended, lines };
  } finally {
    await browser.close();
  }
}

function exitCodeOf(page: Page, lines: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      const last = lines.slice(-40).join('\n');
      reject(new Error(`the suite did not end in ${runLimitMs / 1000} s:\n${last}`));
    }, runLimitMs);
    const end = (code: number) => {
      clearTimeout(late);
      resolve(code);
    };
    const print = (_type: string, values: unknown[]) => {
      lines.push(format(...values));
    };
    page.exposeFunction('codeAutomationExit', end).catch(reject);
    page.exposeFunction('codeAutomationLog', print).catch(reject);
  });
}

/** Tests that the files of the suite hold; a file that is not loaded leaves some of them out. */
const hostFolder = join(import.meta.dirname, 'host');
const writtenTests = readdirSync(hostFolder)
  .filter((name) => name.endsWith('.ts'))
  .flatMap(
    (name) => readFileSync(join(hostFolder, name), 'utf8').match(/^\s*test\(/gm) ?? [],
  ).length;

const activations: (number | undefined)[] = [];

// The suite runs while vitest collects, so that each of its tests has a line of its own here.
for (const editorName of ['oldest', 'newest'] as const) {
  describe(`extension host of the ${editorName} VS Code`, async () => {
    if (obstacle !== undefined) {
      it.skipIf(!isCi)(obstacle, () => {
        throw new Error(obstacle);
      });
      return;
    }
    const run = await runHostSuite(editorName);
    activations.push(run.activateMs);
    for (const { title, state, error } of run.results) {
      it.skipIf(state === 'pending')(title, () => {
        if (state === 'failed') throw new Error(error);
      });
    }
    it('ends with exit code 0, and every test of the suite was run', () => {
      expect(run.exitCode).toBe(0);
      expect(writtenTests).toBeGreaterThan(25);
      expect(run.results.length).toBeGreaterThanOrEqual(writtenTests);
    });
  });
}

// Others may be using the machine, and a window starts once: the quicker of the two counts.
it.skipIf(obstacle !== undefined)(`activate takes less than ${activationLimitMs} ms`, () => {
  expect(activations).toEqual([expect.any(Number), expect.any(Number)]);
  expect(Math.min(...activations.map(Number))).toBeLessThan(activationLimitMs);
});
