// Shows what a sync would send, remove and leave out, and why. Sends nothing.
import { relative, sep } from 'node:path';
import * as vscode from 'vscode';
import { neededByRun, previewSync as compare } from '../../jobs/previewSync';
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
  const uri = argument ?? vscode.window.activeTextEditor?.document.uri;
  const folder = await folderOf(uri);
  if (!folder) return;
  await vscode.workspace.saveAll(false);
  const { settings } = liveSettings(folder.uri);
  const title = vscode.l10n.t('{0}: preview of the sync', folder.name);
  const place = { title, folder: folder.uri };
  const path = uri && pathIn(folder, uri);
  const needed = await neededByRun(folder.uri.fsPath, path, settings.inference.input);
  const preview = await prepareThere(machines, place, (_center, plan) =>
    compare(machines.machine.remote, {
      ...plan,
      computer: machines.computer(),
      needed,
    }),
  );
  await plans.show(title, syncPreviewText(preview, vscode.l10n.t));
}

/** The folder of the file; else the only one, or the one that the person picks. */
async function folderOf(uri: vscode.Uri | undefined): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  const [first] = folders;
  if (!first) throw uiFailure('noFolder');
  if (!vscode.workspace.isTrusted) throw uiFailure('notTrusted');
  const named = uri && vscode.workspace.getWorkspaceFolder(uri);
  const folder =
    named ?? (folders.length === 1 ? first : await vscode.window.showWorkspaceFolderPick());
  if (folder && folder.uri.scheme !== 'file')
    throw uiFailure('folderNotLocal', { scheme: folder.uri.scheme });
  return folder;
}

function pathIn(folder: vscode.WorkspaceFolder, uri: vscode.Uri): string | undefined {
  if (vscode.workspace.getWorkspaceFolder(uri)?.index !== folder.index) return undefined;
  return relative(folder.uri.fsPath, uri.fsPath).split(sep).join('/');
}
