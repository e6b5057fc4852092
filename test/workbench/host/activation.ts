// The packed extension starts by itself, quickly, and registers what its manifest promises.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { extensionId, ourExtension, until } from './host';

/** Activation may not be felt by the person who opens a window. */
const activationLimitMs = 50;

/** Milliseconds between two marks that the extension host sets around each activation. */
function between(from: string, to: string): number {
  const at = (name: string) => {
    const mark = performance
      .getEntriesByType('mark')
      .find((entry) => entry.name === `code/extHost/${name}/${extensionId}`);
    assert.ok(mark, `VS Code set no mark ${name}`);
    return mark.startTime;
  };
  return at(to) - at(from);
}

suite('activation', () => {
  test('starts by itself once the window is up', async () => {
    const extension = ourExtension();
    await until('the active extension', () => extension.isActive || undefined, 60_000);
    assert.equal(extension.packageJSON.main, './dist/extension.js');
    const isUnderDevelopment = extension.extensionPath.includes('empty-extension');
    assert.equal(isUnderDevelopment, false);
  });

  test(`activate takes less than ${activationLimitMs} ms`, () => {
    const loading = between('willLoadExtensionCode', 'didLoadExtensionCode');
    const activating = between('willActivateExtension', 'didActivateExtension');
    console.log(
      `VS Code ${vscode.version}: code loaded in ${loading.toFixed(1)} ms, activate took ${activating.toFixed(1)} ms`,
    );
    assert.ok(activating < activationLimitMs, `activate took ${activating.toFixed(1)} ms`);
  });

  test('every command of the manifest is registered', async () => {
    const manifest = ourExtension().packageJSON as {
      contributes: { commands: { command: string }[] };
    };
    const wanted = manifest.contributes.commands.map(({ command }) => command);
    assert.ok(wanted.length > 15);
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      wanted.filter((id) => !registered.has(id)),
      [],
    );
  });

  test('the job list is there', async () => {
    await vscode.commands.executeCommand('furo.jobs.focus');
  });
});
