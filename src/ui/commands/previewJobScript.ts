// Shows the job script that a click would submit. Sends nothing; unknown remote folders stand as readable names.
import { readFile } from 'node:fs/promises';
import * as vscode from 'vscode';
import { findGroup } from '../../pjm/furo';
import { renderScript } from '../../pjm/render';
import { requestOf } from '../../workflow/expand';
import { renderBody } from '../../workflow/launchLine';
import { previewPlaces } from '../../jobs/places';
import type { WorkflowJob } from '../../workflow/workflow';
import { chooseWork, clickedFile, type ClickedFile } from '../chooseWork';
import type { Machines } from '../machines';

export async function previewJobScript(
  machines: Machines,
  argument: vscode.Uri | undefined,
): Promise<void> {
  const file = clickedFile(argument);
  for (const job of await chooseWork(file, {}, 'one')) {
    const content = await scriptText(machines, file, job);
    const document = await vscode.workspace.openTextDocument({ language: 'shellscript', content });
    await vscode.window.showTextDocument(document, { preview: true });
  }
}

async function scriptText(
  machines: Machines,
  file: ClickedFile,
  job: WorkflowJob,
): Promise<string> {
  const { work, settings } = job;
  if (work.kind === 'script')
    return readFile(vscode.Uri.joinPath(file.folder.uri, work.script).fsPath, 'utf8');
  const launch = previewPlaces(machines.connection.remoteFolder, file.folder.uri.fsPath, {
    jobName: job.name,
    computer: machines.computer(),
  });
  return renderScript(requestOf(job, findGroup(settings.resourceGroup)), renderBody(job, launch));
}
