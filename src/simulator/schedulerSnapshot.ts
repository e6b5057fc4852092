// What survives a restart of the simulator, and what becomes of jobs whose processes are gone. Knows no files.
import { isFinalState } from '../pjm/jobState';
import type { JobTable } from './jobTable';
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
/** PJM code "node down", when the simulator is set to fail lost jobs. */
const nodeDownCode = 20;

/** Jobs to queue again, and jobs whose run is over without their process. */
export interface RestoredJobs {
  readonly again: {
    readonly waiting: readonly SimulatedJob[];
    readonly ended: readonly SimulatedJob[];
  };
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
  table.continueFrom(snapshot.nextId, snapshot.sequence);
  const records = structuredClone(snapshot.jobs);
  for (const job of [...records].sort((a, b) => a.sequence - b.sequence)) {
    const wasRunning = ['RNA', 'RNP', 'RUN', 'RNE', 'RNO'].includes(job.state);
    table.put(job);
    if (isFinalState(job.state) || isParent(job) || job.state === 'HLD' || job.state === 'ERR')
      continue;
    if (!wasRunning) waiting.push(job);
    else if (settleLost(job, options, now)) lost.push(job);
    else ended.push(job);
  }
  return { again: { waiting: [...lost, ...waiting], ended } };
}

/** True when the job waits again; false when it is over. */
function settleLost(job: SimulatedJob, options: SchedulerOptions, now: number): boolean {
  const hadEnded = job.state === 'RNE' || job.state === 'RNO';
  if (hadEnded) return false;
  const mayRestart = job.spec.isRestartable && !job.spec.isInteractive;
  if (mayRestart && options.lostJobs === 'requeue' && job.deleteAskedAt === undefined) {
    if (job.startedAt !== undefined) job.retries += 1;
    delete job.startedAt;
    delete job.prologueAt;
    delete job.plannedAt;
    job.nodes = [];
    job.gpus = [];
    return true;
  }
  job.jobEndedAt = now;
  job.pjmCode = job.spec.isRestartable ? nodeDownCode : noRestartCode;
  setState(job, 'RNO');
  return false;
}
