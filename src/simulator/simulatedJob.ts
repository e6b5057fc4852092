// One job of the simulated PJM as data that fits into JSON. Knows no queue, no nodes and no texts.
import type { PjmState } from '../pjm/jobState';
import type { Statistics } from '../pjm/jobRequest';

/** What was asked at submission. All times in milliseconds since 1970, durations as named. */
export interface JobSpec {
  readonly name: string;
  readonly user: string;
  readonly group: string;
  /** The login node where pjsub ran. */
  readonly hostName: string;
  readonly isInteractive: boolean;
  readonly resourceUnit: string;
  readonly resourceGroup: string;
  /** A virtual-node job: one quarter of a node. */
  readonly isShared: boolean;
  /** Whole nodes; 1 for a shared job. */
  readonly nodes: number;
  /** GPUs of each node, and whether the group's default gave that number. */
  readonly gpus: number;
  readonly isGpuDefault: boolean;
  /** Undefined is unlimited. */
  readonly elapseSeconds: number | undefined;
  readonly mpiProcesses: number;
  readonly isMpiGiven: boolean;
  /** Site resources `jobenv`, `beeond` and `gpu-share` as written; absent ones are defaults. */
  readonly siteResources: Readonly<Record<string, string>>;
  readonly submitFolder: string;
  readonly shell: string;
  /** Path patterns of `-o`, `-e`, `--spath`, absolute, metacharacters still inside. */
  readonly outPattern: string | undefined;
  readonly errPattern: string | undefined;
  readonly statisticsPattern: string | undefined;
  readonly joinsOutput: boolean;
  readonly statistics: Statistics;
  readonly priority: number;
  readonly isPriorityDefault: boolean;
  /** Variables that carry an option's value as it was written: `--at`, `-P`. */
  readonly asGiven?: Readonly<Record<string, string>>;
  /** `--at`. */
  readonly notBefore: number | undefined;
  readonly isRestartable: boolean;
  /** `-m` as four letters or dashes, for example `be--`. */
  readonly mailFlags: string;
  readonly mailList: string;
  readonly comment: string;
  readonly applicationName: string;
  readonly fileSystem: string;
  /** `-x`, or everything with `-X`. */
  readonly variables: Readonly<Record<string, string>>;
  /** The submit shell's values that become `PJM_O_*`. */
  readonly submitEnvironment: Readonly<Record<string, string>>;
}

/** Which part of a job a record is. */
export type JobPart =
  | { readonly kind: 'normal' }
  | { readonly kind: 'bulkParent'; readonly first: number; readonly last: number }
  | { readonly kind: 'bulk'; readonly number: number }
  | { readonly kind: 'stepParent' }
  | { readonly kind: 'step'; readonly number: number; readonly dependency: string };

/** What happened; fields are filled as the job goes on. */
export interface SimulatedJob {
  /** `1996122`, `1996122[3]`, `1996122_0`. */
  readonly key: string;
  readonly jobId: number;
  readonly part: JobPart;
  /** Order of submission. */
  readonly sequence: number;
  spec: JobSpec;
  readonly scriptPath: string;
  state: PjmState;
  lastState: PjmState;
  /** `-` or a text of the manual's list. */
  reason: string;
  isBackfilled: boolean;
  retries: number;
  readonly acceptedAt: number;
  queuedAt?: number;
  /** Start that the scheduler plans for a waiting job. */
  plannedAt?: number;
  startedAt?: number;
  prologueAt?: number;
  jobEndedAt?: number;
  exitedAt?: number;
  /** pjdel was answered: the end comes later, also after a restart of the simulator. */
  deleteAskedAt?: number;
  deleteReason?: string;
  /** `pjdel --no-stats` and `--no-history`. */
  hasNoStatistics?: boolean;
  hasNoHistory?: boolean;
  /** pjhold was answered while the job ran: it is held when its processes are gone. */
  holdAsked?: { readonly user: string; readonly reason: string };
  deletedAt?: number;
  heldAt?: number;
  holdSeconds: number;
  holds: number;
  lastHoldUser?: string;
  /** Indices of nodes and the GPU numbers of each. */
  nodes: readonly number[];
  gpus: readonly number[];
  exitCode: number;
  signal?: number;
  pjmCode: number;
  userCpuMs: number;
  systemCpuMs: number;
  maxMemoryBytes: number;
}

/** True for the line that stands for a whole bulk or step job. */
export function isParent({ part }: SimulatedJob): boolean {
  return part.kind === 'bulkParent' || part.kind === 'stepParent';
}

/** True for a member of a bulk or step job. */
export function isSubJob({ part }: SimulatedJob): boolean {
  return part.kind === 'bulk' || part.kind === 'step';
}

/** `NM`, `BU` or `ST`. */
export function jobModel({ part }: SimulatedJob): 'NM' | 'BU' | 'ST' {
  if (part.kind === 'normal') return 'NM';
  return part.kind === 'bulk' || part.kind === 'bulkParent' ? 'BU' : 'ST';
}

/** The id of a part as PJM writes it. */
export function jobKey(jobId: number, part: JobPart): string {
  if (part.kind === 'bulk') return `${jobId}[${part.number}]`;
  return part.kind === 'step' ? `${jobId}_${part.number}` : String(jobId);
}

/** A record just accepted. */
export function createJob(
  identity: Pick<SimulatedJob, 'jobId' | 'part' | 'sequence' | 'spec' | 'scriptPath'>,
  acceptedAt: number,
): SimulatedJob {
  return {
    ...identity,
    key: jobKey(identity.jobId, identity.part),
    state: 'ACC',
    lastState: 'ACC',
    reason: '-',
    isBackfilled: false,
    retries: 0,
    acceptedAt,
    holdSeconds: 0,
    holds: 0,
    nodes: [],
    gpus: [],
    exitCode: 0,
    pjmCode: 0,
    userCpuMs: 0,
    systemCpuMs: 0,
    maxMemoryBytes: 0,
  };
}

/** Moves a job on and remembers where it was. */
export function setState(job: SimulatedJob, state: PjmState): void {
  if (job.state === state) return;
  job.lastState = job.state;
  job.state = state;
}

/** When the job stops using its nodes at the latest; Infinity without a limit. */
export function latestEnd(job: SimulatedJob, now: number): number {
  const { elapseSeconds } = job.spec;
  if (elapseSeconds === undefined) return Number.POSITIVE_INFINITY;
  return (job.startedAt ?? job.plannedAt ?? now) + elapseSeconds * 1000;
}

/** HOLD by the user: the job begins anew when it is released. */
export function holdJob(
  job: SimulatedJob,
  cause: { readonly user: string; readonly reason: string },
  now: number,
): void {
  delete job.holdAsked;
  job.heldAt = now;
  job.holds += 1;
  job.lastHoldUser = cause.user;
  job.reason = cause.reason;
  delete job.startedAt;
  delete job.plannedAt;
  setState(job, 'HLD');
}

/** ERROR by the system: left by pjdel only; what the administrator can do is not simulated. */
export function breakJob(job: SimulatedJob): void {
  job.reason = 'INTERNAL ERROR';
  setState(job, 'ERR');
}
