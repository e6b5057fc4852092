// A real OpenSSH server on loopback for tests: own folder, own keys, own port. Knows nothing of our client.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

export interface OpenSshServerOptions {
  /** Variables of every session (`SetEnv`) beside a HOME of its own, for example a PATH that finds the simulated PJM commands first. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Replaces the authorized_keys text; the fixture's own key is accepted by default. */
  readonly authorizedKeys?: string;
  /** Further sshd_config lines; they come first, so they win. */
  readonly extraConfig?: readonly string[] | string;
  /** Modes of files count in sessions, as for every user of a real machine; root would pass over them. */
  readonly obeysModes?: boolean;
  /** After the key this code is asked for (keyboard-interactive by PAM); needs root. */
  readonly code?: string;
}

const CODE_LINES = [
  'UsePAM yes',
  'KbdInteractiveAuthentication yes',
  'AuthenticationMethods publickey,keyboard-interactive',
  'PermitRootLogin yes',
];

/** Takes from root what lets it read and write files against their modes (capabilities(7)). */
const WITHOUT_OVERRIDE = ['--bounding-set', '--inh-caps'].map(
  (set) => `${set}=-dac_override,-dac_read_search`,
);

export interface OpenSshServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key that the server accepts. */
  readonly identityFile: string;
  /** The server's key as a known_hosts line. */
  readonly hostKeyLine: string;
  /** Private folder of this server; everything a test puts there goes with `stop`. */
  readonly folder: string;
  readonly hostKeyFile: string;
  /** All that sshd has said so far, at debug level 1 and above. */
  log(): string;
  /** Process ids of the sessions that stand now. */
  sessions(): number[];
  /** Ends every open session as a cut line does; the server itself goes on. */
  cutSessions(): void;
  /** Stops every open session without ending it, or lets it go on. */
  freezeSessions(isFrozen: boolean): void;
  stop(): Promise<void>;
}

/** Starts `sshd` on a free port of 127.0.0.1; the caller must `stop()` it. */
export async function startOpenSshServer(
  options: OpenSshServerOptions = {},
): Promise<OpenSshServer> {
  const folder = mkdtempSync(join(tmpdir(), 'furo-sshd-'));
  const identityFile = join(folder, 'client_key');
  const hostKeyFile = join(folder, 'host_key');
  for (const file of [identityFile, hostKeyFile]) makeKey(file);
  mkdirSync(join(folder, 'home'));
  const port = await freePort();
  const authorizedKeys = options.authorizedKeys ?? readFileSync(`${identityFile}.pub`, 'utf8');
  writeFileSync(join(folder, 'authorized_keys'), authorizedKeys, { mode: 0o600 });
  writeFileSync(join(folder, 'sshd_config'), renderConfig(folder, port, options));
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const logFile = join(folder, 'sshd.log');
  const daemon = ['/usr/sbin/sshd', '-D', '-f', join(folder, 'sshd_config'), '-E', logFile];
  const isBound = options.obeysModes === true && process.getuid?.() === 0;
  const bound = isBound ? ['setpriv', ...WITHOUT_OVERRIDE, ...daemon] : daemon;
  const start = options.code === undefined ? bound : [...withPam(folder, options.code), ...bound];
  const child = spawn(start[0] ?? '', start.slice(1), { stdio: 'ignore' });
  const log = (): string => readFileSync(logFile, { encoding: 'utf8', flag: 'a+' });
  await untilListening(port, child, log);
  const [keyType, key] = readFileSync(`${hostKeyFile}.pub`, 'utf8').split(' ');
  const sessions = (): number[] => descendantsOf(child.pid ?? -1);
  return {
    host: '127.0.0.1',
    port,
    user: userInfo().username,
    identityFile,
    hostKeyLine: `[127.0.0.1]:${String(port)} ${String(keyType)} ${String(key)}`.trim(),
    folder,
    hostKeyFile,
    log,
    sessions,
    cutSessions: () => {
      // A list of processes that come and go may lack one; the second look finds it.
      for (let looks = 0; looks < 2; looks++) kill(sessions());
    },
    freezeSessions: (isFrozen) => {
      kill(sessions(), isFrozen ? 'SIGSTOP' : 'SIGCONT');
    },
    stop: () => stopServer(child, folder),
  };
}

/** A mount of its own over /etc/pam.d, which nobody else sees and which ends with the process. */
function withPam(folder: string, code: string): string[] {
  const [check, rules] = [join(folder, 'check'), join(folder, 'pam.d')];
  writeFileSync(check, `#!/bin/sh\n[ "$(tr -d '\\000')" = '${code}' ]\n`, { mode: 0o755 });
  mkdirSync(rules);
  const lines = [
    `auth required pam_exec.so expose_authtok quiet ${check}`,
    'auth required pam_permit.so',
    'account required pam_permit.so',
    'session required pam_permit.so',
  ];
  writeFileSync(join(rules, 'sshd'), `${lines.join('\n')}\n`);
  return ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/pam.d && exec "$@"', rules];
}

/** Makes an ed25519 key pair `file`, `file.pub`; with a passphrase the private half is encrypted. */
export function makeKey(file: string, passphrase = '', type = 'ed25519'): void {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-a', '4', '-f', file]);
}

function renderConfig(folder: string, port: number, options: OpenSshServerOptions): string {
  const extra = options.extraConfig ?? [];
  const code = options.code === undefined ? [] : CODE_LINES;
  const first = [...(typeof extra === 'string' ? [extra] : extra), ...code];
  const hasSubsystem = first.some((line) => line.includes('Subsystem'));
  // A home of its own: what a developer's .bashrc does is none of a test's business. One line, as sshd keeps the first.
  const environment = Object.entries({ HOME: join(folder, 'home'), ...options.environment })
    .map(([name, value]) => `"${name}=${value}"`)
    .join(' ');
  return [
    ...first,
    `SetEnv ${environment}`,
    'ListenAddress 127.0.0.1',
    `Port ${String(port)}`,
    `HostKey ${join(folder, 'host_key')}`,
    `PidFile ${join(folder, 'sshd.pid')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'LogLevel DEBUG1',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'StrictModes no',
    'UseDNS no',
    'MaxStartups 100:30:200',
    ...(hasSubsystem ? [] : ['Subsystem sftp internal-sftp']),
    '',
  ].join('\n');
}

/** A port that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  });
}

async function untilListening(port: number, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline && child.exitCode === null) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`sshd did not start:\n${log()}`);
}

function descendantsOf(root: number): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const found: number[] = [];
  for (let parents = [root]; parents.length > 0;) {
    const children = pairs.filter(([, parent]) => parents.includes(parent ?? -1));
    parents = children.map(([pid]) => pid ?? -1);
    found.push(...parents);
  }
  return found;
}

function kill(pids: readonly number[], signal: NodeJS.Signals = 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended by itself in the meantime.
    }
  }
}

async function stopServer(child: ChildProcess, folder: string): Promise<void> {
  const sessions = descendantsOf(child.pid ?? -1);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const isRunning = child.exitCode === null && child.signalCode === null;
  if (isRunning) child.kill('SIGKILL');
  kill(sessions);
  if (isRunning) await ended;
  rmSync(folder, { recursive: true, force: true });
}
