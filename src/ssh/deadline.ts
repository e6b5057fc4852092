// A time limit that stands still while a person thinks. Knows nothing of what it limits.
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';

/** Fires once after `limitMs` of its own time; the time spent in `pausedFor` is not counted. */
export class Deadline implements Disposable {
  #leftMs: number;
  #startedAtMs = 0;
  #timer: Disposable | undefined;
  #pauses = 0;
  #callback: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    limitMs: number,
  ) {
    this.#leftMs = limitMs;
  }

  /** Starts the time. */
  onPassed(callback: () => void): void {
    this.#callback = callback;
    if (this.#pauses === 0) this.#run();
  }

  async pausedFor<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pauses++ === 0 && this.#timer) {
      this.#timer.dispose();
      this.#timer = undefined;
      this.#leftMs -= this.clock.now() - this.#startedAtMs;
    }
    try {
      return await work();
    } finally {
      if (--this.#pauses === 0) this.#run();
    }
  }

  dispose(): void {
    this.#callback = undefined;
    this.#timer?.dispose();
    this.#timer = undefined;
  }

  #run(): void {
    const callback = this.#callback;
    if (!callback) return;
    this.#startedAtMs = this.clock.now();
    this.#timer = this.clock.after(Math.max(0, this.#leftMs), callback);
  }
}
