// A clock that stands still until a test moves it; what is due then happens in order of time.
import type { Clock } from '../../../src/base/clock';
import { toDisposable, type Disposable } from '../../../src/base/disposable';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #nowMs = Date.UTC(2026, 0, 5, 9);
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Disposable {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return toDisposable(() => this.#timers.delete(timer));
  }

  get waiting(): number {
    return this.#timers.size;
  }

  /** Time goes on as on a computer that is awake. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= endMs);
      const next = due.sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#timers.delete(next);
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** The computer sleeps: nothing happens meanwhile, and what is overdue happens at once when it wakes. */
  sleep(ms: number): void {
    this.#nowMs += ms;
    this.pass(0);
  }
}
