// The environment of the jobs on the simulated Furo, whose torch is a CPU build: told, offered for repair, never taken.
// Works on the Furo that the tutorial started, after the log was found quiet.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import { simulatedEndpoint, until } from './host';
import { errorLines } from './logFiles';

suite('Set Up Environment on Furo', () => {
  const job = () => vscode.workspace.getConfiguration('furo.job');

  suiteSetup(function () {
    if (!simulatedEndpoint() || !errorLines() || process.env['FURO_TEST_PYTHON'] === undefined)
      this.skip();
  });

  suiteTeardown(async () => {
    await job().update('condaEnvironment', undefined, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand('furo.disconnect');
  });

  test('asks before it repairs what is there, and does nothing without an answer', async () => {
    const before = errorLines()?.length;
    let isDone = false;
    void vscode.commands.executeCommand('furo.setUpEnvironment').then(() => (isDone = true));
    await until('the end of the command', async () => {
      await delay(500);
      if (!isDone) await vscode.commands.executeCommand('notifications.clearAll');
      return isDone || undefined;
    });
    assert.equal(errorLines()?.length, before);
  });

  test('makes one that is missing, checks it, and does not take one without kernels for the V100', async () => {
    await job().update('condaEnvironment', 'fresh', vscode.ConfigurationTarget.Global);
    const before = errorLines()?.length ?? 0;
    await vscode.commands.executeCommand('furo.setUpEnvironment');
    const line = await until('the failure of the check', () => errorLines()?.[before]);
    assert.match(line, /environmentWrong/);
    assert.match(line, /kernelsMissing/);
  });
});
