// A batch script from the editor to the simulated Furo and its results back, inside a real extension host.
import assert from 'node:assert/strict';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import { commandWithPick, simulatedEndpoint, until, workspaceFile, writeText } from './host';
import { quickScript, results } from './quickJob';

suite('a job on the simulated Furo', () => {
  const endpoint = simulatedEndpoint();
  const furo = () => vscode.workspace.getConfiguration('furo');
  let jobId = '';

  suiteSetup(async function () {
    if (!endpoint) this.skip();
    const { host, port, user, identityFile, remoteFolder } = endpoint;
    const values = { host, port, user, identityFile, remoteFolder };
    const global = vscode.ConfigurationTarget.Global;
    for (const [key, value] of Object.entries(values))
      await furo().update(`connection.${key}`, value, global);
    await furo().update('poll.intervalSeconds', 5, global);
    await writeText(workspaceFile('quick.sh'), quickScript);
  });

  suiteTeardown(async () => {
    await vscode.commands.executeCommand('furo.disconnect');
  });

  test('Check Connection passes every step', async () => {
    await vscode.commands.executeCommand('furo.checkConnection');
    const document = await until('the report', () =>
      vscode.workspace.textDocuments.find(
        (each) => each.uri.scheme === 'furo-check' && each.getText().includes('Everything works.'),
      ),
    );
    assert.match(document.getText(), /^✓ Clock$/m);
    assert.match(document.getText(), /^✓ Batch system \(PJM\)$/m);
  });

  test('Run on Furo cx-share brings output and statistics into the workspace', async () => {
    await vscode.commands.executeCommand('furo.runOnCxShare', workspaceFile('quick.sh'));
    const { id, output, statistics } = await results('quick', 1);
    jobId = id;
    assert.match(id, /^\d+$/);
    assert.match(output, new RegExp(`^hello from job ${id}$`, 'm'));
    assert.match(statistics, /Job Statistical Information/);
  });

  test('Open Output shows the output in the panel', async () => {
    await commandWithPick('furo.openOutput', undefined, 0);
    await until('the output channel', () =>
      vscode.workspace.textDocuments.find(
        (document) =>
          document.uri.scheme === 'output' &&
          document.getText().includes(`hello from job ${jobId}`),
      ),
    );
  });

  test('Copy Job ID puts the id of PJM on the clipboard', async () => {
    await commandWithPick('furo.copyJobId', undefined, 0);
    assert.equal(await vscode.env.clipboard.readText(), jobId);
  });

  test('Run Again submits it once more', async () => {
    await commandWithPick('furo.runAgain', undefined, 0);
    const { id, output } = await results('quick', 2);
    assert.notEqual(id, jobId);
    assert.match(output, new RegExp(`^hello from job ${id}$`, 'm'));
  });

  test('Refresh works with a connection', async () => {
    await vscode.commands.executeCommand('furo.refreshJobs');
  });
});
