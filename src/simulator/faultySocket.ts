// A TCP socket that can be slow, cut or half-open, as the faults say. Knows nothing of SSH.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { DisposableStore } from '../base/disposable';
import type { Faults } from './faults';

/** Stands between the network and the SSH server; without faults every byte passes at once. */
export class FaultySocket extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  #sentBytes = 0;
  #waiting: (() => void)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #owned = new DisposableStore();

  constructor(
    readonly socket: Socket,
    readonly faults: Faults,
  ) {
    super({ allowHalfOpen: false });
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.remoteFamily = socket.remoteFamily;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#pass(() => {
        if (!this.push(chunk)) socket.pause();
      });
    });
    socket.on('end', () => {
      this.#pass(() => this.push(null));
    });
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
    this.#owned.add(faults.onCut(() => socket.resetAndDestroy()));
    this.#owned.add(
      faults.onDidChange(({ isHalfOpen }) => {
        if (!isHalfOpen) this.#wake();
      }),
    );
  }

  setNoDelay(isOn = true): this {
    this.socket.setNoDelay(isOn);
    return this;
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#pass(() => {
      this.#send(chunk, done);
    });
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: string }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#pass(() => {
      this.socket.end(() => {
        done();
      });
    });
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting = [];
    this.#owned.dispose();
    this.socket.destroy();
    done(error);
  }

  #send(chunk: Buffer, done: (error?: Error | null) => void): void {
    const { cutAfterBytes } = this.faults.settings;
    const left = cutAfterBytes === undefined ? Infinity : cutAfterBytes - this.#sentBytes;
    this.#sentBytes += chunk.length;
    if (chunk.length < left) {
      if (this.socket.write(chunk)) done();
      else this.socket.once('drain', done);
      return;
    }
    this.socket.end(chunk.subarray(0, Math.max(0, left)), () => this.socket.destroy());
    done();
  }

  /** Order is kept: timers of one length fire in the order they were set, and a silent line queues. */
  #pass(action: () => void): void {
    const { delayMs, isHalfOpen } = this.faults.settings;
    if (isHalfOpen) {
      this.#waiting.push(action);
    } else if (delayMs > 0 || this.#timers.size > 0) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (!this.destroyed) action();
      }, delayMs);
      this.#timers.add(timer);
    } else {
      action();
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) action();
  }
}
