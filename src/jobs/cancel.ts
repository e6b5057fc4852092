// Ends a job on the person's wish. Deletion is asynchronous in PJM, so the end itself comes with the next polls.
import type { Remote } from '../ssh/remote';
import { jobFailure } from './failures';
import type { Job } from './job';
import type { JobStore } from './jobStore';
import type { Poller } from './poller';
import type { Queue } from './queue';

export async function cancelJob(
  parts: { remote: Remote; store: JobStore; queue: Queue; poller: Poller; target: string },
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const job = parts.store.get(id);
  if (job?.pjmId === undefined) throw jobFailure('jobUnknown', { id });
  checkTarget(job, parts.target);
  // A person waits: what was blocked is tried again, and may ask.
  await parts.remote.connect(signal);
  await parts.queue.cancel(job.pjmId, signal);
  parts.poller.start();
}

/** PJM's ids mean another job on another machine. */
export function checkTarget(job: Job, target: string): void {
  if (job.target !== target)
    throw jobFailure('otherMachine', { job: job.name, target: job.target });
}
