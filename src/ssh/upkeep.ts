// Watches over a connection from a regular tick: the computer woke from sleep or is in another network, or nobody has
// used it for long. Decides when, not what to do.
import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';

export interface UpkeepOptions {
  readonly clock: Clock;
  /** What stood before may be gone without a word. */
  readonly onDoubt: (why: 'woke' | 'moved') => void;
  /** Nobody began to use it for half an hour; something long may still be under way. */
  readonly onIdle: () => void;
  /** The addresses that this computer has now, as one text. */
  readonly addresses?: () => string;
}

/** VS Code tells no extension about sleep (vscode#122126): a late tick does. */
const TICK_MS = 5_000;
const WAKE_GAP_MS = 15_000;
const IDLE_LIMIT_MS = 30 * 60_000;

export class Upkeep implements Disposable {
  #tickedAtMs: number;
  #usedAtMs: number;
  #addresses: string;
  #timer: Disposable;

  constructor(private readonly options: UpkeepOptions) {
    this.#tickedAtMs = this.#usedAtMs = options.clock.now();
    this.#addresses = this.#look();
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

  #look(): string {
    return (this.options.addresses ?? ownAddresses)();
  }

  #tick(): void {
    const { clock, onDoubt, onIdle } = this.options;
    const now = clock.now();
    const hasSlept = now - this.#tickedAtMs > WAKE_GAP_MS;
    this.#tickedAtMs = now;
    const addresses = this.#look();
    // Without any address there is nothing to try; the next one tells.
    const hasMoved = addresses !== '' && addresses !== this.#addresses;
    if (addresses !== '') this.#addresses = addresses;
    if (hasSlept) {
      // Time asleep is no time without work: whoever polls needs a moment to go on.
      this.#usedAtMs = now;
      onDoubt('woke');
    } else if (hasMoved) {
      onDoubt('moved');
    } else if (now - this.#usedAtMs >= IDLE_LIMIT_MS) {
      this.#usedAtMs = now;
      onIdle();
    }
  }
}

/** A new address of the same network counts as well; the question that it costs is small. */
function ownAddresses(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outer = all.filter(({ internal }) => !internal).map(({ address }) => address);
  return outer.sort().join(' ');
}
