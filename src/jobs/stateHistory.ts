// The last states of the connection with their times, for a report. Changes none of them.
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import type { Event } from '../base/emitter';
import type { ConnectionState } from '../ssh/connectionState';

export interface PastState {
  readonly atMs: number;
  readonly state: ConnectionState;
}

const limit = 50;

export class StateHistory implements Disposable {
  readonly #past: PastState[] = [];
  readonly #subscription: Disposable;

  constructor(onDidChangeState: Event<ConnectionState>, clock: Clock) {
    this.#subscription = onDidChangeState((state) => {
      this.#past.push({ atMs: clock.now(), state });
      if (this.#past.length > limit) this.#past.shift();
    });
  }

  /** Oldest first. */
  get past(): readonly PastState[] {
    return this.#past;
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}
