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
  /** Reads and writes that have not happened yet, oldest first; `due` in milliseconds since 1970. */
  #waiting: { due: number; action: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isDraining = false;
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
        if (!isHalfOpen) this.#drain();
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
    clearTimeout(this.#timer);
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

  /** Bytes keep their order, also when the delay changes while some are under way. */
  #pass(action: () => void): void {
    const due = Date.now() + this.faults.settings.delayMs;
    this.#waiting.push({ due: Math.max(due, this.#waiting.at(-1)?.due ?? 0), action });
    this.#drain();
  }

  #drain(): void {
    if (this.#isDraining || this.#timer) return;
    this.#isDraining = true;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.destroyed || this.faults.settings.isHalfOpen) break;
      const waitMs = next.due - Date.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#drain();
        }, waitMs);
        break;
      }
      this.#waiting.shift();
      next.action();
    }
    this.#isDraining = false;
  }
}
