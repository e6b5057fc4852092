// One ssh2 client from dial to close. The only place that turns ssh2's errors into a Failure.
import type { Duplex } from 'node:stream';
import { Client, type ConnectConfig, type SFTPWrapper } from 'ssh2';
import { isFailure, type Failure } from '../base/failure';
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import type { Disposable } from '../base/disposable';
import { ALGORITHMS } from './algorithms';
import type { Credentials } from './credentials';
import { Deadline } from './deadline';
import type { Endpoint } from './endpoint';
import { ExecChannel } from './execChannel';
import { detailOf, sshFailure, toError, type SshFailureReason } from './failures';
import { HostTrust } from './hostTrust';
import { Login } from './login';
import type { LoginBudget } from './loginBudget';
import { isAboutOneKey, openingFailure, lateFailure, type OpeningAttempt } from './openingFailure';
import type { SshPrompts } from './prompts';
import { ServerTalk } from './serverTalk';

export interface HopOptions {
  readonly endpoint: Endpoint;
  readonly trustFile: string;
  readonly credentials: Credentials;
  readonly prompts: SshPrompts;
  readonly log: Logger;
  readonly clock: Clock;
  /** Nobody waits for this connection, so nobody is asked. */
  readonly isUnattended?: boolean;
  /** Counts logins; without one they are not limited. */
  readonly logins?: LoginBudget;
  /** Tests shorten it; default 15 s. */
  readonly keepaliveMs?: number;
  /** A stream to speak through instead of a new TCP connection: the channel of a hop before this one. */
  readonly through?: Duplex;
}

/** A dead link is known after 3 unanswered keepalives, about a minute. */
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_COUNT = 3;
/** For TCP, key exchange and login together; the time that a person takes to answer is not counted. */
const OPEN_TIMEOUT_MS = 30_000;
/** For one channel; a server whose file system is stuck may answer keepalives and nothing else. */
const CHANNEL_TIMEOUT_MS = 60_000;

/** A connection that stands. It ends once, with a reason. */
export class Hop implements Disposable {
  #endReason: Failure<SshFailureReason> | undefined;
  readonly #endListeners = new Set<(reason: Failure<SshFailureReason>) => void>();

  private constructor(
    private readonly client: Client,
    readonly host: string,
    private readonly clock: Clock,
  ) {
    let lastError: unknown;
    client.on('error', (error) => (lastError = error));
    client.on('close', () => {
      this.#end(sshFailure('connectionLost', { host }, lastError));
    });
  }

  /** Connects, checks the host key, logs in. Rejects with a Failure, or with the signal's reason. */
  static async open(options: HopOptions, signal?: AbortSignal): Promise<Hop> {
    const over = new AbortController();
    const { endpoint, prompts } = options;
    const { connectTimeoutSeconds: seconds } = endpoint;
    const limitMs = seconds === undefined ? OPEN_TIMEOUT_MS : seconds * 1_000;
    const deadline = new Deadline(options.clock, limitMs);
    try {
      const trust = await HostTrust.read({
        endpoint,
        trustFile: options.trustFile,
        log: options.log,
        signal: over.signal,
        confirm: (question) => {
          if (options.isUnattended) throw sshFailure('personNeeded', { host: endpoint.host });
          return deadline.pausedFor(() => prompts.confirmHostKey(question, over.signal));
        },
      });
      signal?.throwIfAborted();
      const talk = new ServerTalk();
      const login = new Login({
        endpoint,
        credentials: options.credentials,
        prompts,
        isUnattended: options.isUnattended ?? false,
        talk,
        log: options.log,
        deadline,
        signal: over.signal,
      });
      const client = await openClient({ ...options, trust, login, talk, deadline }, signal);
      talk.done();
      return new Hop(client, endpoint.host, options.clock);
    } finally {
      deadline.dispose();
      over.abort();
    }
  }

  /** Undefined while the connection stands. */
  get endReason(): Failure<SshFailureReason> | undefined {
    return this.#endReason;
  }

