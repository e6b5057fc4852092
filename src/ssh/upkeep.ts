// Watches over a connection from a regular tick: the computer woke from sleep, or nobody has used it for long.
// Decides when, not what to do.
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';

export interface UpkeepOptions {
  readonly clock: Clock;
  readonly onWoke: () => void;
  /** Nobody began to use it for half an hour; something long may still be under way. */
  readonly onIdle: () => void;
}

/** VS Code tells no extension about sleep (vscode#122126): a late tick does. */
const TICK_MS = 5_000;
const WAKE_GAP_MS = 15_000;
const IDLE_LIMIT_MS = 30 * 60_000;

export class Upkeep implements Disposable {
  #tickedAtMs: number;
  #usedAtMs: number;
  #timer: Disposable;

  constructor(private readonly options: UpkeepOptions) {
    this.#tickedAtMs = this.#usedAtMs = options.clock.now();
    this.#timer = this.#next();
  }

  /** Somebody begins to use the connection. */
  touch(): void {
    this.#usedAtMs = this.options.clock.now();
  }

  dispose(): void {
    this.#timer.dispose();
  }

  #next(): Disposable {
    return this.options.clock.after(TICK_MS, () => {
      this.#timer = this.#next();
      this.#tick();
    });
  }

  #tick(): void {
    const { clock, onWoke, onIdle } = this.options;
    const now = clock.now();
    const hasSlept = now - this.#tickedAtMs > WAKE_GAP_MS;
    this.#tickedAtMs = now;
    if (hasSlept) {
      // Time asleep is no time without work: whoever polls needs a moment to go on.
      this.#usedAtMs = now;
      onWoke();
    } else if (now - this.#usedAtMs >= IDLE_LIMIT_MS) {
      this.#usedAtMs = now;
      onIdle();
    }
  }
}
