// The commands that need no machine: first workflow, preview of the job script, job verbs without jobs.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { suite, suiteSetup, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import { loadWorkflow } from '../../../src/workflow/loadWorkflow';
import {
  closeEditors,
  commandWithPick,
  ourDiagnostics,
  until,
  workspaceFile,
  writeText,
} from './host';

/** The untitled shell script in front, as the preview opens it. */
function previewText(): string {
  const document = vscode.window.activeTextEditor?.document;
  assert.ok(document, 'no editor is open');
  assert.equal(document.languageId, 'shellscript');
  assert.ok(document.isUntitled);
  return document.getText();
}

suite('commands', () => {
  suiteSetup(async () => {
    const inference = vscode.workspace.getConfiguration('furo.inference');
    const global = vscode.ConfigurationTarget.Global;
    await inference.update('model', 'HuggingFaceTB/SmolLM2-135M-Instruct', global);
    await inference.update('promptTemplate', '{{ question }}', global);
  });
  teardown(closeEditors);

  test('New Workflow writes a furo.yaml without problems and opens it', async () => {
    const file = workspaceFile('furo.yaml');
    const aside = workspaceFile('furo.yaml.aside');
    await vscode.workspace.fs.rename(file, aside);
    try {
      await vscode.commands.executeCommand('furo.newWorkflow');
      const document = vscode.window.activeTextEditor?.document;
      assert.equal(document?.uri.toString(), file.toString());
      // The editor may first show what the earlier file of this name held.
      const { problems } = await until('the new text', () => {
        const read = loadWorkflow(document.getText());
        return read.value.length === 1 ? read : undefined;
      });
      assert.deepEqual(problems, []);
      await delay(500);
      assert.deepEqual(ourDiagnostics(file), []);
    } finally {
      await vscode.workspace.fs.rename(aside, file, { overwrite: true });
    }
  });

  test('New Workflow leaves a furo.yaml alone that is there', async () => {
    const file = workspaceFile('furo.yaml');
    const before = await vscode.workspace.fs.readFile(file);
    await vscode.commands.executeCommand('furo.newWorkflow');
    assert.deepEqual(await vscode.workspace.fs.readFile(file), before);
    assert.equal(vscode.window.activeTextEditor?.document.uri.toString(), file.toString());
  });

  test('the preview of a .jsonl file is a valid batch script', async () => {
    await vscode.commands.executeCommand(
      'furo.previewJobScript',
      workspaceFile('data/questions.jsonl'),
    );
    const text = previewText();
    assert.match(text, /^#!\/bin\/bash\n/);
    assert.match(text, /^#PJM -L .*rscgrp=cx-share/m);
    assert.match(text, /^#PJM -L .*elapse=1:00:00/m);
    assert.match(text, /furo_infer run/);
    await delay(500);
    const { document } = vscode.window.activeTextEditor!;
    assert.deepEqual(ourDiagnostics(document.uri), []);
  });

  test('the preview of furo.yaml asks which job, and shows that one', async () => {
    const file = workspaceFile('furo.yaml');
    await commandWithPick('furo.previewJobScript', file, 0);
    assert.match(previewText(), /^#PJM -L .*elapse=0:10:00/m);
    await closeEditors();
    await commandWithPick('furo.previewJobScript', file, 1);
    assert.match(previewText(), /scripts\/count_words\.py/);
  });

  test('the preview of a batch script is the script itself', async () => {
    const file = workspaceFile('scripts/two_nodes_mpi.sh');
    await vscode.commands.executeCommand('furo.previewJobScript', file);
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(file));
    assert.equal(previewText(), text);
  });

  test('the preview saves the editor first, so it shows what is on the screen', async () => {
    const file = workspaceFile('fresh.sh');
    await writeText(file, '#!/bin/bash\n#PJM -L rscgrp=cx-share\n#PJM -L gpu=1\ntrue\n');
    const { document } = await vscode.window.showTextDocument(file);
    const edit = new vscode.WorkspaceEdit();
    edit.insert(file, new vscode.Position(3, 0), 'echo typed just now\n');
    await vscode.workspace.applyEdit(edit);
    assert.ok(document.isDirty);
    await vscode.commands.executeCommand('furo.previewJobScript', file);
    assert.match(previewText(), /typed just now/);
  });

  test('job verbs without jobs ask, and end quietly when nothing is chosen', async () => {
    for (const verb of ['copyJobId', 'openOutput', 'openResults', 'cancelJob', 'runAgain']) {
      let isDone = false;
      void vscode.commands.executeCommand(`furo.${verb}`).then(() => (isDone = true));
      await until(`the end of furo.${verb}`, async () => {
        await delay(200);
        await vscode.commands.executeCommand('workbench.action.closeQuickOpen');
        return isDone || undefined;
      });
    }
  });

  test('Show Log and Disconnect work at any time', async () => {
    await vscode.commands.executeCommand('furo.showLog');
    await vscode.commands.executeCommand('furo.disconnect');
  });
});
