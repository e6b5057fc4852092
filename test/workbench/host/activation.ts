// The packed extension starts by itself, quickly, and registers what its manifest promises.
import assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { extensionId, ourExtension, until } from './host';
import { activationSaid, say } from './say';

/** The marks that VS Code sets for itself in its extension host, in milliseconds. */
function marks(): readonly { name: string; startTime: number }[] {
  const keeper = (
    globalThis as { MonacoPerformanceMarks?: { getMarks(): ReturnType<typeof marks> } }
  ).MonacoPerformanceMarks;
  assert.ok(keeper, 'this VS Code keeps no performance marks');
  return keeper.getMarks();
}

function millisecondsBetween(from: string, to: string): number {
  const at = (name: string) => {
    const mark = marks().find((entry) => entry.name === `code/extHost/${name}/${extensionId}`);
    assert.ok(mark, `VS Code set no mark ${name}`);
    return mark.startTime;
  };
  return at(to) - at(from);
}

suite('activation', () => {
  test('starts by itself once the window is up', async () => {
    const extension = ourExtension();
    await until('the active extension', () => extension.isActive || undefined, 60_000);
    assert.match(extension.extensionPath, /furo-workflows\.furo-workflows-\d/);
  });

  test('says how long activation took', () => {
    const loading = millisecondsBetween('willLoadExtensionCode', 'didLoadExtensionCode');
    const activating = millisecondsBetween('willActivateExtension', 'didActivateExtension');
    say(activationSaid({ loading, activating, version: vscode.version }));
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
