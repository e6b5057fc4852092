// A login node without PJM for tests, and a plain ssh2 client for it. Not the extension's own client.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel, type ConnectConfig, type SFTPWrapper } from 'ssh2';
import { silentLogger } from '../../../src/base/log';
import { Confinement } from '../../../src/simulator/confinement';
import { Faults } from '../../../src/simulator/faults';
import { foldersOf, type Folders } from '../../../src/simulator/folders';
import { findPython } from '../../../src/simulator/installation';
import { keepKeyPair, type KeyPair } from '../../../src/simulator/keys';
import { SshServer } from '../../../src/simulator/sshServer';

export interface Target {
  readonly port: number;
  readonly user: string;
  readonly identityFile: string;
}

export interface LoginNode extends Target {
  readonly server: SshServer;
  readonly faults: Faults;
  readonly folders: Folders;
  readonly hostKey: KeyPair;
  stop(): Promise<void>;
}

export async function startLoginNode(): Promise<LoginNode> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-login-')));
  const folders = foldersOf(root, 'researcher');
  for (const folder of [folders.home, folders.work, ...folders.visible]) {
    mkdirSync(folder, { recursive: true });
  }
  const [hostKey, other, key] = ['host_key', 'other', 'id_ed25519'].map((name) =>
    keepKeyPair(folders.keys, name),
  ) as [KeyPair, KeyPair, KeyPair];
  const faults = new Faults();
  const server = new SshServer({
    port: 0,
    user: 'researcher',
    hostKey: hostKey.privateText,
    otherHostKey: other.privateText,
    authorizedKeys: () => `# who may log in\n${key.publicLine}\n`,
    home: folders.home,
    environment: { HOME: folders.home, USER: 'researcher', PATH: '/usr/bin:/bin' },
    python: findPython(),
    confinement: new Confinement({
      home: folders.home,
      folders: folders.visible,
      readableFolders: [],
    }),
    faults,
    log: silentLogger,
  });
  const port = await server.listen();
  return {
    server,
    faults,
    folders,
    hostKey,
    port,
    user: 'researcher',
    identityFile: key.privateFile,
    stop: async () => {
      server.dispose();
      await until(() => server.connectionCount === 0);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Connects with ssh2; rejects with ssh2's own error. */
export function connect(target: Target, options: ConnectConfig = {}): Promise<Client> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.once('ready', () => {
      client.setNoDelay(true);
      client.off('error', reject);
      client.on('error', () => undefined);
      resolve(client);
    });
    client.on('error', reject);
    client.once('close', () => {
      reject(new Error('closed before ready'));
    });
    client.connect({
      host: '127.0.0.1',
      port: target.port,
      username: target.user,
      privateKey: readFileSync(target.identityFile),
      ...options,
    });
  });
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: string | undefined;
}

export function openChannel(client: Client, command: string, options = {}): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) => {
      if (error) reject(error);
      else resolve(channel);
    });
  });
}

export function resultOf(channel: ClientChannel): Promise<CommandResult> {
  return new Promise((resolve) => {
    let [stdout, stderr] = ['', ''];
    let end: { code: number | null; signal: string | undefined } = {
      code: null,
      signal: undefined,
    };
    channel.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    channel.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    channel.on('exit', (code: number | null, signal?: string) => (end = { code, signal }));
    channel.on('close', () => {
      resolve({ stdout, stderr, ...end });
    });
  });
}

/** Runs one command with closed standard input. */
export async function exec(client: Client, command: string, stdin = ''): Promise<CommandResult> {
  const channel = await openChannel(client, command);
  channel.end(stdin);
  return resultOf(channel);
}

export function openSftp(client: Client): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    client.sftp((error, sftp) => {
      if (error) reject(error);
      else resolve(sftp);
    });
  });
}

/** Looks every 20 ms; throws after `limitMs`. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline)
      throw new Error(`not true within ${String(limitMs)} ms: ${String(isTrue)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
