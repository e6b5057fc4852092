// One remote machine over one shared ssh2 connection. Acts on `connectionState`; knows no jobs and no files of ours.
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { Emitter } from '../base/emitter';
import { isCancellation, isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
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
import { KeyRing } from './keyRing';
import type { LoginBudget } from './loginBudget';
import { isBusy, openLine, type Line } from './openLine';
import type { SshPrompts } from './prompts';
import type { ExecOptions, ExecResult, Remote, RemoteFiles } from './remote';
import { SftpFiles } from './remoteFiles';
import type { SftpSession } from './sftpSession';
import { Upkeep } from './upkeep';
import { withSignal } from './withSignal';
import { explainWriteError } from './writeError';

export interface SshConnectionOptions {
  /** Asked again at every attempt, so that a changed setting or ssh configuration is seen. */
  readonly endpoint: Endpoint | ((signal: AbortSignal) => Promise<Endpoint>);
  /** Our own file of confirmed host keys; created at the first confirmation, mode 0600. */
  readonly trustFile: string;
  readonly prompts: SshPrompts;
  readonly log: Logger;
  readonly clock: Clock;
  /** Opened keys, shared by all connections of a window; by default this connection has its own. */
  readonly keyRing?: KeyRing;
  /** Counts logins over all windows; without one they are not limited. */
  readonly logins?: LoginBudget;
  /** In [0, 1); spreads reconnects. `Math.random` by default. */
  readonly random?: () => number;
  /** Milliseconds between keepalives; default 15,000. */
  readonly keepaliveMs?: number;
  /** See {@link Upkeep}; for tests. */
  readonly addresses?: () => readonly string[];
}

interface Attempt {
  readonly line: Promise<Line>;
  readonly abort: AbortController;
  /** Began by itself: it goes on, whoever stops waiting for it. */
  readonly isUnattended: boolean;
  waiters: number;
  /** Those of them who are told how it ended. */
  askers: number;
}

/** What the server must answer within after the computer woke or moved; a network needs seconds to come back. */
const DOUBT_PROBE_MS = 10_000;

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
  #upkeep: Upkeep | undefined;
  #lostAtMs: number | undefined;
  #isDisposed = false;

  constructor(private readonly options: SshConnectionOptions) {
    const { log, keyRing = new KeyRing({ log }) } = options;
    this.#credentials = new Credentials(keyRing, log);
    this.files = new SftpFiles({
      session: (signal) => this.#sftp(signal),
      secondSession: async (signal) => (await this.#connected(signal)).sftp.second(),
      explainWriteError: (path) => explainWriteError(this, path),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Opens the connection, also after it was blocked: whoever calls this asks for a new try. */
  async connect(signal?: AbortSignal): Promise<void> {
    this.#blockedBy = undefined;
    try {
      await this.#connected(signal, true);
    } catch (error) {
      // An attempt of our own was under way, and nobody had been there to be asked.
      if (!isFailure(error, 'personNeeded')) throw error;
      this.#blockedBy = undefined;
      await this.#connected(signal, true);
    }
  }

  bringBack(): void {
    this.#upkeep?.touch();
    if (this.#isDisposed || this.#state.kind !== 'disconnected') return;
    this.#attempt ??= this.#startAttempt(true);
  }

  disconnect(): void {
    this.#close();
    this.#move({ kind: 'closed' });
  }

  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { signal } = options;
    const line = await this.#connected(signal);
    const { hop, host } = line;
    const held = await line.shell.open(command, options);
    const context = { hop, host, clock: this.options.clock };
    line.commands += 1;
    try {
      return await followExec(held.channel, context, options);
    } finally {
      line.commands -= 1;
      held.release();
    }
  }

  dispose(): void {
    this.#isDisposed = true;
    this.disconnect();
    this.#onDidChangeState.dispose();
  }

  async #connected(signal?: AbortSignal, isAskedFor = false): Promise<Line> {
    signal?.throwIfAborted();
    this.#upkeep?.touch();
    while (!isAskedFor && this.#state.kind === 'waiting') await this.#plannedAttempt(signal);
    if (this.#isDisposed) throw sshFailure('connectionClosed', { host: '' });
    if (this.#line) return this.#line;
    if (this.#blockedBy) throw this.#blockedBy;
    const attempt = (this.#attempt ??= this.#startAttempt(false));
    attempt.waiters += 1;
    attempt.askers += Number(isAskedFor);
    try {
      return await withSignal(attempt.line, signal);
    } finally {
      attempt.waiters -= 1;
      attempt.askers -= Number(isAskedFor);
      // Nobody wants this connection any more: a person pressed Cancel.
      if (attempt.waiters === 0 && signal?.aborted && !attempt.isUnattended)
        attempt.abort.abort(signal.reason);
    }
  }

  /** What goes on by itself after a loss keeps its pauses and asks nothing, whoever needs it meanwhile. */
  async #plannedAttempt(signal: AbortSignal | undefined): Promise<void> {
    let ending: Disposable | undefined;
    const started = new Promise<void>((resolve) => {
      ending = this.onDidChangeState(() => {
        resolve();
      });
    });
    await withSignal(started, signal).finally(() => ending?.dispose());
    if (this.#state.kind === 'disconnected') throw sshFailure('connectionClosed', { host: '' });
  }

  #startAttempt(isUnattended: boolean): Attempt {
    this.#retry?.dispose();
    this.#retry = undefined;
    this.#move({ kind: 'started' });
    const abort = new AbortController();
    const line = openLine(this.options, this.#credentials, {
      isUnattended,
      signal: abort.signal,
    }).then(
      (opened) => this.#opened(opened, abort),
      (error: unknown) => {
        throw this.#failed(error, abort);
      },
    );
    // A background attempt has no other listener.
    line.catch(() => undefined);
    return { line, abort, isUnattended, waiters: 0, askers: 0 };
  }

  #opened(line: Line, abort: AbortController): Line {
    if (abort.signal.aborted) {
      line.hop.dispose();
      throw abort.signal.reason;
    }
    const { clock } = this.options;
    this.#attempt = undefined;
    this.#line = line;
    this.#lostAtMs = undefined;
    this.#watchOver();
    this.#move({ kind: 'opened', atMs: clock.now() });
    line.hop.onDidEnd((reason) => {
      if (this.#line !== line) return;
      this.#line = undefined;
      this.#lostAtMs = this.options.clock.now();
      this.options.log.warn(`connection to ${line.host} ended`, reason.message);
      this.#fail(reason, true);
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
    const isUnattended = this.#attempt?.isUnattended === true && this.#attempt.askers === 0;
    this.#attempt = undefined;
    if (!isFailure(error) && !isCancellation(error))
      this.options.log.error('connecting failed unexpectedly', detailOf(error));
    const failure = isFailure(error) ? error : sshFailure('connectionLost', { host: '' }, error);
    this.#fail(failure, isUnattended);
    return error;
  }

  /** Moves the state after a failure and, where the state says so, plans the next attempt. */
  #fail(reason: Failure, isUnattended: boolean): void {
    const { clock, random = Math.random } = this.options;
    const lastTry = this.#state.kind === 'connecting' ? this.#state.attempt : 0;
    const now = clock.now();
    const backOffMs = backOffDelayMs(lastTry + 1, random(), now - (this.#lostAtMs ?? now));
    const limitSeconds = isFailure(reason, 'tooManyLogins') ? Number(reason.values['seconds']) : 0;
    const delayMs = Math.max(backOffMs, limitSeconds * 1000);
    this.#move({ kind: 'failed', reason: reason.reason, isUnattended, atMs: now, delayMs });
    if (this.#state.kind === 'blocked') this.#blockedBy = reason;
    if (this.#state.kind !== 'waiting') return;
    this.#lostAtMs ??= now;
    this.#watchOver();
    this.#retry = clock.after(delayMs, () => {
      this.#attempt ??= this.#startAttempt(true);
    });
  }

  #watchOver(): void {
    const { clock, addresses } = this.options;
    this.#upkeep ??= new Upkeep({
      clock,
      onDoubt: (why) => {
        this.#doubt(why);
      },
      onIdle: () => void this.#closeIdle(),
      ...(addresses && { addresses }),
    });
  }

  /** Sleep and another network cut connections without a word; waiting for the keepalives would take a minute. */
  #doubt(why: 'woke' | 'moved'): void {
    this.options.log.info(why === 'woke' ? 'the computer woke up' : 'the network has changed');
    if (this.#line) this.#line.hop.probe(DOUBT_PROBE_MS);
    else if (this.#state.kind === 'waiting') this.#attempt ??= this.#startAttempt(true);
  }

  /** No error and no end: the next use opens it again. Whoever follows live jobs uses it every minute. */
  async #closeIdle(): Promise<void> {
    const line = this.#line;
    if (line && (await isBusy(line))) return;
    // What is blocked stays so until a person acts.
    if (this.#line !== line || this.#state.kind === 'blocked') return;
    this.options.log.info('nobody uses the connection: closed until it is needed');
    this.disconnect();
  }

  #close(): void {
    this.#blockedBy = undefined;
    this.#retry?.dispose();
    this.#retry = undefined;
    this.#upkeep?.dispose();
    this.#upkeep = undefined;
    this.#lostAtMs = undefined;
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
}
