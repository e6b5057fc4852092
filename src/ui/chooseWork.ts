// From a click on a file to the jobs that it means, checked before anything is sent. Submits nothing.
import { readFile } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import * as vscode from 'vscode';
import { jobFailure } from '../jobs/failures';
import { findGroup, furoGroups } from '../pjm/furo';
import { renderScript } from '../pjm/render';
import { parseScript } from '../pjm/script';
import { validateScript } from '../pjm/validate';
import type { Settings } from '../settings';
import { expandEntry, expandFile, requestOf, type Expanded } from '../workflow/expand';
import { loadWorkflow, type JobEntry } from '../workflow/loadWorkflow';
import { isWorkflowFile } from '../workflow/paths';
import type { JobSettings, WorkflowJob } from '../workflow/workflow';
import { problemText } from '../words/problemText';
import { uiFailure } from './failures';
import { liveSettings } from './liveSettings';
import { showInputBox } from './messages';

/** A file with the folder that is synced for it. */
export interface ClickedFile {
  readonly uri: vscode.Uri;
  readonly folder: vscode.WorkspaceFolder;
  /** POSIX path from the folder. */
  readonly path: string;
}

/** The clicked file, or the active editor's; throws where it cannot be run. */
export function clickedFile(argument: vscode.Uri | undefined): ClickedFile {
  const uri = argument ?? vscode.window.activeTextEditor?.document.uri;
  if (!vscode.workspace.workspaceFolders?.length) throw uiFailure('noFolder');
  if (!vscode.workspace.isTrusted) throw uiFailure('notTrusted');
  if (!uri) throw uiFailure('noFile');
  if (uri.scheme !== 'file') throw uiFailure('folderNotLocal', { scheme: uri.scheme });
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  if (!folder) throw uiFailure('fileOutsideFolder', { path: uri.fsPath });
  return { uri, folder, path: relative(folder.uri.fsPath, uri.fsPath).split(sep).join('/') };
}

/** How many jobs of one furo.yaml may be chosen at once. */
export type Choice = 'one' | 'several';

/** The jobs that the file means; empty when the person changed their mind. */
export async function chooseWork(
  file: ClickedFile,
  over: Partial<JobSettings>,
  choice: Choice,
): Promise<readonly WorkflowJob[]> {
  await vscode.workspace.saveAll(false);
  const { settings, problems } = liveSettings(file.uri);
  const problem = problems[0];
  if (problem) throw jobFailure('settingInvalid', { key: problem.key, expected: problem.expected });
  const jobs = isWorkflowFile(file.path)
    ? await fromWorkflow(file, (entries) => pickEntries(entries, choice), { settings, over })
    : [await fromFile(file, settings, over)];
  for (const job of jobs) await checkJob(file, job);
  return jobs;
}

async function fromFile(
  file: ClickedFile,
  settings: Settings,
  over: Partial<JobSettings>,
): Promise<WorkflowJob> {
  const expanded = expandFile(file.path, settings, over);
  if (!expanded) throw uiFailure('fileNotRunnable', { path: file.path });
  const job = jobOf(expanded);
  if (job.work.kind === 'script') {
    const text = await readFile(file.uri.fsPath, 'utf8');
    if (!parseScript(text).value.hasDirectives)
      throw uiFailure('noDirectives', { path: file.path });
  }
  return job;
}

async function fromWorkflow(
  file: ClickedFile,
  pick: (entries: readonly JobEntry[]) => Promise<readonly JobEntry[]>,
  { settings, over }: { settings: Settings; over: Partial<JobSettings> },
): Promise<readonly WorkflowJob[]> {
  const { value: entries, problems } = loadWorkflow(await readFile(file.uri.fsPath, 'utf8'));
  const problem = problems[0];
  if (problem) {
    const first = `${file.path}:${problem.range.startLine + 1}: ${problemText(problem, vscode.l10n.t)}`;
    throw jobFailure('jobInvalid', { job: file.path, count: problems.length, first });
  }
  const chosen = entries.length === 1 ? entries : await pick(entries);
  return chosen.map((entry) => jobOf(expandEntry(entry, settings, over)));
}