  /** Calls back once, at once when the connection is gone already. */
  onDidEnd(listener: (reason: Failure<SshFailureReason>) => void): Disposable {
    if (this.#endReason) listener(this.#endReason);
    else this.#endListeners.add(listener);
    return { dispose: () => this.#endListeners.delete(listener) };
  }

  /** Opens a channel that runs one command. Rejects with `channelRefused` or the end reason. */
  openExec(command: string): Promise<ExecChannel> {
    return this.#open<ExecChannel>((done) =>
      this.client.exec(command, (error, channel) => {
        if (error) done(error, undefined as never);
        else done(undefined, new ExecChannel(channel));
      }),
    );
  }

  /** Opens an SFTP channel. Rejects with `channelRefused`, `sftpUnavailable` or the end reason. */
  async openSftp(): Promise<SFTPWrapper> {
    try {
      return await this.#open<SFTPWrapper>((done) => this.client.sftp(done));
    } catch (error) {
      if (!isFailure(error, 'channelRefused') || isOpenFailure(error.cause)) throw error;
      const { host } = this;
      throw sshFailure('sftpUnavailable', { host, detail: detailOf(error.cause) }, error.cause);
    }
  }

  /** A channel to another machine, as the server sees it. Rejects with `channelRefused` or the end reason. */
  openTunnel(host: string, port: number): Promise<Duplex> {
    return this.#open<Duplex>((done) => this.client.forwardOut('127.0.0.1', 0, host, port, done));
  }

  /**
   * Asks the server for a sign of life and ends the connection as lost when none comes within `limitMs`. The answer
   * may stand behind megabytes on a slow line; whatever comes is a sign.
   */
  probe(limitMs: number): void {
    const client = this.client as unknown as PingableClient;
    const before = client._sock?.bytesRead ?? 0;
    const limit = this.clock.after(limitMs, () => {
      ending.dispose();
      if ((client._sock?.bytesRead ?? 0) > before) return;
      this.#end(sshFailure('connectionLost', { host: this.host }));
      this.client.destroy();
    });
    const ending = this.onDidEnd(() => {
      limit.dispose();
    });
    client._callbacks.push(() => {
      ending.dispose();
      limit.dispose();
    });
    client._protocol.ping();
  }

  dispose(): void {
    this.#end(sshFailure('connectionClosed', { host: this.host }));
    // `end` says goodbye to the server; `destroy` makes sure that no socket stays behind a silent one.
    this.client.end();
    this.client.destroy();
  }

  #end(reason: Failure<SshFailureReason>): void {
    if (this.#endReason) return;
    this.#endReason = reason;
    for (const listener of [...this.#endListeners]) listener(reason);
    this.#endListeners.clear();
  }

  #open<T extends { end(): unknown }>(
    start: (done: (error: Error | undefined, channel: T) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const ending = this.onDidEnd(reject);
      let isLate = false;
      const limit = this.clock.after(CHANNEL_TIMEOUT_MS, () => {
        isLate = true;
        ending.dispose();
        const seconds = CHANNEL_TIMEOUT_MS / 1000;
        reject(sshFailure('timedOut', { operation: 'open channel', seconds }));
      });
      const refuse = (error: unknown): void => {
        ending.dispose();
        limit.dispose();
        // A broken line answers open requests before it tells that it broke.
        setImmediate(() => {
          const detail = detailOf(error);
          const lost = /No response from server|Not connected/.test(detail);
          const { host } = this;
          reject(
            this.#endReason ??
              sshFailure(lost ? 'connectionLost' : 'channelRefused', { host, detail }, error),
          );
        });
      };
      try {
        start((error, channel) => {
          ending.dispose();
          limit.dispose();
          if (error) refuse(error);
          else if (isLate) channel.end();
          else resolve(channel);
        });
      } catch (error) {
        refuse(error);
      }
    });
  }
}

/** What ssh2 1.17 keeps and does not declare: each reply to a ping takes the next callback; a channel has no count. */
interface PingableClient {
  readonly _callbacks: (() => void)[];
  readonly _protocol: { ping(): void };
  readonly _sock?: { readonly bytesRead?: number };
}

/** True when the server refused the channel itself (RFC 4254, 5.1), not what should run in it. */
export function isOpenFailure(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Channel open failure');
}

interface OpenClient extends HopOptions, OpeningAttempt {
  readonly trust: HostTrust;
  readonly deadline: Deadline;
}

function openClient(options: OpenClient, signal?: AbortSignal): Promise<Client> {
  const { login, deadline } = options;
  const client = new Client();
  let refusal: Failure<SshFailureReason> | undefined;
  return new Promise<Client>((resolve, reject) => {
    const fail = (error: Error): void => {
      signal?.removeEventListener('abort', onAbort);
      reject(error);
      client.destroy();
    };
    const onAbort = (): void => {
      fail(toError(signal?.reason));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    deadline.onPassed(() => {
      fail(lateFailure(options));
    });
    client.on('error', (error) => {
      if (!isAboutOneKey(error)) fail(refusal ?? openingFailure(error, options));
    });
    client.on('close', () => {
      fail(refusal ?? openingFailure(new Error('closed by the server'), options));
    });
    client.on('connect', () => client.setNoDelay(true));
    client.on('change password', login.refusePasswordChange);
    login.onGivenUp(fail);
    client.on('ready', () => {
      signal?.removeEventListener('abort', onAbort);
      client.removeAllListeners('close');
      resolve(client);
    });
    client.connect(connectConfig(options, (failure) => (refusal = failure)));
  });
}

function connectConfig(
  options: OpenClient,
  onRefused: (failure: Failure<SshFailureReason>) => void,
): ConnectConfig {
  const { endpoint, login, talk, trust } = options;
  const { keepaliveSeconds: seconds, keepaliveCount } = endpoint;
  const keepaliveMs = seconds === undefined ? KEEPALIVE_MS : seconds * 1_000;
  return {
    host: endpoint.host,
    port: endpoint.port,
    username: endpoint.user,
    ...(options.through && { sock: options.through }),
    algorithms: { ...ALGORITHMS, serverHostKey: trust.algorithms() },
    // Only a literal `false` refuses: ssh2 takes everything else but undefined, which means later, for consent.
    hostVerifier: (key: Buffer, verify: (isTrusted: boolean) => void): true | undefined => {
      // When session keys are renewed, an answer that comes later would break the line.
      if (trust.hasAccepted(key)) return true;
      void trust.verdict(Buffer.from(key)).then((failure) => {
        if (failure) onRefused(failure);
        verify(failure === undefined);
      });
      return undefined;
    },
    // ssh2's types know neither the `null`s of the first call nor `false` for the end.
    authHandler: login.handler as never,
    debug: talk.listen,
    readyTimeout: 0,
    keepaliveInterval: options.keepaliveMs ?? keepaliveMs,
    keepaliveCountMax: keepaliveCount ?? KEEPALIVE_COUNT,
  };
}
