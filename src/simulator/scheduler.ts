// The queue of the simulated PJM: accepts jobs, starts them in order, keeps what ended. Knows no command texts.
import type { Clock } from '../base/clock';
import { DisposableStore, type Disposable } from '../base/disposable';
import { Emitter, type Event } from '../base/emitter';
import { isFinalState, type PjmState } from '../pjm/jobState';
import { NodePool } from './allocation';
import { JobCourse, type StopCause } from './jobCourse';
import { jobPaths } from './jobFiles';
import { tellLoss } from './jobMessages';
import type { JobRunner } from './jobRunner';
import { JobTable } from './jobTable';
import { LocalTime } from './localTime';
import type { CommandFiles } from './pjmCommand';
import { planStarts } from './queuePlan';
import {
  furoOptions,
  noFaults,
  type SchedulerFaults,
  type SchedulerOptions,
} from './schedulerOptions';
import { readSnapshot, type SchedulerSnapshot } from './schedulerSnapshot';
import { breakJob, holdJob, latestEnd, setState, type SimulatedJob } from './simulatedJob';
import { renderStatistics } from './statisticsText';
import { deletedSteps } from './stepDeletion';
import { WaitingQueue } from './waitingQueue';

/** What a scheduler is made of. */
export interface SchedulerParts {
  readonly clock: Clock;
  readonly runner: JobRunner;
  readonly files: CommandFiles;
  readonly options?: Partial<SchedulerOptions>;
  /** State of an earlier scheduler; jobs that ran then are queued again or ended. */
  readonly snapshot?: SchedulerSnapshot;
}

/** Also the longest timer: a longer wait is cut into parts, because timers overflow after 24 days. */
const day = 24 * 3600 * 1000;

