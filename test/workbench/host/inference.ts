// Two questions to a real small model through the simulated Furo, and the table of the answers. Needs Python and model.
import assert from 'node:assert/strict';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import {
  closeEditors,
  commandWithPick,
  simulatedEndpoint,
  until,
  workspaceFile,
  writeText,
} from './host';
import { readResult, results } from './quickJob';

const questions = ['What is the capital of Japan?', 'Name a color.'];

interface ResultLine {
  readonly custom_id: string;
  readonly error: unknown;
  readonly response: { readonly body: { readonly choices: { message: { content: string } }[] } };
}

suite('an inference on the simulated Furo', () => {
  let jobId = '';

  suiteSetup(async function () {
    if (!simulatedEndpoint() || process.env['FURO_TEST_MODEL'] === undefined) this.skip();
    const lines = questions.map((question, index) =>
      JSON.stringify({ id: `q-${index}`, question }),
    );
    await writeText(workspaceFile('data/two.jsonl'), `${lines.join('\n')}\n`);
    const inference = vscode.workspace.getConfiguration('furo.inference');
    await inference.update('maxNewTokens', 8, vscode.ConfigurationTarget.Global);
  });

  suiteTeardown(async () => {
    await closeEditors();
    await vscode.commands.executeCommand('furo.disconnect');
  });

  test('Run on Furo cx-share answers a .jsonl file', async () => {
    await vscode.commands.executeCommand('furo.runOnCxShare', workspaceFile('data/two.jsonl'));
    const { id, output } = await results('two', 1);
    jobId = id;
    const text = await until('results.jsonl', () => readResult(`two.${jobId}`, 'results.jsonl'));
    const answers = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ResultLine);
    assert.deepEqual(answers.map(({ custom_id }) => custom_id).sort(), ['q-0', 'q-1'], output);
    for (const { error, response } of answers) {
      assert.equal(error, null);
      assert.ok(response.body.choices[0]!.message.content.length > 0);
    }
  });

  test('Open Results opens the table of this job', async () => {
    await commandWithPick('furo.openResults', undefined, 0);
    const tab = await until('the tab', () =>
      vscode.window.tabGroups.all
        .flatMap(({ tabs }) => tabs)
        .find(
          ({ input }) =>
            input instanceof vscode.TabInputWebview && input.viewType.endsWith('furo.results'),
        ),
    );
    assert.ok(tab.label.includes(jobId), tab.label);
  });
});
