// A batch script from the editor to the simulated Furo and its results back, inside a real extension host.
import assert from 'node:assert/strict';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import { commandWithPick, simulatedEndpoint, until, workspaceFile, writeText } from './host';

const script = `#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:05:00
#PJM -j
#PJM -S
echo "hello from job $PJM_JOBID"
echo "made by the job" > made.txt
`;

/** Names in `furo-results` that begin with the job's name. */
async function resultFolders(name: string): Promise<string[]> {
  const entries = await Promise.resolve(
    vscode.workspace.fs.readDirectory(workspaceFile('furo-results')),
  ).catch(() => []);
  return entries.map(([entry]) => entry).filter((entry) => entry.startsWith(`${name}.`));
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(workspaceFile(path)));
}

/** Waits for the first folder with both files; a folder may be seen before it is full. */
function resultsOf(name: string): Promise<{ id: string; output: string; statistics: string }> {
  return until(
    `results of ${name}`,
    async () => {
      const folder = (await resultFolders(name))[0];
      if (folder === undefined) return undefined;
      const id = folder.slice(name.length + 1);
      const files = [`${name}.${id}.out`, `${name}.${id}.stats`];
      const texts = await Promise.all(
        files.map((file) => readText(`furo-results/${folder}/${file}`).catch(() => undefined)),
      );
      const [output, statistics] = texts;
      return output && statistics ? { id, output, statistics } : undefined;
    },
    75_000,
  );
}

suite('a job on the simulated Furo', function () {
  const endpoint = simulatedEndpoint();
  const furo = () => vscode.workspace.getConfiguration('furo');
  let jobId = '';

  suiteSetup(async function () {
    if (!endpoint) {
      this.skip();
      return;
    }
    const { host, port, user, identityFile, remoteFolder } = endpoint;
    const values = { host, port, user, identityFile, remoteFolder };
    const global = vscode.ConfigurationTarget.Global;
    for (const [key, value] of Object.entries(values))
      await furo().update(`connection.${key}`, value, global);
    await furo().update('poll.intervalSeconds', 5, global);
    await writeText(workspaceFile('quick.sh'), script);
  });

  suiteTeardown(async () => {
    await vscode.commands.executeCommand('furo.disconnect');
  });

  test('Test Connection logs in', async () => {
    await vscode.commands.executeCommand('furo.testConnection');
  });

  test('Run on Furo cx-share brings output and statistics into the workspace', async () => {
    await vscode.commands.executeCommand('furo.runOnCxShare', workspaceFile('quick.sh'));
    const { id, output, statistics } = await resultsOf('quick.sh');
    jobId = id;
    assert.match(id, /^\d+$/);
    assert.match(output, new RegExp(`^hello from job ${id}$`, 'm'));
    assert.match(statistics, /Job Statistical Information/);
  });

  test('Open Output shows the output in the panel', async () => {
    await commandWithPick('furo.openOutput', undefined, 0);
    await until('the output channel', () =>
      vscode.workspace.textDocuments.find(
        ({ uri, getText }) =>
          uri.scheme === 'output' && getText().includes(`hello from job ${jobId}`),
      ),
    );
  });

  test('Copy Job ID puts the id of PJM on the clipboard', async () => {
    await commandWithPick('furo.copyJobId', undefined, 0);
    assert.equal(await vscode.env.clipboard.readText(), jobId);
  });

  test('Run Again submits it once more', async () => {
    await commandWithPick('furo.runAgain', undefined, 0);
    await until('the second results', async () => {
      const folders = await resultFolders('quick.sh');
      return folders.length >= 2 || undefined;
    });
  });

  test('Refresh works with a connection', async () => {
    await vscode.commands.executeCommand('furo.refreshJobs');
  });
});
