// Small steps that the suites of the extension host share: waiting, documents, quick picks, the simulated Furo.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import * as vscode from 'vscode';

export const extensionId = 'furo-workflows.furo-workflows';

export function ourExtension(): vscode.Extension<unknown> {
  const extension = vscode.extensions.getExtension(extensionId);
  assert.ok(extension, `${extensionId} is not installed`);
  return extension;
}

/** The folder that is open. */
export function workspaceFolder(): vscode.WorkspaceFolder {
  const folder = vscode.workspace.workspaceFolders?.[0];
  assert.ok(folder, 'no folder is open');
  return folder;
}

export function workspaceFile(path: string): vscode.Uri {
  return vscode.Uri.joinPath(workspaceFolder().uri, path);
}

export async function writeText(uri: vscode.Uri, text: string): Promise<void> {
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
}

/** Asks again and again until there is an answer. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | PromiseLike<T | undefined>,
  timeoutMs = 20_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`still not there after ${timeoutMs / 1000} s: ${what}`);
    await delay(100);
  }
}

/** Runs a command that asks with a quick pick, and takes the chosen row (0 is the first). */
export async function commandWithPick(id: string, argument: unknown, row: number): Promise<void> {
  const run = Promise.resolve(vscode.commands.executeCommand(id, argument)).then(() => 'done');
  // The list opens a moment after the command was called, and moving in a list that is not there does nothing.
  await delay(700);
  for (let moved = 0; moved < row; moved += 1)
    await vscode.commands.executeCommand('workbench.action.quickOpenSelectNext');
  do await vscode.commands.executeCommand('workbench.action.acceptSelectedQuickOpenItem');
  while ((await Promise.race([run, delay(500, 'asking')])) === 'asking');
}

export function ourDiagnostics(uri: vscode.Uri): vscode.Diagnostic[] {
  return vscode.languages.getDiagnostics(uri).filter(({ source }) => source === 'Furo');
}

/** What `SimulatedFuro.endpoint` of the process outside says, or undefined where there is none. */
export function simulatedEndpoint():
  | { host: string; port: number; user: string; identityFile: string; remoteFolder: string }
  | undefined {
  const text = process.env['FURO_TEST_ENDPOINT'];
  return text === undefined
    ? undefined
    : (JSON.parse(text) as ReturnType<typeof simulatedEndpoint> & object);
}

export async function closeEditors(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
}