async function pickEntries(
  entries: readonly JobEntry[],
  choice: Choice,
): Promise<readonly JobEntry[]> {
  const items = entries.map((entry) => ({
    label: entry.name,
    description: entry.settings.resourceGroup ?? '',
    detail: workText(entry.work.kind),
    entry,
  }));
  const several = choice === 'several';
  const placeholder = several
    ? vscode.l10n.t('Which jobs of furo.yaml?')
    : vscode.l10n.t('Which job of furo.yaml?');
  return (await pickItems(items, several, placeholder)).map(({ entry }) => entry);
}

/** As `showQuickPick`, but Enter takes the row in focus where no box is ticked. */
function pickItems<Item extends vscode.QuickPickItem>(
  items: readonly Item[],
  canSelectMany: boolean,
  placeholder: string,
): Promise<readonly Item[]> {
  const list = vscode.window.createQuickPick<Item>();
  Object.assign(list, { items, canSelectMany, placeholder, matchOnDetail: true });
  return new Promise((resolve) => {
    list.onDidAccept(() => {
      resolve(list.selectedItems.length > 0 ? list.selectedItems : list.activeItems);
      list.hide();
    });
    list.onDidHide(() => {
      resolve([]);
      list.dispose();
    });
    list.show();
  });
}

function workText(kind: WorkflowJob['work']['kind']): string {
  switch (kind) {
    case 'inference':
      return vscode.l10n.t('inference over a JSONL file');
    case 'python':
      return vscode.l10n.t('Python program');
    case 'script':
      return vscode.l10n.t('batch script, as it is');
  }
}

function jobOf(expanded: Expanded): WorkflowJob {
  if ('problem' in expanded) throw jobFailure(expanded.problem, { job: expanded.jobName });
  return expanded.job;
}

/** What PJM would refuse, found before the upload. */
async function checkJob(file: ClickedFile, job: WorkflowJob): Promise<void> {
  const errors = validateScript(await scriptOf(file, job), furoGroups).filter(
    ({ severity }) => severity === 'error',
  );
  const first = errors[0];
  if (!first) return;
  const line =
    job.work.kind === 'script' ? `${job.work.script}:${first.range.startLine + 1}: ` : '';
  const text = line + problemText(first, vscode.l10n.t);
  throw jobFailure('jobInvalid', { job: job.name, count: errors.length, first: text });
}

async function scriptOf(file: ClickedFile, job: WorkflowJob): Promise<string> {
  if (job.work.kind !== 'script')
    return renderScript(requestOf(job, findGroup(job.settings.resourceGroup)), []);
  const script = vscode.Uri.joinPath(file.folder.uri, job.work.script);
  const path = job.work.script;
  return readFile(script.fsPath, 'utf8').catch((error: unknown) => {
    throw jobFailure('inputNotFound', { path }, error);
  });
}

/** Resource group and size for *Choose...*; undefined when the person changed their mind. */
export async function chooseResources(): Promise<Partial<JobSettings> | undefined> {
  const t = vscode.l10n.t;
  const groups = furoGroups.filter(({ isInteractive }) => !isInteractive);
  const asIs = { label: t('As the settings or furo.yaml say'), over: {} as Partial<JobSettings> };
  const items = groups.map((group) => ({
    label: group.name,
    description: group.isShared
      ? t('1 GPU of a shared node')
      : t('{0} to {1} nodes of 4 GPUs', group.minNodes, group.maxNodes),
    ...(group.maxElapseSeconds !== undefined && {
      detail: t('up to {0} hours', group.maxElapseSeconds / 3600),
    }),
    over: { resourceGroup: group.name, ...(group.maxNodes === 1 && { nodes: 1 }) },
  }));
  const chosen = await vscode.window.showQuickPick([asIs, ...items], {
    placeHolder: t('Where shall it run?'),
  });
  if (!chosen) return undefined;
  const group = findGroup(chosen.label);
  if (!group || group.maxNodes === 1) return chosen.over;
  const { minNodes, maxNodes } = group;
  const nodes = await showInputBox({
    title: t('How many nodes of {0}?', group.name),
    value: String(minNodes),
    validateInput: (text) =>
      /^\d+$/.test(text) && Number(text) >= minNodes && Number(text) <= maxNodes
        ? undefined
        : t('A number from {0} to {1}', minNodes, maxNodes),
  });
  return nodes === undefined ? undefined : { ...chosen.over, nodes: Number(nodes) };
}
