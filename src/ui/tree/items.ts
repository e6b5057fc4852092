// Rows of the job list: a job or a group as a TreeItem. State is told in words; the icon only repeats it.
import * as vscode from 'vscode';
import type { Job } from '../../jobs/job';
import {
  causeText,
  listText,
  elapsedSeconds,
  durationText,
  phaseText,
  progressText,
  shortStateText,
} from '../../words/stateText';
import { commands, jobTag } from '../commands/ids';

export const groups = ['running', 'waiting', 'finished'] as const;
export type GroupName = (typeof groups)[number];

export function groupOf({ phase }: Job): GroupName {
  switch (phase.kind) {
    case 'submitting':
    case 'waiting':
      return 'waiting';
    case 'running':
    case 'unknown':
      return 'running';
    case 'finished':
      return 'finished';
  }
}

export function groupItem(group: GroupName): vscode.TreeItem {
  const labels: Readonly<Record<GroupName, string>> = {
    running: vscode.l10n.t('Running'),
    waiting: vscode.l10n.t('Waiting'),
    finished: vscode.l10n.t('Finished'),
  };
  const item = new vscode.TreeItem(labels[group], vscode.TreeItemCollapsibleState.Expanded);
  item.id = `group.${group}`;
  item.contextValue = 'group';
  return item;
}

export function jobItem(job: Job): vscode.TreeItem {
  const t = vscode.l10n.t;
  const item = new vscode.TreeItem(job.name);
  const state = listText([phaseText(job.phase, t), progressText(job, t)], t);
  item.id = job.id;
  item.description = [shortStateText(job, t), job.resourceGroup, shortTimeText(job)].join(' · ');
  item.tooltip = tooltip(job, state);
  item.iconPath = icon(job);
  item.accessibilityInformation = {
    label: [job.name, state, job.resourceGroup, timeText(job)].join(', '),
  };
  const isInference = job.files?.results !== undefined;
  item.contextValue = jobTag(job.phase.kind, {
    results: job.resultsFolder !== undefined || (isInference && job.pjmId !== undefined),
    output: job.pjmId !== undefined && job.phase.kind !== 'waiting',
    again: job.phase.kind === 'finished',
  });
  const command = job.phase.kind === 'finished' && isInference ? 'openResults' : 'openOutput';
  item.command = {
    command: commands[command].id,
    title: '',
    arguments: [{ kind: 'job', jobId: job.id }],
  };
  return item;
}

/** `0:01:10 / 1:00:00`; only the limit while nothing has run. */
function timeText(job: Job): string {
  const limit = durationText(job.elapseLimitSeconds);
  const elapsed = elapsedSeconds(job, Date.now());
  return elapsed === undefined ? limit : `${durationText(elapsed)} / ${limit}`;
}

/** What fits a narrow row: the planned start while a job waits, the elapsed time alone at its end. */
function shortTimeText(job: Job): string {
  const { phase } = job;
  if (phase.kind === 'waiting' && phase.plannedStart !== undefined)
    return vscode.l10n.t('planned for {0}', phase.plannedStart);
  const elapsed = elapsedSeconds(job, Date.now());
  return phase.kind === 'finished' && elapsed !== undefined ? durationText(elapsed) : timeText(job);
}

function tooltip(job: Job, state: string): vscode.MarkdownString {
  const { statistics, progress } = job;
  const rows: [string, string | undefined][] = [
    [vscode.l10n.t('Job ID'), job.pjmId],
    [vscode.l10n.t('State'), state],
    [vscode.l10n.t('Resource group'), job.resourceGroup],
    [vscode.l10n.t('Elapsed / limit'), timeText(job)],
    [vscode.l10n.t('Submitted'), new Date(job.submittedMs).toLocaleString(vscode.env.language)],
    [vscode.l10n.t('Started'), statistics?.startDate],
    [
      vscode.l10n.t('Speed'),
      progress?.tokensPerSecond === undefined
        ? undefined
        : vscode.l10n.t('{0} tokens/s', progress.tokensPerSecond.toFixed(1)),
    ],
    [vscode.l10n.t('Cause'), causeText(job, vscode.l10n.t) || undefined],
    [vscode.l10n.t('Machine'), job.target],
    [vscode.l10n.t('Reason'), job.phase.kind === 'waiting' ? job.phase.reason : statistics?.reason],
  ];
  const text = new vscode.MarkdownString();
  text.appendMarkdown('**').appendText(job.name).appendMarkdown('**\n\n');
  for (const [name, value] of rows)
    if (value !== undefined) text.appendText(`${name}: ${value}`).appendMarkdown('  \n');
  return text;
}

function icon(job: Job): vscode.ThemeIcon {
  const { phase } = job;
  const color = (id: string) => new vscode.ThemeColor(id);
  switch (phase.kind) {
    case 'submitting':
      return new vscode.ThemeIcon('sync~spin');
    case 'waiting':
      return new vscode.ThemeIcon('clock');
    case 'running':
      return new vscode.ThemeIcon('loading~spin');
    case 'unknown':
      return new vscode.ThemeIcon('question');
    case 'finished':
      break;
  }
  switch (phase.outcome.kind) {
    case 'succeeded':
      return new vscode.ThemeIcon('pass', color('testing.iconPassed'));
    case 'cancelled':
      return new vscode.ThemeIcon('circle-slash');
    case 'failed':
    case 'rejected':
      return new vscode.ThemeIcon('error', color('testing.iconFailed'));
  }
}
