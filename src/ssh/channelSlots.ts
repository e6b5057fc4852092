// How many channels may be open at once on one connection. Learns the server's limit by being refused.
import type { EventEmitter } from 'node:events';
import { sleep, type Clock } from '../base/clock';
import { DisposableStore, toDisposable } from '../base/disposable';
import { Emitter } from '../base/emitter';
import { isFailure } from '../base/failure';
import { sshFailure } from './failures';
import { isOpenFailure, type Hop } from './hop';
import { withSignal } from './withSignal';

/** sshd's default `MaxSessions` is 10; a person may have other windows on a shared connection. */
const START_LIMIT = 6;
/** A server counts a closed channel a little longer than we do. */
const RETRIES = 5;
const RETRY_MS = 50;
/** As long as a channel may take to open: whoever waits longer is better told. */
const WAIT_LIMIT_MS = 60_000;

/** sshd closes a channel when what runs in it has ended, which hangs where the file system does. */
const CLOSE_LIMIT_MS = 10_000;

/** An open channel with the slot that it holds. */
export interface Slotted<T> {
  readonly channel: T;
  /** Gives the slot back; call once when the channel is closed. */
  release(): void;
}

/** Gives the slot back when the server closes the channel. Call what it returns when that should come soon. */
export function releaseOnClose(
  held: Slotted<unknown>,
  channel: EventEmitter,
  { hop, clock }: { readonly hop: Hop; readonly clock: Clock },
): () => void {
  const slot = new DisposableStore();
  const release = (): void => {
    slot.dispose();
  };
  slot.add(toDisposable(() => { held.release(); })); // prettier-ignore
  channel.once('close', release);
  slot.add(hop.onDidEnd(release));
  return () => {
    slot.add(clock.after(CLOSE_LIMIT_MS, release));
  };
}

/** The slots of one connection. */
export class ChannelSlots {
  #limit = START_LIMIT;
  #used = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #onDidStarve = new Emitter<undefined>();

  /** Somebody waits for a slot: whoever holds one without need should close its channel. */
  readonly onDidStarve = this.#onDidStarve.event;

  constructor(private readonly clock: Clock) {}

  /** Opens a channel when a slot is free. A refusal lowers the limit and waits while others are open. */
  async open<T extends { end(): unknown }>(
    start: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<Slotted<T>> {
    for (let retries = 0; ;) {
      await this.#freeSlot(signal);
      this.#used += 1;
      const starting = start();
      try {
        return this.#slotted(await withSignal(starting, signal));
      } catch (error) {
        if (signal?.aborted) {
          void this.#closeLate(starting);
          throw error;
        }
        this.#giveBack();
        const isLimit = isFailure(error, 'channelRefused') && isOpenFailure(error.cause);
        if (!isLimit) throw error;
        if (this.#used > 0) this.#limit = this.#used;
        else if (retries++ < RETRIES) await sleep(this.clock, RETRY_MS * retries, signal);
        else throw error;
      }
    }
  }

  /** Opens a channel only when it costs nobody else: undefined when no slot is free or the server refuses. */
  async openSpare<T>(start: () => Promise<T>): Promise<Slotted<T> | undefined> {
    if (this.#used >= this.#limit || this.#waiting.length > 0) return undefined;
    this.#used += 1;
    try {
      return this.#slotted(await start());
    } catch (error) {
      this.#giveBack();
      if (!isFailure(error, 'channelRefused') || !isOpenFailure(error.cause)) throw error;
      if (this.#used > 0) this.#limit = this.#used;
      return undefined;
    }
  }

  /** Nobody waits for this channel any more; it counts until it is known. */
  async #closeLate(starting: Promise<{ end(): unknown }>): Promise<void> {
    const channel = await starting.catch(() => undefined);
    channel?.end();
    this.#giveBack();
  }

  #slotted<T>(channel: T): Slotted<T> {
    let isHeld = true;
    return {
      channel,
      release: () => {
        if (isHeld) this.#giveBack();
        isHeld = false;
      },
    };
  }

  async #freeSlot(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const untilMs = this.clock.now() + WAIT_LIMIT_MS;
    while (this.#used >= this.#limit) await this.#turn(untilMs - this.clock.now(), signal);
  }

  /** Until somebody gives a slot back. */
  #turn(limitMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        limit.dispose();
        signal?.removeEventListener('abort', onAbort);
      };
      const wake = (): void => {
        settle();
        resolve();
      };
      const giveUp = (reason: Error): void => {
        settle();
        this.#waiting.splice(this.#waiting.indexOf(wake), 1);
        reject(reason);
      };
      const onAbort = (): void => {
        giveUp(signal?.reason as Error);
      };
      const limit = this.clock.after(limitMs, () => {
        const seconds = WAIT_LIMIT_MS / 1000;
        giveUp(sshFailure('timedOut', { operation: 'open channel', seconds }));
      });
      this.#waiting.push(wake);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#onDidStarve.fire(undefined);
    });
  }

  #giveBack(): void {
    this.#used -= 1;
    this.#waiting.shift()?.();
  }
}
