// Text of the small executables that stand for the PJM commands. They carry every call to the simulator over a
// Unix socket, so they serve equally in its own shells and behind any other SSH server of the same host.

/** Messages of the executables; one JSON value a line. */
export interface ClientMessage {
  readonly call?: {
    readonly program: string;
    readonly arguments: readonly string[];
    readonly folder: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly isTerminal: boolean;
  };
  /** All of standard input, after `wantsInput`. */
  readonly input?: string;
  /** After `run`: what the program wrote to descriptor 3, and its exit status. */
  readonly ended?: { readonly report: string; readonly code: number | null };
}

/** Messages to the executables; one JSON value a line. */
export interface ServerMessage {
  readonly out?: string;
  readonly err?: string;
  readonly wantsInput?: true;
  /** Run this on the caller's own terminal. */
  readonly run?: {
    readonly command: readonly string[];
    readonly folder: string;
    readonly environment: Readonly<Record<string, string>>;
  };
  readonly exit?: number;
}

/** The Node program behind all executables. Finds `socketPath` and `codes` declared before it. */
const clientProgram = `const { connect } = require('node:net');
const { spawn } = require('node:child_process');
const { readFileSync, realpathSync, writeSync } = require('node:fs');
const { createInterface } = require('node:readline');
const [, , program, ...words] = process.argv;
delete process.env.ELECTRON_RUN_AS_NODE;

function write(fd, text) {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if (error.code === 'EPIPE') process.exit(141);
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

const socket = connect(socketPath);
const send = (message) => socket.write(JSON.stringify(message) + '\\n');
const isTerminal = Boolean(process.stdin.isTTY);
// The environment names the folder as the user wrote it, links unresolved, as a shell command sees it.
const folder = currentFolder();
function currentFolder() {
  const named = process.env.PWD || '';
  try {
    if (named.startsWith('/') && realpathSync(named) === realpathSync('.')) return named;
  } catch {}
  return process.cwd();
}
socket.on('connect', () => {
  send({ call: { program, arguments: words, folder, environment: process.env, isTerminal } });
});

function run({ command, folder, environment }) {
  process.on('SIGINT', () => {});
  const [file, ...args] = command;
  const options = { cwd: folder, env: environment, stdio: ['inherit', 'inherit', 'inherit', 'pipe'] };
  const child = spawn(file, args, options);
  let report = '';
  child.stdio[3].on('data', (chunk) => (report += chunk));
  child.on('error', (error) => write(2, error.message + '\\n'));
  child.on('close', (code) => send({ ended: { report, code } }));
}

createInterface({ input: socket }).on('line', (line) => {
  const { out, err, wantsInput, run: job, exit } = JSON.parse(line);
  if (out !== undefined) write(1, out);
  if (err !== undefined) write(2, err);
  if (wantsInput) send({ input: readFileSync(0, 'utf8') });
  if (job) run(job);
  if (exit !== undefined) process.exit(exit);
});
socket.on('error', () => {
  write(2, '[ERR.] PJM ' + String(codes[program] || 90).padStart(4, '0') + ' ' + program + ' PJM daemon is not present.\\n');
  process.exit(1);
});
socket.on('close', () => process.exit(1));
`;

/** The program with the socket and the error codes of "daemon is not present" for each command. */
export function renderClient(
  socketPath: string,
  daemonErrorCodes: Readonly<Record<string, number>>,
): string {
  return [
    "'use strict';",
    '// Client of the simulated PJM; written by the simulator (src/simulator/commandClient.ts).',
    `const socketPath = ${JSON.stringify(socketPath)};`,
    `const codes = ${JSON.stringify(daemonErrorCodes)};`,
    clientProgram,
  ].join('\n');
}

/** The executable of one command. A file of bash, as the Node that runs may be an editor's own. */
export function renderExecutable(nodePath: string, clientPath: string, program: string): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const words = [quote(nodePath), quote(clientPath), program].join(' ');
  return `#!/bin/bash\nELECTRON_RUN_AS_NODE=1 exec ${words} "$@"\n`;
}
