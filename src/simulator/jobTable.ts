// Every job that the simulated PJM remembers, live and ended, with its bulk and step members. Knows no queue.
import { isFinalState, type PjmState } from '../pjm/jobState';
import {
  createJob,
  isParent,
  isSubJob,
  jobKey,
  type JobPart,
  type JobSpec,
  type SimulatedJob,
} from './simulatedJob';
import type { StepResult } from './stepRules';

/** States in the order in which a parent takes them over from its members. */
const parentOrder: readonly PjmState[] = [
  'RUN',
  'RNP',
  'RNE',
  'RNO',
  'RNA',
  'QUE',
  'ACC',
  'HLD',
  'ERR',
];

/** What a new record needs. */
export interface NewJob {
  readonly jobId: number;
  readonly part: JobPart;
  readonly spec: JobSpec;
  readonly scriptPath: string;
}

/** Counters and records, all or some, for the disk. */
export interface TableState {
  readonly nextId: number;
  readonly sequence: number;
  readonly jobs: readonly SimulatedJob[];
}

/** Finds jobs by id; ended jobs stay until forgotten. */
export class JobTable {
  readonly #live = new Map<string, SimulatedJob>();
  readonly #ended = new Map<string, SimulatedJob>();
  readonly #members = new Map<number, SimulatedJob[]>();
  readonly #open = new Map<number, number>();
  readonly #touched = new Set<SimulatedJob>();
  readonly #counts = new Map<string, { readonly jobs: number; readonly subJobs: number }>();
  #nextId: number;
  #sequence = 0;

  constructor(firstJobId: number) {
    this.#nextId = firstJobId;
  }

  /** A number that no job has or had. */
  reserveId(): number {
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  add({ jobId, part, spec, scriptPath }: NewJob, now: number): SimulatedJob {
    this.#sequence += 1;
    const job = createJob({ jobId, part, spec, scriptPath, sequence: this.#sequence }, now);
    this.put(job);
    this.touch(job);
    return job;
  }

  /** A command changed this record: it must be on disk before the command answers. */
  touch(job: SimulatedJob): void {
    this.#touched.add(job);
  }

  /** Records touched since this was called last, with the counters; undefined: none. */
  takeTouched(): TableState | undefined {
    if (this.#touched.size === 0) return undefined;
    const jobs = [...this.#touched];
    this.#touched.clear();
    return { nextId: this.#nextId, sequence: this.#sequence, jobs };
  }

  /** Keeps a record, for example one of a snapshot. */
  put(job: SimulatedJob): void {
    const isOver = isFinalState(job.state);
    (isOver ? this.#ended : this.#live).set(job.key, job);
    if (!isOver) this.#count(job, 1);
    if (!isSubJob(job)) return;
    const members = this.#members.get(job.jobId);
    if (members) members.push(job);
    else this.#members.set(job.jobId, [job]);
    if (!isOver) this.#open.set(job.jobId, (this.#open.get(job.jobId) ?? 0) + 1);
  }

  /** A job by `1996122`, `1996122[3]` or `1996122_0`. */
  find(key: string): SimulatedJob | undefined {
    return this.#live.get(key) ?? this.#ended.get(key);
  }

  /** Sub-jobs of a bulk or step job. */
  members(jobId: number): readonly SimulatedJob[] {
    return this.#members.get(jobId) ?? [];
  }

  live(): Iterable<SimulatedJob> {
    return this.#live.values();
  }

  history(): Iterable<SimulatedJob> {
    return this.#ended.values();
  }

  /** Jobs, and sub-jobs of them, of a user that have not ended. Counted as they come and go: every pjsub asks. */
  countLive(user: string): { readonly jobs: number; readonly subJobs: number } {
    return this.#counts.get(user) ?? { jobs: 0, subJobs: 0 };
  }

  #count(job: SimulatedJob, change: 1 | -1): void {
    const { jobs, subJobs } = this.countLive(job.spec.user);
    const counts = isSubJob(job)
      ? { jobs, subJobs: subJobs + change }
      : { jobs: jobs + change, subJobs };
    this.#counts.set(job.spec.user, counts);
  }

  /** State to show: a parent's follows from its members. */
  stateOf(job: SimulatedJob): PjmState {
    if (!isParent(job) || isFinalState(job.state)) return job.state;
    const states = new Set(this.members(job.jobId).map(({ state }) => state));
    return parentOrder.find((state) => states.has(state)) ?? 'QUE';
  }

  /** Moves an ended job to the history, and its parent with the last member. */
  ended(job: SimulatedJob, now: number): void {
    if (this.#live.delete(job.key)) this.#count(job, -1);
    this.#ended.set(job.key, job);
    if (!isSubJob(job)) return;
    const open = (this.#open.get(job.jobId) ?? 1) - 1;
    this.#open.set(job.jobId, open);
    const parent = this.#live.get(String(job.jobId));
    if (open > 0 || !parent) return;
    const members = this.members(job.jobId);
    parent.state = members.every(({ state }) => state === 'CCL') ? 'CCL' : 'EXT';
    parent.exitedAt = now;
    this.#live.delete(parent.key);
    this.#count(parent, -1);
    this.#ended.set(parent.key, parent);
  }

  /** Drops jobs that ended before a time; members go with their parent. */
  forgetBefore(time: number): void {
    for (const job of this.#ended.values()) {
      if (isSubJob(job)) continue;
      if ((job.exitedAt ?? 0) >= time) return;
      this.#ended.delete(job.key);
      for (const member of this.members(job.jobId)) this.#ended.delete(member.key);
      this.#members.delete(job.jobId);
      this.#open.delete(job.jobId);
    }
  }

  /** True when every step with a lower number has ended. */
  isNextStep({ jobId, part }: SimulatedJob): boolean {
    if (part.kind !== 'step') return true;
    return this.members(jobId).every(
      (other) =>
        other.part.kind !== 'step' || other.part.number >= part.number || isFinalState(other.state),
    );
  }

  stepResults(jobId: number): readonly StepResult[] {
    return this.members(jobId).flatMap(({ part, state, exitCode, pjmCode }) =>
      part.kind === 'step' && isFinalState(state)
        ? [{ number: part.number, exitCode, pjmCode }]
        : [],
    );
  }

  /** True when no member still needs the script copy. */
  isScriptUnused(job: SimulatedJob): boolean {
    return job.part.kind !== 'bulk' || (this.#open.get(job.jobId) ?? 0) === 0;
  }

  /** A live step job of that name, to be joined. */
  findStepParent(name: string, user: string): SimulatedJob | undefined {
    for (const job of this.#live.values())
      if (job.part.kind === 'stepParent' && job.spec.name === name && job.spec.user === user)
        return job;
    return undefined;
  }

  /** The number after the highest step. */
  nextStep(jobId: number): number {
    const numbers = this.members(jobId).map(({ part }) =>
      part.kind === 'step' ? part.number : -1,
    );
    return Math.max(-1, ...numbers) + 1;
  }

  hasPart(jobId: number, part: JobPart): boolean {
    return this.find(jobKey(jobId, part)) !== undefined;
  }

  /** Counters and records for a snapshot. */
  state(): TableState {
    const jobs = [...this.#ended.values(), ...this.#live.values()];
    return { nextId: this.#nextId, sequence: this.#sequence, jobs };
  }

  /** Continues the counters of a snapshot. */
  continueFrom(nextId: number, sequence: number): void {
    this.#nextId = Math.max(this.#nextId, nextId);
    this.#sequence = Math.max(this.#sequence, sequence);
  }
}
