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
  /** The addresses that this computer has now. */
  readonly addresses?: () => readonly string[];
}

/** VS Code tells no extension about sleep (vscode#122126): a late tick does. */
const TICK_MS = 5_000;
const WAKE_GAP_MS = 15_000;
const IDLE_LIMIT_MS = 30 * 60_000;

export class Upkeep implements Disposable {
  #tickedAtMs: number;
  #usedAtMs: number;
  #addresses: readonly string[];
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

  #look(): readonly string[] {
    return (this.options.addresses ?? ownAddresses)();
  }

  #tick(): void {
    const { clock, onDoubt, onIdle } = this.options;
    const now = clock.now();
    const hasSlept = now - this.#tickedAtMs > WAKE_GAP_MS;
    this.#tickedAtMs = now;
    const addresses = this.#look();
    // One that goes tells nothing: the network may come back as it was, or the next one is about to be there.
    const hasMoved = addresses.some((address) => !this.#addresses.includes(address));
    this.#addresses = addresses;
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

/** Without those that a computer gives itself on every link, which come and go with containers and the like. */
function ownAddresses(): string[] {
  try {
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    return all
      .filter(({ internal, address }) => !internal && !/^(?:fe80:|169\.254\.)/i.test(address))
      .map(({ address }) => address);
  } catch {
    // Some sandboxes do not tell; a late tick still does.
    return [];
  }
}
