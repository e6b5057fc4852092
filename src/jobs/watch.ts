// Looks after one job while it runs: its output as text and its progress. Reads files; asks PJM nothing.
import { sleep } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { isCancellation } from '../base/failure';
import type { JobStore } from './jobStore';
import { readProgress } from './results';
import { Tail, type TailParts } from './tail';

export interface WatchParts extends TailParts {
  readonly store: JobStore;
  /** Nothing is read without a connection: bringing it back, with growing pauses, is not a watch's work. */
  readonly isConnected: () => boolean;
  readonly onOutput: (jobId: string, text: string) => void;
}

export class JobWatch implements Disposable {
  readonly #parts: WatchParts;
  readonly #jobId: string;
  readonly #tails: readonly Tail[];
  #stop: AbortController | undefined;
  #stopped: Promise<void> = Promise.resolve();
  #lastLine = '';
  #isDisposed = false;

  constructor(parts: WatchParts, jobId: string) {
    this.#parts = parts;
    this.#jobId = jobId;
    const { stdout, stderr } = parts.store.get(jobId)?.files ?? {};
    const onText = (text: string) => {
      const line = text.trimEnd().split('\n').at(-1) ?? '';
      if (line !== '') this.#lastLine = line;
      if (!this.#isDisposed) parts.onOutput(jobId, text);
    };
    // A script without `-j` has a file of its own for errors; both are shown in the same place.
    const paths = new Set([stdout, stderr].filter((path) => path !== undefined));
    this.#tails = [...paths].map((path) => new Tail(parts, path, onText));
  }

  /** The last line of the output so far; '' when there was none. */
  get lastLine(): string {
    return this.#lastLine;
  }

  /** Follows the job, from where an earlier start came to. */
  start(): void {
    if (this.#stop || this.#isDisposed) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.#stopped = this.#stopped.then(() => this.#run(stop.signal));
  }

  /** Stops following, then reads what is there; `start` may go on later. */
  async catchUp(signal: AbortSignal): Promise<void> {
    this.#stop?.abort();
    this.#stop = undefined;
    await this.#stopped;
    for (const tail of this.#tails) await tail.catchUp(signal);
  }

  /** The job will write nothing more: the unfinished last line is a line, too. */
  end(): void {
    for (const tail of this.#tails) tail.end();
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#stop?.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#parts.isConnected()) await this.#look(signal);
      } catch (error) {
        if (isCancellation(error)) return;
        this.#parts.log.debug(`output of ${this.#jobId}: ${String(error)}`);
      }
      await sleep(this.#parts.clock, this.#parts.intervalMs, signal).catch(() => undefined);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    for (const tail of this.#tails) await tail.catchUp(signal);
    const job = this.#parts.store.get(this.#jobId);
    const { progress } = (job && (await readProgress(this.#parts.files, job, signal))) ?? {};
    if (progress) this.#parts.store.change(this.#jobId, { progress });
  }
}
