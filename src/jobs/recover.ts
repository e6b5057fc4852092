// After a lost answer or a closed window: finds out whether a submission got through. Never submits anything.
import type { Clock } from '../base/clock';
import { remotePath } from '../ssh/remote';
import type { JobStore } from './jobStore';
import type { Queue } from './queue';
import { markSubmitted } from './submit';

/** Settles every job that is still `submitting` without anybody at work on it. */
export async function recoverSubmissions(
  parts: { store: JobStore; queue: Queue; clock: Clock },
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const { store, queue, clock } = parts;
  const open = store.all.filter((job) => job.phase.kind === 'submitting' && job.target === target);
  for (const job of open) {
    const { files, claimsFolder, scriptName } = job;
    if (!files || claimsFolder === undefined || scriptName === undefined) continue;
    const submission = {
      jobId: job.id,
      folder: remotePath(files.submitFolder),
      scriptName,
      claimsFolder: remotePath(claimsFolder),
    };
    const pjmId = await queue.findSubmitted(submission, signal);
    if (pjmId !== undefined) markSubmitted(store, job.id, pjmId);
    else {
      const outcome = { kind: 'rejected', reason: 'neverSubmitted' } as const;
      store.change(job.id, { phase: { kind: 'finished', outcome, endedMs: clock.now() } });
    }
  }
}
