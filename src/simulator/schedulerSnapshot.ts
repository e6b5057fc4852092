// What survives a restart of the simulator, and what becomes of jobs whose processes are gone. Knows no files.
import { isFinalState } from '../pjm/jobState';
import type { JobTable, TableState } from './jobTable';
import type { SchedulerOptions } from './schedulerOptions';
import { isParent, setState, type SimulatedJob } from './simulatedJob';

/** JSON; a higher version is refused. */
export interface SchedulerSnapshot {
  readonly version: 1;
  readonly nextId: number;
  readonly sequence: number;
  readonly jobs: readonly SimulatedJob[];
}

/** True when a value read from disk is a snapshot of this version. */
export function isSnapshot(value: unknown): value is SchedulerSnapshot {
  if (typeof value !== 'object' || value === null) return false;
  const { version, jobs, nextId } = value as Partial<Record<string, unknown>>;
  return version === 1 && Array.isArray(jobs) && typeof nextId === 'number';
}

/** PJM code of a job without restart whose node went away. */
const noRestartCode = 9;
/** PJM code of a job that pjdel stopped. */
const deletedCode = 1;
/** PJM code "node down", when the simulator is set to fail lost jobs. */
const nodeDownCode = 20;

/** What becomes of the jobs that had not ended. */
export interface RestoredJobs {
  /** Queued again, in order. */
  readonly waiting: readonly SimulatedJob[];
  /** pjhold was answered, but the job still ran. */
  readonly held: readonly { readonly job: SimulatedJob; readonly cause: HoldCause }[];
  /** pjdel was answered, but the job was still there. */
  readonly deleted: readonly SimulatedJob[];
  /** Over without their process. */
  readonly ended: readonly SimulatedJob[];
}

type HoldCause = NonNullable<SimulatedJob['holdAsked']>;

/** A snapshot with later changes put in: a record replaces the older one of the same job. */
export function withChanges(
  snapshot: SchedulerSnapshot,
  changes: readonly TableState[],
): SchedulerSnapshot {
  const jobs = new Map(snapshot.jobs.map((job) => [job.key, job]));
  for (const change of changes) for (const job of change.jobs) jobs.set(job.key, job);
  const { nextId, sequence } = changes.at(-1) ?? snapshot;
  return { version: 1, nextId, sequence, jobs: [...jobs.values()] };
}

/** Fills the table from a copy of the snapshot. */
export function readSnapshot(
  snapshot: SchedulerSnapshot,
  table: JobTable,
  options: SchedulerOptions,
  now: number,
): RestoredJobs {
  const lost: SimulatedJob[] = [];
  const waiting: SimulatedJob[] = [];
  const ended: SimulatedJob[] = [];
  const deleted: SimulatedJob[] = [];
  const held: { job: SimulatedJob; cause: HoldCause }[] = [];
  table.continueFrom(snapshot.nextId, snapshot.sequence);
  const records = structuredClone(snapshot.jobs);
  for (const job of [...records].sort((a, b) => a.sequence - b.sequence)) {
    const wasRunning = ['RNA', 'RNP', 'RUN', 'RNE', 'RNO'].includes(job.state);
    const wasStopped = job.holdAsked !== undefined || job.pjmCode === deletedCode;
    const hadEnded = (job.state === 'RNE' || job.state === 'RNO') && !wasStopped;
    table.put(job);
    if (isFinalState(job.state) || isParent(job)) continue;
    if (hadEnded) ended.push(job);
    else if (job.deleteAskedAt !== undefined) {
      if (wasRunning) job.jobEndedAt ??= now;
      deleted.push(job);
    } else if (job.state === 'HLD' || job.state === 'ERR') continue;
    else if (wasRunning && job.holdAsked) held.push({ job: giveBack(job), cause: job.holdAsked });
    else if (!wasRunning && !job.spec.isInteractive) waiting.push(job);
    else if (mayRunAgain(job, options)) lost.push(giveBack(job));
    else {
      job.jobEndedAt = now;
      job.pjmCode = job.spec.isRestartable ? nodeDownCode : noRestartCode;
      setState(job, 'RNO');
      ended.push(job);
    }
  }
  return { waiting: [...lost, ...waiting], held, deleted, ended };
}

function mayRunAgain({ spec }: SimulatedJob, options: SchedulerOptions): boolean {
  return spec.isRestartable && !spec.isInteractive && options.lostJobs === 'requeue';
}

/** The job as it was before its nodes were given to it. */
function giveBack(job: SimulatedJob): SimulatedJob {
  if (job.startedAt !== undefined) job.retries += 1;
  delete job.startedAt;
  delete job.prologueAt;
  delete job.plannedAt;
  job.nodes = [];
  job.gpus = [];
  return job;
}
