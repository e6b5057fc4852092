// Asks PJM about all live jobs, in one query, and moves their phases. The only caller of `Queue.list`.
import { sleep, type Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { isCancellation } from '../base/failure';
import type { Logger } from '../base/log';
import { isFinalState, stateMeaning } from '../pjm/jobState';
import type { QueueEntry } from '../pjm/pjstat';
import type { Job, JobPhase } from './job';
import type { JobStore } from './jobStore';
import type { Queue } from './queue';

export interface PollerParts {
  readonly store: JobStore;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Logger;
  /** Jobs of this machine only. */
  readonly target: string;
  /** Nobody is asked without a connection. */
  readonly isConnected: () => boolean;
  /** Brings the connection back in its own time; whoever calls `start` when it stands again is heard at once. */
  readonly bringBack: () => void;
  /** Seconds between two questions; the first ones after a change come sooner. */
  readonly pollSeconds: () => number;
  /** Called for a job that PJM calls ended, or that PJM no longer knows; settles its outcome. */
  readonly onEnded: (job: Job, entry: QueueEntry | undefined, signal: AbortSignal) => Promise<void>;
}

/** The first questions after a change come after 1, 2, 4 ... seconds, up to the set interval. */
const firstDelaySeconds = 1;
/** A query that straddles the moment of ending may miss a job; only this many misses in a row count. */
const missesBeforeLost = 3;

export class Poller implements Disposable {
  readonly #parts: PollerParts;
  readonly #stop = new AbortController();
  readonly #misses = new Map<string, number>();
  /** Ended jobs whose results are on their way. */
  readonly #endings = new Map<string, Promise<unknown>>();
  #wake = new AbortController();
  #delaySeconds = firstDelaySeconds;
  #isRunning = false;

  constructor(parts: PollerParts) {
    this.#parts = parts;
  }

  /** Begins to ask while there are live jobs; call it after every submission and at start. */
  start(): void {
    this.pollSoon();
    if (this.#isRunning || this.#stop.signal.aborted) return;
    this.#isRunning = true;
    this.#run().catch((error: unknown) => {
      this.#parts.log.error(error as Error);
    });
  }

  /** Asks again without waiting for the interval. */
  pollSoon(): void {
    this.#delaySeconds = firstDelaySeconds;
    this.#wake.abort();
  }

  dispose(): void {
    this.#stop.abort();
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted && this.#liveJobs().length > 0) {
        try {
          if (this.#parts.isConnected()) await this.#poll(signal);
          else this.#parts.bringBack();
        } catch (error) {
          if (isCancellation(error)) return;
          this.#parts.log.warn(`pjstat: ${String(error)}`);
        }
        if (this.#liveJobs().length > 0) await this.#pause(signal);
      }
    } finally {
      // At once, so that a `start` right after the last look begins anew.
      this.#isRunning = false;
    }
  }

  /** One query for all live jobs; waits until those that ended are settled. */
  async pollOnce(signal: AbortSignal): Promise<void> {
    await this.#poll(signal);
    await Promise.all(this.#endings.values());
  }

  /** As `pollOnce`, but a job whose results take long to come does not keep the others waiting. */
  async #poll(signal: AbortSignal): Promise<void> {
    const asked = this.#liveJobs().filter(({ id }) => !this.#endings.has(id));
    const ids = asked.flatMap(({ pjmId }) => (pjmId === undefined ? [] : [pjmId]));
    if (ids.length === 0) return;
    const entries = await this.#parts.queue.list(ids, signal);
    for (const job of asked) this.#take(job, entries.get(job.pjmId ?? ''), signal);
  }

  #take(job: Job, entry: QueueEntry | undefined, signal: AbortSignal): void {
    const { store, clock } = this.#parts;
    const misses = entry ? 0 : (this.#misses.get(job.id) ?? 0) + 1;
    this.#misses.set(job.id, misses);
    const now = store.get(job.id);
    // It may have been taken out of the list while PJM was asked.
    if (!now) return;
    if (entry ? isFinalState(entry.state) : misses >= missesBeforeLost) {
      this.#end(now, entry, signal);
      return;
    }
    const phase = nextPhase(now.phase, entry, clock.now());
    if (phase.kind !== now.phase.kind) this.#delaySeconds = firstDelaySeconds;
    store.change(job.id, { phase });
  }

  #end(job: Job, entry: QueueEntry | undefined, signal: AbortSignal): void {
    const ending = this.#parts
      .onEnded(job, entry, signal)
      .catch((error: unknown) => {
        this.#parts.log.error(error as Error);
      })
      .finally(() => this.#endings.delete(job.id));
    this.#endings.set(job.id, ending);
  }

  #liveJobs(): readonly Job[] {
    const { store, target } = this.#parts;
    return store.all.filter(
      (job) => job.target === target && job.pjmId !== undefined && job.phase.kind !== 'finished',
    );
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const seconds = Math.min(this.#delaySeconds, this.#parts.pollSeconds());
    this.#delaySeconds *= 2;
    this.#wake = new AbortController();
    const either = AbortSignal.any([signal, this.#wake.signal]);
    await sleep(this.#parts.clock, seconds * 1000, either).catch(() => undefined);
  }
}

/** The phase after a query; an answer without this job keeps what was last seen and says so. */
export function nextPhase(
  before: JobPhase,
  entry: QueueEntry | undefined,
  nowMs: number,
): JobPhase {
  if (!entry) return before.kind === 'unknown' ? before : unknownPhase(before, nowMs);
  const { state } = entry;
  switch (stateMeaning(state)) {
    case 'waiting':
    case 'held':
    case 'error':
      return {
        kind: 'waiting',
        state,
        ...(entry.isStartPlanned && entry.startDate && { plannedStart: entry.startDate }),
        ...(entry.reason !== undefined && { reason: entry.reason }),
      };
    case 'running': {
      const known = before.kind === 'running' ? before.startedMs : undefined;
      const elapsedMs = (entry.elapsedSeconds ?? 0) * 1000;
      return { kind: 'running', state, startedMs: known ?? nowMs - elapsedMs };
    }
    case 'ended':
    case 'unknown':
      return { kind: 'unknown', lastState: state, lastSeenMs: nowMs };
  }
}

function unknownPhase(before: JobPhase, nowMs: number): JobPhase {
  const lastState =
    before.kind === 'waiting' || before.kind === 'running' ? before.state : undefined;
  return { kind: 'unknown', lastSeenMs: nowMs, ...(lastState !== undefined && { lastState }) };
}
