// One notification when a job ends, with the way to its results, and one for each file that came otherwise than it is there.
import * as vscode from 'vscode';
import type { Disposable } from '../base/disposable';
import type { Job } from '../jobs/job';
import type { JobStore } from '../jobs/jobStore';
import {
  causeText,
  listText,
  outcomeText,
  progressText,
  resultsNotesText,
} from '../words/stateText';
import { commands } from './commands/ids';
import { showInformation, showWarning } from './messages';

export function notifyEnd(store: JobStore): Disposable {
  return store.onDidChange(({ before, after }) => {
    if (before && before.phase.kind !== 'finished' && after?.phase.kind === 'finished')
      void tell(after);
    if (!before || before.resultsNotes === after?.resultsNotes) return;
    const told = new Set(resultsNotesText(before, vscode.l10n.t));
    for (const sentence of resultsNotesText(after ?? {}, vscode.l10n.t))
      if (!told.has(sentence)) void showWarning(sentence);
  });
}

async function tell(job: Job): Promise<void> {
  if (job.phase.kind !== 'finished') return;
  const { outcome } = job.phase;
  const t = vscode.l10n.t;
  const parts = listText([outcomeText(outcome, t), progressText(job, t), causeText(job, t)], t);
  const text = t('{0} ({1}): {2}', job.name, job.pjmId ?? '-', parts);
  const hasResults = job.files?.results !== undefined && (job.progress?.done ?? 0) > 0;
  const open = hasResults ? t('Open Results') : t('Open Output');
  const isGood = outcome.kind === 'succeeded' || outcome.kind === 'cancelled';
  const show = isGood ? showInformation : showWarning;
  if ((await show(text, open)) !== open) return;
  const command = hasResults ? commands.openResults : commands.openOutput;
  await vscode.commands.executeCommand(command.id, { kind: 'job', jobId: job.id });
}
