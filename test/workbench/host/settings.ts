// The defaults that VS Code gives are those that the code assumes.
import assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { defaultSettings, readSettings, settingKeys } from '../../../src/settings';

suite('settings', () => {
  test('defaults are those of the code', () => {
    const configuration = vscode.workspace.getConfiguration('furo');
    const { settings, problems } = readSettings((key) => configuration.inspect(key)?.defaultValue);
    assert.deepEqual(problems, []);
    assert.deepEqual(settings, defaultSettings);
  });

  test('every setting is contributed', () => {
    const configuration = vscode.workspace.getConfiguration('furo');
    const missing = settingKeys.filter(
      (key) => configuration.inspect(key)?.defaultValue === undefined,
    );
    assert.deepEqual(missing, []);
  });
});
