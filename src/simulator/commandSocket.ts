// Answers the executables on a Unix socket that only this user may open. Knows no SSH.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import { isGiven, splitArguments } from './arguments';
import type { ClientMessage, ServerMessage } from './commandClient';
import type { JobProcesses } from './jobProcess';
import type { JobEnd, JobStart } from './jobRunner';
import { toJobEnd } from './jobWrapper';
import { runPjmCommand, type CommandCall, type CommandFiles } from './pjmCommand';
import { pjsubRules } from './pjsubOptions';
import { killMarked, jobMarker } from './processes';
import type { Scheduler } from './scheduler';

export interface CommandSocketOptions {
  readonly path: string;
  readonly scheduler: Scheduler;
  readonly jobs: JobProcesses;
  readonly files: CommandFiles;
  /** Names that PJM uses for the caller and the login node. */
  readonly user: string;
  readonly group: string;
  readonly hostName: string;
  /** The user's login shell, for interactive jobs. */
  readonly shell: string;
  readonly log: Logger;
  /** Puts on disk what a command changed. Called before the caller reads a word of the answer. */
  readonly keep: () => void;
}

/** Short and outside the machine's folder, as a socket's path holds about 100 characters; the same at each start. */
export function commandSocketPath(instance: string): string {
  return join(tmpdir(), `furo-pjm-${instance}`, 'pjm.sock');
}

/** Whether another process serves this socket now. */
export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

/** Listens from `listen` to `dispose`. */
export class CommandSocket implements Disposable {
  readonly path: string;
  readonly #server: Server;
  readonly #calls = new Set<Socket>();

  constructor(readonly options: CommandSocketOptions) {
    this.path = options.path;
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  /** Calls that are being answered. */
  get callCount(): number {
    return this.#calls.size;
  }

  listen(): Promise<void> {
    rmSync(dirname(this.path), { recursive: true, force: true });
    mkdirSync(dirname(this.path), { mode: 0o700 });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.path, () => {
        chmodSync(this.path, 0o600);
        resolve();
      });
    });
  }

  dispose(): void {
    this.#server.close();
    for (const socket of this.#calls) socket.destroy();
    rmSync(dirname(this.path), { recursive: true, force: true });
  }

  #accept(socket: Socket): void {
    this.#calls.add(socket);
    const caller = new Caller(socket);
    const gone = new AbortController();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#calls.delete(socket);
      gone.abort();
    });
    void this.#answer(caller, gone.signal).catch((error: unknown) => {
      this.options.log.error(`command: ${error instanceof Error ? (error.stack ?? '') : ''}`);
      caller.send({ err: 'internal error of the simulator\n', exit: 1 });
    });
  }

  async #answer(caller: Caller, signal: AbortSignal): Promise<void> {
    const { call } = await caller.receive().catch((): ClientMessage => ({}));
    // Somebody only looked whether the socket answers.
    if (!call) return;
    const stdin = wantsInput(call) ? await caller.input() : undefined;
    const { scheduler, files, user, group, hostName, keep } = this.options;
    const send = (message: ServerMessage): void => {
      keep();
      caller.send(message);
    };
    const request: CommandCall = {
      ...call,
      user,
      group,
      hostName,
      files,
      signal,
      ...(stdin === undefined ? {} : { stdin }),
      stdout: (text) => {
        send({ out: text });
      },
      stderr: (text) => {
        send({ err: text });
      },
      interact: (start, stop) => this.#interact(caller, start, AbortSignal.any([stop, signal])),
    };
    send({ exit: await runPjmCommand(scheduler, request) });
  }

  async #interact(caller: Caller, start: JobStart, stop: AbortSignal): Promise<JobEnd> {
    const { jobs, shell } = this.options;
    const prepared = await jobs.prepare(start, [shell]);
    const { command, environment, marker } = prepared;
    const kill = (): void => {
      killMarked(jobMarker, marker);
    };
    try {
      stop.addEventListener('abort', kill, { once: true });
      caller.send({ run: { command, folder: start.submitFolder, environment } });
      const { ended } = await caller.receive();
      return toJobEnd({ text: ended?.report ?? '', code: ended?.code ?? null }, 0);
    } catch {
      return toJobEnd({ text: '', code: null }, 0);
    } finally {
      stop.removeEventListener('abort', kill);
      prepared.release();
    }
  }
}

/** The other end: one executable that waits for its answer. */
class Caller {
  readonly #lines: AsyncIterator<string>;

  constructor(readonly socket: Socket) {
    const lines = createInterface({ input: socket });
    // Without a listener readline would throw the socket's error as its own.
    lines.on('error', () => undefined);
    this.#lines = lines[Symbol.asyncIterator]();
  }

  send(message: ServerMessage): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Throws when the caller is gone. */
  async receive(): Promise<ClientMessage> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error('the caller is gone');
    return JSON.parse(next.value) as ClientMessage;
  }

  async input(): Promise<string> {
    this.send({ wantsInput: true });
    return (await this.receive()).input ?? '';
  }
}

/** pjsub reads its script from standard input when no script is named; asking otherwise could wait for ever. */
function wantsInput({
  program,
  arguments: words,
}: {
  program: string;
  arguments: readonly string[];
}): boolean {
  if (program !== 'pjsub') return false;
  const { options, operands, bad } = splitArguments(words, pjsubRules);
  const isOther = isGiven(options, 'interact') || isGiven(options, 'help');
  return bad === undefined && operands.length === 0 && !isOther;
}
