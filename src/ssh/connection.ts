// One remote machine over one shared ssh2 connection. Acts on `connectionState`; knows no jobs and no files of ours.
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { Emitter } from '../base/emitter';
import { isCancellation, isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import { ChannelSlots } from './channelSlots';
import {
  backOffDelayMs,
  transition,
  type ConnectionEvent,
  type ConnectionState,
} from './connectionState';
import { Credentials } from './credentials';
import type { Endpoint } from './endpoint';
import { followExec } from './exec';
import { detailOf, sshFailure } from './failures';
import type { Hop } from './hop';
import type { SshPrompts } from './prompts';
import type { ExecOptions, ExecResult, Remote, RemoteFiles, RemotePath } from './remote';
import { SftpFiles } from './remoteFiles';
import { openRoute } from './route';
import { SftpChannels } from './sftpChannels';
import type { SftpSession } from './sftpSession';
import { shellQuote, shellScript } from './shellQuote';

export interface SshConnectionOptions {
  /** Asked again at every attempt, so that a changed setting or ssh configuration is seen. */
  readonly endpoint: Endpoint | ((signal: AbortSignal) => Promise<Endpoint>);
  /** Our own file of confirmed host keys; created at the first confirmation, mode 0600. */
  readonly trustFile: string;
  readonly prompts: SshPrompts;
  readonly log: Logger;
  readonly clock: Clock;
  /** In [0, 1); spreads reconnects. `Math.random` by default. */
  readonly random?: () => number;
  /** Milliseconds between keepalives; default 15,000. */
  readonly keepaliveMs?: number;
}

/** An open connection with the channels on it. */
interface Line {
  readonly hop: Hop;
  readonly host: string;
  readonly slots: ChannelSlots;
  readonly sftp: SftpChannels;
}

interface Attempt {
  readonly line: Promise<Line>;
  readonly abort: AbortController;
  waiters: number;
}

export class SshConnection implements Remote {
  readonly files: RemoteFiles;
  readonly #onDidChangeState = new Emitter<ConnectionState>();
  readonly onDidChangeState = this.#onDidChangeState.event;
  readonly #credentials: Credentials;
  #state: ConnectionState = { kind: 'disconnected' };
  #blockedBy: Failure | undefined;
  #attempt: Attempt | undefined;
  #line: Line | undefined;
  #retry: Disposable | undefined;
  #isDisposed = false;

  constructor(private readonly options: SshConnectionOptions) {
    this.#credentials = new Credentials(
      (file, signal) => options.prompts.askPassphrase(file, signal),
      options.log,
    );
    this.files = new SftpFiles({
      session: (signal) => this.#sftp(signal),
      secondSession: async (signal) => (await this.#connected(signal)).sftp.second(),
      explainWriteError: (path) => this.#explainWriteError(path),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Opens the connection, also after it was blocked: whoever calls this asks for a new try. */
  async connect(signal?: AbortSignal): Promise<void> {
    this.#blockedBy = undefined;
    await this.#connected(signal);
  }

  disconnect(): void {
    this.#close();
    this.#move({ kind: 'closed' });
  }

  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { signal } = options;
    const line = await this.#connected(signal);
    const { hop, host } = line;
    const held = await line.slots.open(() => hop.openExec(command), signal);
    const context = { hop, host, clock: this.options.clock };
    try {
      return await followExec(held.channel, context, options);
    } finally {
      held.release();
    }
  }

  dispose(): void {
    this.#isDisposed = true;
    this.disconnect();
    this.#onDidChangeState.dispose();
  }

  async #connected(signal?: AbortSignal): Promise<Line> {
    signal?.throwIfAborted();
    if (this.#isDisposed) throw sshFailure('connectionClosed', { host: '' });
    if (this.#line) return this.#line;
    if (this.#blockedBy) throw this.#blockedBy;
    const attempt = (this.#attempt ??= this.#startAttempt());
    attempt.waiters += 1;
    try {
      return await withSignal(attempt.line, signal);
    } finally {
      attempt.waiters -= 1;
      // Nobody wants this connection any more: a person pressed Cancel.
      if (attempt.waiters === 0 && signal?.aborted) attempt.abort.abort(signal.reason);
    }
  }

  #startAttempt(): Attempt {
    this.#retry?.dispose();
    this.#retry = undefined;
    this.#move({ kind: 'started' });
    const abort = new AbortController();
    const line = this.#open(abort.signal).then(
      (opened) => this.#opened(opened, abort),
      (error: unknown) => {
        throw this.#failed(error, abort);
      },
    );
    // A background attempt has no other listener.
    line.catch(() => undefined);
    return { line, abort, waiters: 0 };
  }

  async #open(signal: AbortSignal): Promise<Line> {
    const { endpoint: given, trustFile, prompts, log, clock, keepaliveMs } = this.options;
    const endpoint = typeof given === 'function' ? await given(signal) : given;
    signal.throwIfAborted();
    log.info(`connecting to ${endpoint.user}@${endpoint.host}:${endpoint.port}`);
    const hop = await openRoute(
      {
        endpoint,
        trustFile,
        credentials: this.#credentials,
        prompts,
        log,
        clock,
        ...(keepaliveMs !== undefined && { keepaliveMs }),
      },
      signal,
    );
    const parts = { hop, host: endpoint.host, slots: new ChannelSlots(clock) };
    return { ...parts, sftp: new SftpChannels({ ...parts, clock }) };
  }

  #opened(line: Line, abort: AbortController): Line {
    if (abort.signal.aborted) {
      line.hop.dispose();
      throw abort.signal.reason;
    }
    this.#attempt = undefined;
    this.#line = line;
    this.#move({ kind: 'opened', atMs: this.options.clock.now() });
    line.hop.onDidEnd((reason) => {
      if (this.#line !== line) return;
      this.#line = undefined;
      this.options.log.warn(`connection to ${line.host} ended`, reason.message);
      this.#fail(reason);
    });
    return line;
  }

  #failed(error: unknown, abort: AbortController): unknown {
    if (abort.signal.aborted) {
      if (this.#attempt?.abort === abort) {
        this.#attempt = undefined;
        this.#move({ kind: 'closed' });
      }
      return error;
    }
    this.#attempt = undefined;
    if (!isFailure(error) && !isCancellation(error))
      this.options.log.error('connecting failed unexpectedly', detailOf(error));
    this.#fail(isFailure(error) ? error : sshFailure('connectionLost', { host: '' }, error));
    return error;
  }

  /** Moves the state after a failure and, where the state says so, plans the next attempt. */
  #fail(reason: Failure): void {
    const { clock, random = Math.random } = this.options;
    const lastTry = this.#state.kind === 'connecting' ? this.#state.attempt : 0;
    const delayMs = backOffDelayMs(lastTry + 1, random());
    this.#move({ kind: 'failed', reason: reason.reason, atMs: clock.now(), delayMs });
    if (this.#state.kind === 'blocked') this.#blockedBy = reason;
    if (this.#state.kind !== 'waiting') return;
    this.#retry = clock.after(delayMs, () => {
      this.#attempt ??= this.#startAttempt();
    });
  }

  #close(): void {
    this.#blockedBy = undefined;
    this.#retry?.dispose();
    this.#retry = undefined;
    const { host } = this.#line ?? { host: '' };
    this.#attempt?.abort.abort(sshFailure('connectionClosed', { host }));
    this.#attempt = undefined;
    const line = this.#line;
    this.#line = undefined;
    line?.hop.dispose();
  }

  #move(event: ConnectionEvent): void {
    const next = transition(this.#state, event);
    if (next === this.#state) return;
    this.#state = next;
    this.#onDidChangeState.fire(next);
  }

  async #sftp(signal?: AbortSignal): Promise<SftpSession> {
    const line = await this.#connected(signal);
    return withSignal(line.sftp.main(), signal);
  }

  async #explainWriteError(path: RemotePath): Promise<string | undefined> {
    const file = shellQuote(path);
    const script = `export LC_ALL=C; dd if=/dev/zero bs=65536 count=1 >>${file}; rm -f ${file}\n`;
    try {
      const { command, stdin } = shellScript(script);
      const { stderr } = await this.exec(command, { stdin, timeoutMs: 10_000 });
      return stderr.split('\n').find((line) => /space|quota/i.test(line));
    } catch {
      return undefined;
    }
  }
}

/** The promise's result, or the signal's reason when that comes first. */
function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort);
    });
  });
}
