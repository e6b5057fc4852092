// Shows what a sync would send, remove and leave out, and why. Sends nothing.
import { relative, sep } from 'node:path';
import * as vscode from 'vscode';
import { previewSync as compare } from '../../jobs/previewSync';
import { syncPreviewText } from '../../words/syncText';
import { uiFailure } from '../failures';
import { liveSettings } from '../liveSettings';
import type { Machines } from '../machines';
import type { PlanDocuments } from './planJob';
import { prepareThere } from './runOnFuro';

export async function previewSync(
  { machines, plans }: { readonly machines: Machines; readonly plans: PlanDocuments },
  argument: vscode.Uri | undefined,
): Promise<void> {
  const folder = await folderOf(argument);
  if (!folder) return;
  await vscode.workspace.saveAll(false);
  const { settings } = liveSettings(folder.uri);
  const title = vscode.l10n.t('{0}: preview of the sync', folder.name);
  const place = { title, folder: folder.uri };
  const preview = await prepareThere(machines, place, (_center, plan) =>
    compare(machines.machine.remote, {
      ...plan,
      include: settings.syncInclude,
      needed: runnablePath(folder, argument),
    }),
  );
  await plans.show(title, syncPreviewText(preview, vscode.l10n.t));
}

/** The folder of the clicked file or of the active editor; the only one, or the one that the person picks. */
async function folderOf(
  argument: vscode.Uri | undefined,
): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [first] = folders;
  if (!first) throw uiFailure('noFolder');
  if (!vscode.workspace.isTrusted) throw uiFailure('notTrusted');
  const uri = argument ?? vscode.window.activeTextEditor?.document.uri;
  const named = uri && vscode.workspace.getWorkspaceFolder(uri);
  const folder =
    named ?? (folders.length === 1 ? first : await vscode.window.showWorkspaceFolderPick());
  if (folder && folder.uri.scheme !== 'file')
    throw uiFailure('folderNotLocal', { scheme: folder.uri.scheme });
  return folder;
}

/** A clicked file that can be run would be sent whatever the rules say. */
function runnablePath(folder: vscode.WorkspaceFolder, argument: vscode.Uri | undefined): string[] {
  if (!argument || !/\.(?:jsonl|py|sh)$/i.test(argument.path)) return [];
  return [relative(folder.uri.fsPath, argument.fsPath).split(sep).join('/')];
}
