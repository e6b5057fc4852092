// After a lost answer or a closed window: finds out whether a submission got through. Never submits anything.
import type { Clock } from '../base/clock';
import { isCancellation, isFailure } from '../base/failure';
import type { Logger } from '../base/log';
import { remotePath } from '../ssh/remote';
import type { Job } from './job';
import type { JobStore } from './jobStore';
import type { Queue } from './queue';
import { markSubmitted } from './sendOff';

export interface RecoverParts {
  readonly store: JobStore;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ids that are being sent now; they are left alone. */
  readonly inFlight: ReadonlySet<string>;
}

/** Settles every job that is still `submitting` without anybody at work on it; true when none is left open. */
export async function recoverSubmissions(
  parts: RecoverParts,
  target: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const { store, inFlight, log } = parts;
  const open = store.all.filter((job) => job.phase.kind === 'submitting' && job.target === target);
  let isSettled = true;
  for (const job of open) {
    if (inFlight.has(job.id)) continue;
    try {
      await recoverOne(parts, job, signal);
    } catch (error) {
      if (isCancellation(error) || !isFailure(error)) throw error;
      log.warn(`submission of ${job.name} is still open: ${String(error)}`);
      isSettled = false;
    }
  }
  return isSettled;
}

async function recoverOne(
  { store, queue, clock }: RecoverParts,
  job: Job,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { files, claimsFolder, scriptName } = job;
  if (!files || claimsFolder === undefined || scriptName === undefined) return;
  const submission = {
    jobId: job.id,
    folder: remotePath(files.submitFolder),
    scriptName,
    claimsFolder: remotePath(claimsFolder),
  };
  const reject = (reason: string) => {
    const outcome = { kind: 'rejected', reason } as const;
    store.change(job.id, { phase: { kind: 'finished', outcome, endedMs: clock.now() } });
  };
  try {
    const pjmId = await queue.findSubmitted(submission, signal);
    if (pjmId !== undefined) markSubmitted(store, job.id, pjmId);
    else reject('neverSubmitted');
  } catch (error) {
    if (!isFailure(error, 'submitRefused')) throw error;
    reject(String(error.values['text'] ?? ''));
  }
}
