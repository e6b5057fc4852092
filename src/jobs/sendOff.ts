// Hands a prepared job to the queue, at most once. Whatever stays open is left as `submitting` for recover.ts.
import { isFailure } from '../base/failure';
import { isCut } from '../ssh/failures';
import { jobFailure } from './failures';
import type { Job } from './job';
import { withJobId } from './jobFiles';
import type { JobStore } from './jobStore';
import type { Queue, Submission } from './queue';

export interface SendParts {
  readonly queue: Queue;
  readonly store: JobStore;
  /** Ids of the submissions that are being sent now; nobody else may settle them. */
  readonly inFlight: Set<string>;
}

/** How often the same submission is sent when the connection breaks; the claim makes that safe. */
const sendAttempts = 3;

/** After these the queue surely has no such job, so its record goes away. */
const provenRefusals: ReadonlySet<string> = new Set([
  'submitRefused',
  'commandMissing',
  'remoteFolderUnusable',
  'channelRefused',
]);

/** Puts the record into the store just before pjsub and returns it with PJM's id. */
export async function sendOff(
  parts: SendParts,
  record: Job,
  submission: Submission,
  signal?: AbortSignal,
): Promise<Job> {
  const { store, inFlight } = parts;
  inFlight.add(record.id);
  store.put(record);
  try {
    return markSubmitted(store, record.id, await sendAgain(parts.queue, submission, signal));
  } catch (error) {
    if (!isFailure(error) || error.reason === 'submitUnclear') throw error;
    if (!provenRefusals.has(error.reason))
      throw jobFailure('submitLost', { job: record.name }, error);
    store.remove(record.id);
    throw error;
  } finally {
    inFlight.delete(record.id);
  }
}

async function sendAgain(
  queue: Queue,
  submission: Submission,
  signal: AbortSignal | undefined,
): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await queue.submit(submission, signal);
    } catch (error) {
      const isLost = isCut(error) || isFailure(error, 'timedOut');
      if (isLost && attempt < sendAttempts) continue;
      // Only this attempt was surely not heard.
      if (isFailure(error, 'channelRefused') && attempt > 1)
        throw jobFailure('submitLost', { job: '' }, error);
      throw error;
    }
  }
}

/** Records PJM's answer. */
export function markSubmitted(store: JobStore, jobId: string, pjmId: string): Job {
  const job = store.get(jobId);
  if (!job?.files) throw new Error(`job ${jobId} left the store while it was submitted`);
  const phase = { kind: 'waiting', state: 'ACC' } as const;
  const changed = store.change(jobId, { pjmId, phase, files: withJobId(job.files, pjmId) });
  return changed ?? job;
}
