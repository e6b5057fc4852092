// Two questions to a real small model through the simulated Furo, and the table of the answers. Needs Python and model.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
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
import { logText } from './logFiles';
import { readResult, results } from './quickJob';

const questions = ['What is the capital of Japan?', 'Name a color.'];

/** The shape of Llama 3.1 70B, which needs two nodes. */
const config70B = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 8192,
  intermediate_size: 28672,
  num_hidden_layers: 80,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  vocab_size: 128256,
};

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

  test('Show Plan opens the words of the runtime, and submits nothing', async () => {
    await vscode.commands.executeCommand('furo.planJob', workspaceFile('data/two.jsonl'));
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, 'furo-plan');
    assert.match(document.getText(), /^Plan for .*SmolLM2-135M-Instruct/);
    assert.match(document.getText(), /cx-share/);
  });

  test('a model that does not fit is asked about, and without an answer nothing is submitted', async () => {
    const folder = workspaceFile('models/large');
    await writeText(vscode.Uri.joinPath(folder, 'config.json'), JSON.stringify(config70B));
    const inference = vscode.workspace.getConfiguration('furo.inference');
    const model = inference.inspect<string>('model')?.globalValue;
    await inference.update('model', folder.fsPath, vscode.ConfigurationTarget.Global);
    try {
      const line = `doesNotFit {"job":"two","group":"cx-share","fitting":"cx-small (node=2)"`;
      let isDone = false;
      const file = workspaceFile('data/two.jsonl');
      void vscode.commands.executeCommand('furo.runOnCxShare', file).then(() => (isDone = true));
      await until('the question', () => logText()?.includes(line) === true || undefined);
      await delay(1000);
      assert.equal(isDone, false);
      await until('the end of the command', async () => {
        await vscode.commands.executeCommand('notifications.clearAll');
        await delay(500);
        return isDone || undefined;
      });
    } finally {
      await inference.update('model', model, vscode.ConfigurationTarget.Global);
      await vscode.workspace.fs.delete(folder, { recursive: true });
    }
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
