// Runs a clicked file on Furo: choose, check, submit with progress and cancel. Also runs a job of the list again.
import * as vscode from 'vscode';
import { isFailure } from '../../base/failure';
import type { Logger } from '../../base/log';
import type { Job } from '../../jobs/job';
import type { JobCenter } from '../../jobs/jobCenter';
import { resolveRemoteFolder } from '../../jobs/remoteFolder';
import type { SubmitPlan, SubmitStep } from '../../jobs/submit';
import type { JobSettings, WorkflowJob } from '../../workflow/workflow';
import { few, keptNotes, notesText, sizeText } from '../../words/syncText';
import { chooseResources, chooseWork, clickedFile } from '../chooseWork';
import { uiFailure } from '../failures';
import type { JobOutput } from '../jobOutput';
import { liveSettings } from '../liveSettings';
import type { Machines } from '../machines';
import { showInformation, showWarning, withProgress } from '../messages';
import { askAboutFailure } from '../showFailure';
import { newWorkflow } from './newWorkflow';

export interface RunParts {
  readonly machines: Machines;
  readonly output: JobOutput;
  readonly log: Logger;
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
  const jobs = await chooseWork(file, over, 'several');
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

/** A job that its plan calls too large is submitted only when the person says so. */
async function submit(parts: RunParts, job: WorkflowJob, folder: vscode.Uri): Promise<void> {
  try {
    await submitNow(parts, job, { folder, ignoresPlan: false });
  } catch (error) {
    if (!isFailure(error, 'doesNotFit')) throw error;
    const chosen = await askAboutFailure(error, parts);
    if (chosen === 'submitAnyway') await submitNow(parts, job, { folder, ignoresPlan: true });
    if (chosen === 'openWorkflow') await openWorkflow(folder);
  }
}

async function submitNow(
  { machines, output }: RunParts,
  job: WorkflowJob,
  { folder, ignoresPlan }: { folder: vscode.Uri; ignoresPlan: boolean },
): Promise<void> {
  const title = vscode.l10n.t('Run {0} on Furo', job.name);
  const record = await prepareThere(machines, { title, folder }, (center, places) =>
    center.submit({ job, ignoresPlan, ...places }),
  );
  await output.show(record);
}

/** What both a submission and a plan need to know about this window and the machine. */
type SentPlan = Omit<SubmitPlan, 'target' | 'job' | 'ignoresPlan'>;

/** Connects and runs `run` with progress and a cancel button. */
export function prepareThere<T>(
  { machine, connection }: Pick<Machines, 'machine' | 'connection'>,
  { title, folder }: { title: string; folder: vscode.Uri },
  run: (center: JobCenter, plan: SentPlan) => Promise<T>,
): Thenable<T> {
  const { settings } = liveSettings(folder);
  const options = {
    location: vscode.ProgressLocation.Notification,
    title,
    cancellable: true,
  };
  return withProgress(options, async (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => {
      abort.abort();
    });
    const { signal } = abort;
    progress.report({ message: vscode.l10n.t('connecting') });
    await machine.remote.connect(signal);
    const remoteFolder = await resolveRemoteFolder(machine.remote, connection.remoteFolder, signal);
    return run(machine.center, {
      workspaceFolder: folder.fsPath,
      remoteFolder,
      exclude: settings.syncExclude,
      include: settings.syncInclude,
      confirmRemovals: (paths) => confirmRemovals(paths, folder),
      signal,
      onStep: stepReporter(progress),
    });
  });
}

/** Many files that are gone here may be an accident, so they are removed there only after a yes. */
async function confirmRemovals(paths: readonly string[], folder: vscode.Uri): Promise<boolean> {
  const remove = vscode.l10n.t('Remove Them There');
  const keep = vscode.l10n.t('Keep Them There');
  const chosen = await showWarning(
    vscode.l10n.t('Remove {0} files from the machine?', paths.length),
    {
      modal: true,
      detail: vscode.l10n.t(
        'They were sent from {0} and are not there any more: {1}. Nothing else on the machine is removed.',
        folder.fsPath,
        few(paths, vscode.l10n.t),
      ),
    },
    remove,
    keep,
  );
  return chosen === remove;
}

/** The job's own file, or a first one where there is none. */
async function openWorkflow(folder: vscode.Uri): Promise<void> {
  const pattern = new vscode.RelativePattern(folder, 'furo.{yaml,yml}');
  const [file] = await vscode.workspace.findFiles(pattern, undefined, 1);
  if (file) await vscode.window.showTextDocument(file);
  else await newWorkflow();
}

function stepReporter(
  progress: vscode.Progress<{ message?: string; increment?: number }>,
): (step: SubmitStep) => void {
  let percent = 0;
  return (step) => {
    if (step.kind === 'kept') {
      for (const sentence of keptNotes(step.summary, vscode.l10n.t)) void showWarning(sentence);
      return;
    }
    if (step.kind === 'notes') {
      for (const sentence of notesText(step.notes, vscode.l10n.t)) void showInformation(sentence);
      return;
    }
    if (step.kind !== 'sync') {
      progress.report({ message: stepText(step.kind) });
      return;
    }
    const { filesDone, filesTotal, bytesDone, bytesTotal } = step.progress;
    if (filesTotal === 0) return;
    const now = bytesTotal === 0 ? 100 : Math.floor((100 * bytesDone) / bytesTotal);
    const message = vscode.l10n.t(
      'syncing {0} of {1} files ({2} of {3})',
      filesDone,
      filesTotal,
      sizeText(bytesDone),
      sizeText(bytesTotal),
    );
    progress.report({ message, increment: now - percent });
    percent = now;
  };
}

function stepText(kind: Exclude<SubmitStep['kind'], 'sync' | 'kept' | 'notes'>): string {
  switch (kind) {
    case 'checking':
      return vscode.l10n.t('checking');
    case 'connecting':
      return vscode.l10n.t('connecting');
    case 'runtime':
      return vscode.l10n.t('sending the runtime');
    case 'planning':
      return vscode.l10n.t('planning');
    case 'freezing':
      return vscode.l10n.t('freezing the files of this run');
    case 'submitting':
      return vscode.l10n.t('submitting');
  }
}
