// Looks after one job while it runs: its output as text and its progress. Reads files; asks PJM nothing.
import { sleep } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { isCancellation } from '../base/failure';
import type { JobStore } from './jobStore';
import { readProgress } from './results';
import { Tail, type TailParts } from './tail';

export interface WatchParts extends TailParts {
  readonly store: JobStore;
  readonly onOutput: (jobId: string, text: string) => void;
}

export class JobWatch implements Disposable {
  readonly #parts: WatchParts;
  readonly #jobId: string;
  readonly #tail: Tail | undefined;
  readonly #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  constructor(parts: WatchParts, jobId: string) {
    this.#parts = parts;
    this.#jobId = jobId;
    const path = parts.store.get(jobId)?.files?.stdout;
    this.#tail =
      path === undefined
        ? undefined
        : new Tail(parts, path, (text) => {
            parts.onOutput(jobId, text);
          });
  }

  start(): void {
    this.#ended = this.#run(this.#stop.signal);
  }

  /** Stops following, then reads what the job still wrote at its end. */
  async finish(signal: AbortSignal): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.#tail?.catchUp(signal);
    this.#tail?.end();
  }

  dispose(): void {
    this.#stop.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#tail?.catchUp(signal);
        await this.#lookAtProgress(signal);
      } catch (error) {
        if (isCancellation(error)) return;
        this.#parts.log.debug(`output of ${this.#jobId}: ${String(error)}`);
      }
      await sleep(this.#parts.clock, this.#parts.intervalMs, signal).catch(() => undefined);
    }
  }

  async #lookAtProgress(signal: AbortSignal): Promise<void> {
    const job = this.#parts.store.get(this.#jobId);
    const progress = job && (await readProgress(this.#parts.files, job, signal));
    if (progress) this.#parts.store.change(this.#jobId, { progress });
  }
}
