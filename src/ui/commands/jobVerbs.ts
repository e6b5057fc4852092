// What can be done with a job of the list. Each verb is a few lines; the work is done below ui/.
import * as vscode from 'vscode';
import type { Job } from '../../jobs/job';
import type { JobStore } from '../../jobs/jobStore';
import { areBrought } from '../../jobs/results';
import type { JobOutput } from '../jobOutput';
import type { Machines } from '../machines';
import type { ResultsPanels } from '../results/resultsPanels';
import { showWarning, withProgress } from '../messages';

export interface JobVerbParts {
  readonly machines: Machines;
  readonly store: JobStore;
  readonly output: JobOutput;
  readonly results: ResultsPanels;
}

export async function cancelJob({ machines }: JobVerbParts, job: Job): Promise<void> {
  const t = vscode.l10n.t;
  const yes = { title: t('Cancel Job') };
  // The editor's own button is called Cancel, too.
  const no = { title: t('Keep Job'), isCloseAffordance: true };
  const chosen = await showWarning(
    t('Cancel the job {0} ({1})?', job.name, job.pjmId ?? '-'),
    { modal: true, detail: t('PJM ends it. Answers that are already written are kept.') },
    yes,
    no,
  );
  if (chosen !== yes) return;
  await withProgress({ location: { viewId: 'furo.jobs' } }, () =>
    machines.machine.center.cancel(job.id),
  );
}

/** The answers as a table; the output where there are none. Brings them first when they are not here yet. */
export async function openResults(parts: JobVerbParts, job: Job): Promise<void> {
  const { machines, store, output, results } = parts;
  if (job.files?.results === undefined) {
    await output.show(job);
    return;
  }
  const isStale = !areBrought(job) || job.phase.kind !== 'finished';
  if (isStale) {
    const title = vscode.l10n.t('Bringing the results of {0}', job.name);
    await withProgress(
      { location: vscode.ProgressLocation.Notification, title, cancellable: true },
      async (_progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => {
          abort.abort();
        });
        await machines.machine.center.fetchResults(job.id, abort.signal);
      },
    );
  }
  await results.show(store.get(job.id) ?? job);
}

export async function copyJobId(job: Job): Promise<void> {
  await vscode.env.clipboard.writeText(job.pjmId ?? job.id);
  vscode.window.setStatusBarMessage(vscode.l10n.t('Copied {0}', job.pjmId ?? job.id), 3000);
}

/** Takes an ended job out of the list; what it wrote stays where it is. A live one asks first. */
export async function removeFromList({ store, output }: JobVerbParts, job: Job): Promise<void> {
  if (job.phase.kind !== 'finished') {
    const yes = vscode.l10n.t('Remove from List');
    const chosen = await showWarning(
      vscode.l10n.t(
        '{0} has not ended. It goes on running on the machine, but is no longer followed here.',
        job.name,
      ),
      { modal: true },
      yes,
    );
    if (chosen !== yes) return;
  }
  store.remove(job.id);
  output.forget(job.id);
}
