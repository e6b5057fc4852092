// A command of the user's own ssh configuration as the wire of a connection. Knows no SSH.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { Duplex } from 'node:stream';
import { accountHome } from './configFile';

/** Enough for the last words of a command that fails. */
const STDERR_LIMIT = 2_000;
/** Between the end of reading and the last words; what the command started may hold its pipes for longer. */
const LAST_WORDS_MS = 2_000;
/** For a command that does not mind being hung up on. */
const KILL_AFTER_MS = 2_000;

/**
 * Starts the command as OpenSSH does, by the user's shell and `exec`; what is written goes to its input, what it prints
 * is read. The process is killed when the stream is destroyed. Tokens must be expanded.
 */
export class ProxyCommand extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  #stderr = '';
  #exit: string | undefined;
  #hasSpoken = false;

  constructor(command: string) {
    super();
    this.#child = start(command);
    const { stdin, stdout, stderr } = this.#child;
    stdout.on('data', (bytes: Buffer) => {
      this.#hasSpoken = true;
      if (!this.push(bytes)) stdout.pause();
    });
    stderr.on('data', (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString('utf8')).slice(-STDERR_LIMIT);
    });
    for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);
    this.#child.on('error', (error) => {
      this.#exit = error.message;
      this.destroy();
    });
    this.#child.on('close', (code, signal) => {
      this.#exit ??= signal === null ? `exit status ${String(code)}` : `ended by ${signal}`;
      // What it printed last is still read; only then does the stream end.
      this.once('end', () => this.destroy());
      this.push(null);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** It has printed something, most likely the first words of the machine behind it. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** Why the command ended, in its own words where it left some; undefined while it runs. */
  get lastWords(): string | undefined {
    if (this.#exit === undefined) return undefined;
    return [this.#stderr.trim().split('\n').at(-1), this.#exit].filter(Boolean).join(', ');
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#child.stdin.write(bytes, (error) => {
      if (!error || this.#exit !== undefined) {
        done(error ?? undefined);
        return;
      }
      // It reads no more, so most likely it ends: its last words tell more than a broken pipe.
      const tell = (): void => {
        clearTimeout(limit);
        this.#child.off('close', tell);
        done(error);
      };
      const limit = setTimeout(tell, LAST_WORDS_MS);
      this.#child.once('close', tell);
    });
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#exit === undefined) {
      this.#child.kill(process.platform === 'win32' ? 'SIGTERM' : 'SIGHUP');
      setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS).unref();
    }
    done(error);
  }
}

/** The name of the program alone: what follows it may be a password or a token. */
export function programOf(command: string): string {
  const found = /^\s*(?:"([^"]*)"|'([^']*)'|([^\s=]+)(?=\s|$))/.exec(command) ?? [];
  const [, doubleQuoted, quoted, bare] = found as readonly (string | undefined)[];
  return (doubleQuoted ?? quoted ?? bare ?? '').replace(/^.*[/\\]/, '');
}

function start(command: string): ChildProcessWithoutNullStreams {
  const options = { cwd: accountHome(), windowsHide: true };
  if (process.platform === 'win32') return spawn(command, { ...options, shell: true });
  const shell = process.env['SHELL'];
  return spawn(
    shell === undefined || shell === '' ? '/bin/sh' : shell,
    ['-c', `exec ${command}`],
    options,
  );
}