/** One simulated PJM. `dispose` stops all timers, not the processes of jobs. */
export class Scheduler implements Disposable {
  readonly options: SchedulerOptions;
  readonly faults: SchedulerFaults = noFaults();
  readonly localTime: LocalTime;
  readonly jobs: JobTable;
  readonly #parts: SchedulerParts;
  readonly #pool: NodePool;
  readonly #queue = new WaitingQueue();
  readonly #courses = new Map<string, JobCourse>();
  readonly #ownRunners = new Map<string, JobRunner>();
  readonly #owned = new DisposableStore();
  readonly #changed = new Emitter<void>();
  #isPassPlanned = false;
  #isAnnounced = false;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    this.options = { ...furoOptions, ...parts.options };
    this.localTime = new LocalTime(this.options.utcOffsetMinutes);
    this.#pool = new NodePool(this.options.nodeCount);
    this.jobs = new JobTable(this.options.firstJobId);
    if (parts.snapshot) this.#restore(parts.snapshot);
  }

  /** Fires soon after anything changed, once for changes at the same time. */
  get onDidChange(): Event<void> {
    return this.#changed.event;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  /** Nodes that nobody uses, and GPUs free on all nodes. */
  get free(): { readonly nodes: number; readonly gpus: number } {
    return { nodes: this.#pool.freeNodes, gpus: this.#pool.freeGpus };
  }

  /** Takes a job made with {@link JobTable.add}. It is queued now, or after the acceptance time. */
  accept(job: SimulatedJob, how: { runner?: JobRunner; delayMs?: number } = {}): void {
    if (how.runner) this.#ownRunners.set(job.key, how.runner);
    this.#announce();
    if (how.delayMs === undefined) this.#enqueue(job);
    else
      this.#after(how.delayMs, () => {
        if (job.state === 'ACC') this.#enqueue(job);
      });
  }

  /** Stops a job for good; the end comes later. In ACC the job is rejected. */
  cancel(job: SimulatedJob, cause: { user: string; reason: string }): void {
    job.deleteAskedAt = this.clock.now();
    job.deleteReason = cause.reason;
    this.#announce(job);
    this.#after(this.options.deleteDelayMs, () => {
      const course = this.#courses.get(job.key);
      if (course) course.stop({ kind: 'delete', ...cause });
      else if (!isFinalState(job.state)) this.#cancelWaiting(job, cause.reason);
    });
  }

  /** Takes a waiting job out of the queue, or aborts a running one; its results are lost. */
  hold(job: SimulatedJob, cause: { user: string; reason: string }): void {
    const course = this.#courses.get(job.key);
    if (course) {
      job.holdAsked = cause;
      course.stop({ kind: 'hold', ...cause });
    } else this.#enterHold(job, cause);
    this.#announce(job);
  }

  /** Back into the queue, at its end. */
  release(job: SimulatedJob): void {
    if (job.heldAt !== undefined) job.holdSeconds += (this.clock.now() - job.heldAt) / 1000;
    delete job.heldAt;
    this.jobs.touch(job);
    this.#enqueue(job);
  }

  /** The process of a running job, for signals. */
  course(job: SimulatedJob): JobCourse | undefined {
    return this.#courses.get(job.key);
  }

  /** The queue is looked at again, because something about a waiting job was altered. */
  reconsider(altered?: SimulatedJob): void {
    this.#announce(altered);
    this.#planPass();
  }

  /** Everything that must survive a restart, as JSON. */
  snapshot(): SchedulerSnapshot {
    return { version: 1, ...this.jobs.state() };
  }

  dispose(): void {
    this.#owned.dispose();
    for (const course of this.#courses.values()) course.dispose();
    this.#changed.dispose();
  }

  #after(delayMs: number, callback: () => void): void {
    const timer = this.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }

  readonly #timers = this.#ownTimers();

  #ownTimers(): Set<Disposable> {
    const timers = new Set<Disposable>();
    this.#owned.add({
      dispose: () => {
        for (const timer of timers) timer.dispose();
      },
    });
    return timers;
  }

  #announce(byCommand?: SimulatedJob): void {
    if (byCommand) this.jobs.touch(byCommand);
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    this.#after(0, () => {
      this.#isAnnounced = false;
      this.#changed.fire();
    });
  }

  #enqueue(job: SimulatedJob): void {
    job.queuedAt ??= this.clock.now();
    setState(job, 'QUE');
    job.reason = '-';
    this.#queue.add(job);
    const { notBefore = 0 } = job.spec;
    if (notBefore > this.clock.now()) this.#wakeAt(notBefore);
    this.reconsider();
  }

  #wakeAt(time: number): void {
    const wait = time - this.clock.now();
    this.#after(Math.min(Math.max(wait, 0), day), () => {
      if (wait > day) this.#wakeAt(time);
      else this.reconsider();
    });
  }

  #planPass(): void {
    if (this.#isPassPlanned) return;
    this.#isPassPlanned = true;
    this.#after(0, () => {
      this.#isPassPlanned = false;
      this.#pass();
    });
  }

  #pass(): void {
    const now = this.clock.now();
    const delayMs = this.options.schedulingDelayMs + this.faults.queueSlowdownMs;
    this.#judgeSteps();
    const running = [...this.#courses.values()].map(({ job }) => ({
      nodes: job.nodes,
      gpus: job.gpus,
      endsAt: Math.max(latestEnd(job, now), now),
    }));
    this.#queue.forgetPlans();
    const waiting = this.#queue.ready(now, (job) => this.jobs.isNextStep(job));
    const { starts, blocked } = planStarts({ waiting, pool: this.#pool, running, now, delayMs });
    for (const { job, allocation, isBackfill } of starts) {
      this.#queue.remove(job);
      job.nodes = allocation.nodes;
      job.gpus = allocation.gpus;
      job.isBackfilled = isBackfill;
      if (this.faults.breaksJobs) {
        this.#pool.release(job);
        breakJob(job);
        this.#announce();
      } else this.#begin(job, delayMs);
    }
    if (blocked && Number.isFinite(blocked.at)) blocked.job.plannedAt = blocked.at;
  }

  #begin(job: SimulatedJob, delayMs: number): void {
    const course = new JobCourse(job, {
      clock: this.clock,
      runner: this.#ownRunners.get(job.key) ?? this.#parts.runner,
      options: this.options,
      onChange: () => {
        this.#announce();
      },
      onEnd: (cause) => {
        this.#leave(job, cause);
      },
    });
    this.#courses.set(job.key, course);
    course.begin(delayMs);
  }

  #leave(job: SimulatedJob, cause: StopCause | undefined): void {
    this.#courses.delete(job.key);
    this.#pool.release(job);
    delete job.plannedAt;
    if (cause?.kind === 'hold') this.#enterHold(job, cause);
    else this.#finish(job, cause?.kind === 'delete' ? 'CCL' : 'EXT');
    this.reconsider();
  }

  #enterHold(job: SimulatedJob, cause: { user: string; reason: string }): void {
    this.#queue.remove(job);
    holdJob(job, cause, this.clock.now());
  }

  #cancelWaiting(job: SimulatedJob, reason: string): void {
    this.#queue.remove(job);
    job.reason = reason;
    job.pjmCode = job.state === 'ACC' ? 2 : 1;
    job.deletedAt = this.clock.now();
    this.#finish(job, job.state === 'ACC' ? 'RJT' : 'CCL');
    this.reconsider();
  }

  #finish(job: SimulatedJob, state: PjmState): void {
    setState(job, state);
    job.exitedAt = this.clock.now();
    delete job.plannedAt;
    this.#ownRunners.delete(job.key);
    this.jobs.ended(job, this.clock.now());
    this.jobs.forgetBefore(this.clock.now() - this.options.keepDays * day);
    const { files } = this.#parts;
    if (job.spec.statistics !== 'none' && job.hasNoStatistics !== true)
      files.write(jobPaths(job).stats, renderStatistics(job, this.localTime), 0o644);
    if (this.jobs.isScriptUnused(job)) files.remove?.(job.scriptPath);
  }

  /** Deletes step sub-jobs whose `sd=` form came true (PJM code 6). */
  #judgeSteps(): void {
    for (const job of deletedSteps(this.jobs, this.#queue.steps())) {
      this.#queue.remove(job);
      job.pjmCode = 6;
      this.#finish(job, 'CCL');
    }
  }

  #restore(snapshot: SchedulerSnapshot): void {
    const now = this.clock.now();
    const { waiting, held, deleted, ended } = readSnapshot(snapshot, this.jobs, this.options, now);
    for (const job of waiting) this.#enqueue(job);
    for (const { job, cause } of held) this.#enterHold(job, cause);
    this.#after(0, () => {
      for (const job of deleted) this.#cancelWaiting(job, job.deleteReason ?? '-');
      for (const job of ended) {
        if (this.options.showsPjmMessages) tellLoss(job, this.#parts.files);
        this.#finish(job, 'EXT');
      }
    });
  }
}
