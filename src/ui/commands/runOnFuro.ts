// Runs a clicked file on Furo: choose, check, submit with progress and cancel. Also runs a job of the list again.
import * as vscode from 'vscode';
import type { Job } from '../../jobs/job';
import { resolveRemoteFolder } from '../../jobs/remoteFolder';
import type { SubmitStep } from '../../jobs/submit';
import type { JobSettings, WorkflowJob } from '../../workflow/workflow';
import { chooseResources, chooseWork, clickedFile } from '../chooseWork';
import { uiFailure } from '../failures';
import type { JobOutput } from '../jobOutput';
import { liveSettings } from '../liveSettings';
import type { Machines } from '../machines';

export interface RunParts {
  readonly machines: Machines;
  readonly output: JobOutput;
}

/** `resourceGroup` undefined asks where. */
export async function runOnFuro(
  parts: RunParts,
  argument: vscode.Uri | undefined,
  resourceGroup: string | undefined,
): Promise<void> {
  const file = clickedFile(argument);
  const over: Partial<JobSettings> | undefined =
    resourceGroup === undefined ? await chooseResources() : { resourceGroup };
  if (!over) return;
  const jobs = await chooseWork(file, over);
  for (const job of jobs) await submit(parts, job, file.folder.uri);
}

/** Submits the same job once more; an inference then computes only the records that are missing. */
export async function runAgain(parts: RunParts, job: Job): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.find(
    ({ uri }) => uri.fsPath === job.workspaceFolder,
  );
  if (!folder) throw uiFailure('cannotRunAgain', { job: job.name });
  await vscode.workspace.saveAll(false);
  await submit(parts, job.workflow, folder.uri);
}

async function submit(parts: RunParts, job: WorkflowJob, folder: vscode.Uri): Promise<void> {
  const { machines, output } = parts;
  const { machine, connection } = machines;
  const { settings } = liveSettings(folder);
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Run {0} on Furo', job.name),
    cancellable: true,
  };
  const record = await vscode.window.withProgress(options, async (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => {
      abort.abort();
    });
    const { signal } = abort;
    progress.report({ message: vscode.l10n.t('connecting') });
    await machine.remote.connect(signal);
    const remoteFolder = await resolveRemoteFolder(machine.remote, connection.remoteFolder, signal);
    return machine.center.submit({
      job,
      workspaceFolder: folder.fsPath,
      remoteFolder,
      exclude: settings.syncExclude,
      signal,
      onStep: stepReporter(progress),
    });
  });
  await output.show(record);
}

function stepReporter(
  progress: vscode.Progress<{ message?: string; increment?: number }>,
): (step: SubmitStep) => void {
  let percent = 0;
  return (step) => {
    if (step.kind === 'kept') {
      void vscode.window.showWarningMessage(
        vscode.l10n.t(
          'Not sent as they are here (changed on the machine, or links): {0}',
          step.paths.join(', '),
        ),
      );
      return;
    }
    if (step.kind !== 'sync') {
      progress.report({ message: stepText(step.kind) });
      return;
    }
    const { filesDone, filesTotal, bytesDone, bytesTotal } = step.progress;
    if (filesTotal === 0) return;
    const now = bytesTotal === 0 ? 100 : Math.floor((100 * bytesDone) / bytesTotal);
    const message = vscode.l10n.t('syncing {0} of {1} files', filesDone, filesTotal);
    progress.report({ message, increment: now - percent });
    percent = now;
  };
}

function stepText(kind: Exclude<SubmitStep['kind'], 'sync' | 'kept'>): string {
  switch (kind) {
    case 'checking':
      return vscode.l10n.t('checking');
    case 'connecting':
      return vscode.l10n.t('connecting');
    case 'runtime':
      return vscode.l10n.t('sending the runtime');
    case 'submitting':
      return vscode.l10n.t('submitting');
  }
}
