// What can be set about the simulated PJM: its machine, its delays and its faults. Values only.
import { furoGroups, nodeCount } from '../pjm/furo';
import type { ResourceGroup } from '../pjm/resourceGroup';

/** Fixed for the life of a scheduler. Durations in milliseconds unless named otherwise. */
export interface SchedulerOptions {
  readonly nodeCount: number;
  readonly groups: readonly ResourceGroup[];
  readonly firstJobId: number;
  /** Time a job stays ACC when pjsub returns early (`-w nowait`). */
  readonly acceptMs: number;
  /** From the decision to the start; four jobs on Furo waited 4 to 5 s from accept to start. */
  readonly schedulingDelayMs: number;
  readonly prologueMs: number;
  readonly epilogueMs: number;
  /** RUNOUT: on Furo EXIT DATE is 2 to 3 s after JOB END DATE. */
  readonly terminationMs: number;
  /** From pjdel's answer to the signal; deletion is asynchronous. */
  readonly deleteDelayMs: number;
  /** From SIGXCPU or SIGTERM to SIGKILL (10 s at the elapse limit, End-user's Guide). */
  readonly killDelayMs: number;
  /** How long ended jobs are kept for `pjstat -H`. */
  readonly keepDays: number;
  /** Default window of `pjstat -H`. */
  readonly historyDays: number;
  /** Whether PJM 70xx lines appear in the job's standard error. */
  readonly showsPjmMessages: boolean;
  /** What becomes of jobs that ran when a snapshot was taken; only restartable jobs are queued again. */
  readonly lostJobs: 'requeue' | 'fail';
  /** Jobs and sub-jobs of one user that may wait or run (ru-accept, ru-accept-allsubjob). */
  readonly acceptLimit: number;
  readonly subJobLimit: number;
  /** Unix groups that `-g` may name besides the caller's own. */
  readonly projectGroups: readonly string[];
  /** Values of `-L jobenv=`. */
  readonly jobEnvironments: readonly string[];
  /** Minutes that local time is ahead of UTC; Japan: 540. */
  readonly utcOffsetMinutes: number;
}

export const furoOptions: SchedulerOptions = {
  nodeCount,
  groups: furoGroups,
  firstJobId: 1_996_122,
  acceptMs: 1000,
  schedulingDelayMs: 4000,
  prologueMs: 0,
  epilogueMs: 0,
  terminationMs: 2000,
  deleteDelayMs: 500,
  killDelayMs: 10_000,
  keepDays: 365,
  historyDays: 3,
  showsPjmMessages: false,
  lostJobs: 'requeue',
  acceptLimit: 20_000,
  subJobLimit: 100_000,
  projectGroups: [],
  jobEnvironments: ['singularity'],
  utcOffsetMinutes: 540,
};

/** Faults that tests switch on and off while the scheduler runs. */
export interface SchedulerFaults {
  /** Every command answers "PJM daemon is not present." */
  daemonDown: boolean;
  /** Lines that the site prints before and after every answer, without line ends. */
  siteLinesBefore: readonly string[];
  siteLinesAfter: readonly string[];
  /** Extra wait before each job starts, in milliseconds. */
  queueSlowdownMs: number;
  /** Text of the site's submit hook; pjsub then refuses with 0079. */
  submitRefusal: string | undefined;
  /** A job that is about to start is stopped by a system error and stays ERR until it is deleted. */
  breaksJobs: boolean;
  /** Resource groups that take no jobs; pjsub then refuses with 0059. */
  closedGroups: readonly string[];
  /** Every answer takes so long; above three seconds pjstat and pjdel print dots. */
  answerDelayMs: number;
}

export function noFaults(): SchedulerFaults {
  return {
    daemonDown: false,
    siteLinesBefore: [],
    siteLinesAfter: [],
    queueSlowdownMs: 0,
    submitRefusal: undefined,
    breaksJobs: false,
    closedGroups: [],
    answerDelayMs: 0,
  };
}
