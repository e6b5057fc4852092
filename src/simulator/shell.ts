// Commands and shells of one SSH session as real processes in /bin/bash. Knows no keys and no files.
import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { ServerChannel } from 'ssh2';
import type { Disposable } from '../base/disposable';

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface Terminal extends TerminalSize {
  /** Value of TERM. */
  readonly name: string;
}

export interface ShellOptions {
  /** Undefined starts a login shell. */
  readonly command: string | undefined;
  readonly terminal: Terminal | undefined;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A Python 3, which opens the pseudo terminal: Node has none without native code. */
  readonly python: string;
}

/**
 * Runs a program on a new pseudo terminal. Standard input and output are the terminal's other side, each line
 * `rows columns` on descriptor 3 sets its size, and the exit status is the program's (128 + signal).
 */
const terminalProgram = `
import fcntl, os, pty, select, struct, sys, termios
rows, columns = int(sys.argv[1]), int(sys.argv[2])
def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
pid, master = pty.fork()
if pid == 0:
    resize(0, rows, columns)
    os.execv(sys.argv[3], sys.argv[4:])
resize(master, rows, columns)
os.set_blocking(0, True)
sources, sizes = [0, master, 3], b""
while master in sources:
    ready, _, _ = select.select(sources, [], [])
    for fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            sources.remove(fd)
        elif fd == master:
            while data:
                data = data[os.write(1, data):]
        elif fd == 0:
            while data:
                data = data[os.write(master, data):]
        else:
            *lines, sizes = (sizes + data).split(b"\\n")
            for line in lines:
                resize(master, *map(int, line.split()))
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** One command or shell of a session, from its start to its exit status on the channel. */
export class Shell implements Disposable {
  readonly #child: ChildProcess;
  readonly #hasTerminal: boolean;

  constructor(
    readonly channel: ServerChannel,
    options: ShellOptions,
  ) {
    this.#hasTerminal = options.terminal !== undefined;
    this.#child = start(options);
    this.#join();
  }

  /** A command without a terminal may outlive its connection, as under sshd. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** A signal request of the client, for example `INT`. */
  signal(name: string): void {
    this.#kill(`SIG${name}` as NodeJS.Signals);
  }

  resize({ rows, columns }: TerminalSize): void {
    const sizes = this.#child.stdio[3] as Writable | null | undefined;
    if (sizes?.writable) sizes.write(`${String(rows)} ${String(columns)}\n`);
  }

  dispose(): void {
    this.#kill('SIGKILL');
  }

  #join(): void {
    const { channel } = this;
    const { stdin, stdout, stderr } = this.#child;
    if (!stdin || !stdout || !stderr) throw new Error('a shell without its three streams');
    channel.pipe(stdin);
    // The process may end without reading its input; that is no error of the session.
    stdin.on('error', () => channel.unpipe(stdin));
    channel.on('error', () => undefined);
    const flushed = Promise.all([forward(stdout, channel), forward(stderr, channel.stderr)]);
    this.#child.on('error', (error) => {
      channel.stderr.write(`${error.message}\n`);
      end(channel, 127, null);
    });
    this.#child.on('exit', (code, signal) => {
      void flushed.then(() => {
        end(channel, code, signal);
      });
    });
    // As sshd does: a terminal hangs up; a command without one only loses its streams.
    channel.once('close', () => {
      stdin.destroy();
      stdout.destroy();
      stderr.destroy();
      if (this.#hasTerminal) this.#kill('SIGHUP');
    });
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined || !this.isRunning) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // The group ended in the meantime, or the signal has no such name here.
    }
  }
}

function start({ command, terminal, folder, environment, python }: ShellOptions): ChildProcess {
  const common = { cwd: folder, detached: true };
  if (!terminal) {
    // A leading dash in argv[0] makes bash a login shell, as sshd starts it.
    const argv0 = command === undefined ? '-bash' : 'bash';
    const words = command === undefined ? [] : ['-c', command];
    return spawn('/bin/bash', words, { ...common, argv0, env: environment, stdio: 'pipe' });
  }
  const program = command === undefined ? ['-bash'] : ['bash', '-c', command];
  const size = [String(terminal.rows), String(terminal.columns)];
  return spawn(python, ['-I', '-S', '-c', terminalProgram, ...size, '/bin/bash', ...program], {
    ...common,
    env: { ...environment, TERM: terminal.name },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
}

/** Resolves when everything has been handed to the channel, or when either side has closed. */
function forward(from: Readable, to: Writable): Promise<void> {
  from.pipe(to, { end: false });
  return new Promise((resolve) => {
    from.once('end', () => {
      if (to.destroyed || to.writableEnded) resolve();
      else to.write(Buffer.alloc(0), () => resolve());
    });
    from.once('close', resolve);
    to.once('close', resolve);
  });
}

function end(channel: ServerChannel, code: number | null, signal: NodeJS.Signals | null): void {
  if (channel.destroyed || channel.writableEnded) return;
  if (signal !== null) channel.exit(signal.slice('SIG'.length));
  else channel.exit(code ?? 0);
  channel.end();
}
