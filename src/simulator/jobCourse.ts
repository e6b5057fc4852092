// The way of one job from its allocation to its end: prologue, run, limit, signals, epilogue. Knows no queue.
import type { Clock } from '../base/clock';
import { DisposableStore, type Disposable } from '../base/disposable';
import { jobStart } from './jobFiles';
import { endLine, restartLine } from './jobMessages';
import type { JobEnd, JobRunner, JobSignal, RunningJob } from './jobRunner';
import type { SchedulerOptions } from './schedulerOptions';
import { setState, type SimulatedJob } from './simulatedJob';

/** Why a job is stopped before its own end. */
export type StopCause =
  | { readonly kind: 'limit' }
  | { readonly kind: 'delete'; readonly user: string; readonly reason: string }
  | { readonly kind: 'hold'; readonly user: string; readonly reason: string };

export interface CourseParts {
  readonly clock: Clock;
  readonly runner: JobRunner;
  readonly options: SchedulerOptions;
  /** Something about the job changed. */
  readonly onChange: () => void;
  /** The job left its nodes, with what stopped it. */
  readonly onEnd: (cause: StopCause | undefined) => void;
}

const pjmCodes = { limit: 11, delete: 1, hold: 4 } as const;
const signalNumbers: Record<StopCause['kind'], number> = { limit: 24, delete: 15, hold: 15 };

/** Owns the timers and the process of one started job. */
export class JobCourse implements Disposable {
  readonly #timers = new DisposableStore();
  #running: RunningJob | undefined;
  #cause: StopCause | undefined;

  constructor(
    readonly job: SimulatedJob,
    private readonly parts: CourseParts,
  ) {}

  /** Waits for the planned start; the nodes are already the job's. */
  begin(delayMs: number): void {
    this.job.plannedAt = this.parts.clock.now() + delayMs;
    this.#enter('RNA');
    this.#after(delayMs, () => {
      this.#startPrologue();
    });
  }

  /** Ends the job for a cause; the first cause stays. Before the prologue there is no process to stop. */
  stop(cause: StopCause): void {
    const { state } = this.job;
    if (this.#cause || state === 'RNE' || state === 'RNO') return;
    this.#cause = cause;
    if (state === 'RNA') {
      this.#timers.dispose();
      this.#leave();
      return;
    }
    if (!this.#running) return;
    this.#tell(pjmCodes[cause.kind], cause.kind === 'limit' ? undefined : cause.user);
    this.#running.signal(cause.kind === 'limit' ? 'SIGXCPU' : 'SIGTERM');
    this.#after(this.parts.options.killDelayMs, () => this.#running?.signal('SIGKILL'));
  }

  /** False when the job has no process. */
  signal(signal: JobSignal): boolean {
    this.#running?.signal(signal);
    return this.#running !== undefined;
  }

  dispose(): void {
    this.#timers.dispose();
  }

  #enter(state: SimulatedJob['state']): void {
    setState(this.job, state);
    this.parts.onChange();
  }

  #after(delayMs: number, callback: () => void): void {
    this.#timers.add(this.parts.clock.after(delayMs, callback));
  }

  #startPrologue(): void {
    this.job.prologueAt = this.parts.clock.now();
    delete this.job.plannedAt;
    this.#enter('RNP');
    this.#after(this.parts.options.prologueMs, () => {
      this.#run();
    });
  }

  #run(): void {
    const { job, parts } = this;
    job.startedAt = parts.clock.now();
    this.#enter('RUN');
    if (job.spec.elapseSeconds !== undefined)
      this.#after(job.spec.elapseSeconds * 1000, () => {
        this.stop({ kind: 'limit' });
      });
    let hasEnded = false;
    const running = parts.runner.start(jobStart(job), (end) => {
      if (hasEnded || this.#timers.isDisposed) return;
      hasEnded = true;
      this.#processEnded(end);
    });
    if (this.job.state !== 'RUN') return;
    this.#running = running;
    if (parts.options.showsPjmMessages && job.retries > 0) running.writeOutput(restartLine);
    // Deleted with --enforce during the prologue.
    const cause = this.#cause;
    if (cause) {
      this.#cause = undefined;
      this.stop(cause);
    }
  }

  #tell(pjmCode: number, user?: string): void {
    const line = endLine(pjmCode, this.job, user);
    if (this.parts.options.showsPjmMessages && line !== undefined) this.#running?.writeError(line);
  }

  #processEnded(end: JobEnd): void {
    const { job, parts } = this;
    if (end.pjmCode !== undefined) this.#tell(end.pjmCode);
    this.#running = undefined;
    job.jobEndedAt = parts.clock.now();
    this.#record(end);
    this.#enter('RNE');
    this.#after(parts.options.epilogueMs, () => {
      this.#enter('RNO');
      this.#after(parts.options.terminationMs, () => {
        this.#leave();
      });
    });
  }

  /** A shell ended by a signal leaves exit code 0 and the signal; one that caught it leaves its own code. */
  #record(end: JobEnd): void {
    const { job } = this;
    const cause = this.#cause;
    const wasKilled = end.signal !== undefined;
    job.exitCode = wasKilled && cause ? 0 : end.exitCode;
    if (end.signal !== undefined) job.signal = cause ? signalNumbers[cause.kind] : end.signal;
    job.pjmCode = end.pjmCode ?? (cause ? pjmCodes[cause.kind] : 0);
    job.reason = reasonOf(cause, end.pjmCode);
    job.userCpuMs = end.userCpuMs;
    job.systemCpuMs = end.systemCpuMs;
    job.maxMemoryBytes = end.maxMemoryBytes;
  }

  #leave(): void {
    const { job } = this;
    if (this.#cause?.kind === 'delete') {
      job.pjmCode = pjmCodes.delete;
      job.deletedAt = this.parts.clock.now();
      job.reason = this.#cause.reason;
    }
    this.#timers.dispose();
    this.parts.onEnd(this.#cause);
  }
}

function reasonOf(cause: StopCause | undefined, pjmCode: number | undefined): string {
  if (pjmCode === 16) return 'NO CURRENT DIR';
  if (pjmCode === 21) return 'FILE IO ERROR';
  if (cause?.kind === 'limit') return 'ELAPSE LIMIT EXCEEDED';
  return cause?.reason ?? '-';
}
