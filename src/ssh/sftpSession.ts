// One SFTP channel: every request ends, with an answer or a Failure. Knows no transfers and no reconnection.
import type { SFTPWrapper } from 'ssh2';
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { isFailure, type Failure } from '../base/failure';
import { detailOf, sshFailure, toError, type SshFailureReason } from './failures';
import type { Hop } from './hop';

export type Done<T> = (error: Error | null | undefined, value: T) => void;

/** No answer at all for so long while requests wait: a stuck file system still answers SSH keepalives. */
const SILENCE_LIMIT_MS = 120_000;

/** What every SFTP server must take in one request. */
const SAFE_CHUNK_BYTES = 32 * 1024;
const MAX_CHUNK_BYTES = 256 * 1024;

/** What ssh2 1.17 learns by `limits@openssh.com` and does not declare; undefined handles mean that it was not told. */
interface Limits {
  readonly maxOpenHandles: number | undefined;
  readonly _maxReadLen: number;
  readonly _maxWriteLen: number;
}

/** What the server may send before it hears from us again: ssh2's own 1 to 2 MiB hold a far server back. */
const WINDOW_BYTES = 6 * 1024 * 1024;

/** What ssh2 1.17 keeps in a channel and does not declare. */
interface OpenChannel {
  readonly incoming: { window: number };
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _protocol: { channelWindowAdjust(channel: number, bytes: number): void };
}

/** SFTP version 3 status codes. */
export const STATUS = {
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  unsupported: 8,
} as const;

export interface SftpContext {
  readonly hop: Hop;
  readonly host: string;
  readonly clock: Clock;
}

export class SftpSession implements Disposable {
  readonly #waiting = new Set<(reason: Failure<SshFailureReason>) => void>();
  readonly #hopEnd: Disposable | undefined;
  #watchdog: Disposable | undefined;
  #endReason: Failure<SshFailureReason> | undefined;
  #onRetired: () => void = () => undefined;
  #users = 0;
  #isRetired = false;

  constructor(
    readonly sftp: SFTPWrapper,
    private readonly context: SftpContext,
  ) {
    const lost = (error?: unknown): void => {
      this.#end(
        context.hop.endReason ?? sshFailure('connectionLost', { host: context.host }, error),
      );
    };
    sftp.on('error', lost);
    sftp.on('close', () => {
      lost();
    });
    this.#hopEnd = context.hop.onDidEnd((reason) => {
      this.#end(reason);
    });
  }

  get isOpen(): boolean {
    return this.#endReason === undefined;
  }

  /** True when the channel should become free for somebody else soon. */
  get isRetired(): boolean {
    return this.#isRetired || !this.isOpen;
  }

  /** Bytes of one read or write: more than what every server takes only where this one told its limits. */
  get chunkBytes(): number {
    const limits = this.sftp as unknown as Limits;
    if (limits.maxOpenHandles === undefined) return SAFE_CHUNK_BYTES;
    const told = Math.min(limits._maxReadLen, limits._maxWriteLen, MAX_CHUNK_BYTES);
    return Math.max(told, SAFE_CHUNK_BYTES);
  }

  /** Lets the server send ahead; called while much is read, it keeps the line full. */
  widenWindow(): void {
    const { incoming, outgoing, _protocol: protocol } = this.sftp as unknown as OpenChannel;
    if (incoming.window > WINDOW_BYTES / 2 || outgoing.state !== 'open' || !this.isOpen) return;
    const more = WINDOW_BYTES - incoming.window;
    incoming.window += more;
    protocol.channelWindowAdjust(outgoing.id, more);
  }

  /** An operation or a request is under way. */
  get isBusy(): boolean {
    return this.#users > 0 || this.#waiting.size > 0;
  }

  /** Calls back when the session should not be given to anybody else. */
  onRetired(callback: () => void): void {
    if (this.isOpen) this.#onRetired = callback;
    else callback();
  }

  /** Keeps the channel open for one operation of several requests. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#users -= 1;
      if (this.#isRetired && this.#users === 0) this.dispose();
    }
  }

  /** Closes the channel when the operations under way are done; no new ones should come. */
  retire(): void {
    this.#isRetired = true;
    this.#onRetired();
    if (this.#users === 0) this.dispose();
  }

  /** One request. Rejects with ssh2's status error, or with a Failure when the channel ended or fell silent. */
  call<T>(start: (done: Done<T>) => unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#endReason) {
        reject(this.#endReason);
        return;
      }
      this.#waiting.add(reject);
      this.#watch();
      const settle = (): void => {
        this.#waiting.delete(reject);
        this.#unwatch();
        if (this.#waiting.size > 0) this.#watch();
      };
      try {
        start((error, value) => {
          settle();
          if (error) reject(error);
          else resolve(value);
        });
      } catch (error) {
        settle();
        reject(toError(error));
      }
    });
  }

  dispose(): void {
    this.#end(sshFailure('connectionClosed', { host: this.context.host }));
  }

  #watch(): void {
    this.#watchdog ??= this.context.clock.after(SILENCE_LIMIT_MS, () => {
      this.#end(sshFailure('timedOut', { operation: 'sftp', seconds: SILENCE_LIMIT_MS / 1000 }));
    });
  }

  #unwatch(): void {
    this.#watchdog?.dispose();
    this.#watchdog = undefined;
  }

  #end(reason: Failure<SshFailureReason>): void {
    if (this.#endReason) return;
    this.#endReason = reason;
    this.#unwatch();
    this.#hopEnd?.dispose();
    for (const reject of [...this.#waiting]) reject(reason);
    this.#waiting.clear();
    if (this.context.hop.endReason === undefined) this.sftp.end();
    this.#onRetired();
  }
}

/** The SFTP status code of an error, if it is one. */
export function statusOf(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'number' ? code : undefined;
}

/** True for the code that stands for everything else, disk full among it. */
export function isVague(error: unknown): boolean {
  return statusOf(error) === STATUS.failure;
}

const FULL = /no space left|quota exceeded|disk full|disc quota|not enough space|ENOSPC|EDQUOT/i;

/** True for the words of a file system that is full, or of a quota. */
export function saysFull(text: string): boolean {
  return FULL.test(text);
}

/** Names an answer of the file server. Cancellations and Failures pass unchanged. */
export function toFileFailure(error: unknown, path: string, operation: string): unknown {
  if (isFailure(error) || (error instanceof Error && error.name === 'AbortError')) return error;
  const detail = detailOf(error);
  if (saysFull(detail)) return sshFailure('diskFull', { path, detail }, error);
  switch (statusOf(error)) {
    case STATUS.noSuchFile:
      return sshFailure('noSuchFile', { path }, error);
    case STATUS.permissionDenied:
      return sshFailure('permissionDenied', { path }, error);
    default:
      return sshFailure('remoteFileFailed', { path, operation, detail }, error);
  }
}
