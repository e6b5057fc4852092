// What cannot run is refused before anything is sent, and the reason is in the log. Runs after the quiet log.
import assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { until, workspaceFile, writeText } from './host';
import { errorLines } from './logFiles';

/** Runs a file, and waits for the line that tells why it was refused. */
async function refusalOf(path: string, text: string): Promise<string> {
  const file = workspaceFile(path);
  await writeText(file, text);
  const before = errorLines()?.length ?? 0;
  await vscode.commands.executeCommand('furo.runOnCxShare', file);
  return until(`a refusal of ${path}`, () => errorLines()?.[before]);
}

suite('refusals', () => {
  test('a file that nothing can run', async function () {
    if (!errorLines()) this.skip();
    assert.match(await refusalOf('notes.txt', 'hello'), /fileNotRunnable/);
  });

  test('a shell script without #PJM lines', async function () {
    if (!errorLines()) this.skip();
    assert.match(await refusalOf('plain.sh', '#!/bin/bash\ntrue\n'), /noDirectives/);
  });

  test('a batch script that PJM would refuse, with its line', async function () {
    if (!errorLines()) this.skip();
    const line = await refusalOf('wrong.sh', '#!/bin/bash\n#PJM -L rscgrp=nowhere\ntrue\n');
    assert.match(line, /jobInvalid/);
    assert.match(line, /wrong\.sh:2: /);
  });

  test('a furo.yaml with a mistake, with its line', async function () {
    if (!errorLines()) this.skip();
    const line = await refusalOf('bad/furo.yaml', 'version: 1\njobs:\n  a:\n    nonsense: 1\n');
    assert.match(line, /jobInvalid/);
    assert.match(line, /bad\/furo\.yaml:\d: /);
  });
});
