// The simulated Furo of the package itself: started by a command, used instead of the settings, loaded only then.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import { quickScript, results } from './quickJob';
import { ourExtension, simulatedEndpoint, workspaceFile, writeText } from './host';

function isSimulatorLoaded(): boolean {
  const file = vscode.Uri.joinPath(ourExtension().extensionUri, 'dist', 'simulator.js').fsPath;
  return Object.keys(require.cache).includes(file);
}

suite('the tutorial', () => {
  suiteSetup(async function () {
    if (!simulatedEndpoint()) this.skip();
    // The extension runs in this process; the environment suite goes on with the Furo that it starts.
    const python = process.env['FURO_TEST_PYTHON'];
    if (python !== undefined) process.env['FURO_DEMO_PYTHON'] = python;
    await writeText(workspaceFile('tutorial.sh'), quickScript);
  });

  suiteTeardown(async () => {
    await vscode.commands.executeCommand('furo.disconnect');
  });

  test('nothing has loaded the simulator so far', () => {
    assert.equal(isSimulatorLoaded(), false);
  });

  test('Start Tutorial runs a job on a Furo of its own', async () => {
    // The command ends only when its notification is answered.
    void vscode.commands.executeCommand('furo.startTutorial');
    while (!isSimulatorLoaded()) await delay(200);
    await delay(3000);
    await vscode.commands.executeCommand('furo.runOnCxShare', workspaceFile('tutorial.sh'));
    const { output, statistics } = await results('tutorial', 1);
    assert.match(output, /^hello from job \d+$/m);
    assert.match(statistics, /Job Statistical Information/);
  });
});
