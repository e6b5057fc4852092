// The port to a batch queue, shaped as the jobs layer needs it. `pjmQueue.ts` is PJM behind it.
import type { QueueEntry } from '../pjm/pjstat';
import type { RemotePath } from '../ssh/remote';

export interface Submission {
  /** Unique: the same submission sent twice is accepted at most once. */
  readonly jobId: string;
  /** Folder in which pjsub runs. */
  readonly folder: RemotePath;
  /** Name of the batch script in that folder. */
  readonly scriptName: string;
  /** Folder, private to this project, that holds one claim for each submission. */
  readonly claimsFolder: RemotePath;
  /** Environment of the job besides what its script says; values without commas. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** A queue of jobs on the remote machine. Rejects with Failures of `jobs/` and `ssh/`. */
export interface Queue {
  /** The id that the queue gave. Safe to call again with the same submission after a lost answer. */
  submit(submission: Submission, signal?: AbortSignal): Promise<string>;
  /** As `submit`, but only looks whether an earlier call got through; undefined when it never did. */
  findSubmitted(submission: Submission, signal?: AbortSignal): Promise<string | undefined>;
  /** One entry for each job that the queue knows, ended ones included. */
  list(pjmIds: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, QueueEntry>>;
  /** Asks for the end of a job; `gone` when the queue does not know it (any more). */
  cancel(pjmId: string, signal?: AbortSignal): Promise<'accepted' | 'gone'>;
}
