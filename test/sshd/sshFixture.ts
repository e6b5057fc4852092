// What every test against the OpenSSH server needs on our side: a folder, an endpoint, a connection, prompts.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock';
import { silentLogger } from '../../src/base/log';
import { SshConnection, type SshConnectionOptions } from '../../src/ssh/connection';
import type { Endpoint } from '../../src/ssh/endpoint';
import type { SshPrompts } from '../../src/ssh/prompts';
import type { OpenSshServer } from './openSshServer';

/** Prompts that reject when they are asked without being expected. */
export function onlyPrompts(expected: Partial<SshPrompts> = {}): SshPrompts {
  const unexpected = (what: string) => () => Promise.reject(new Error(`unexpected ${what}`));
  return {
    confirmHostKey: unexpected('confirmHostKey'),
    askPassphrase: unexpected('askPassphrase'),
    askPassword: unexpected('askPassword'),
    askKeyboard: unexpected('askKeyboard'),
    ...expected,
  };
}

/** A client's own folder with its known_hosts and trust file; `dispose` closes all its connections. */
export class ClientSide {
  readonly folder = mkdtempSync(join(tmpdir(), 'furo-client-'));
  readonly knownHosts = join(this.folder, 'known_hosts');
  readonly trustFile = join(this.folder, 'trust', 'trusted_hosts');
  readonly #connections: SshConnection[] = [];
  #agent: ChildProcess | undefined;

  constructor(readonly server: OpenSshServer) {}

  endpoint(changes: Partial<Endpoint> = {}): Endpoint {
    const { server, knownHosts } = this;
    if (!existsSync(knownHosts)) writeFileSync(knownHosts, `${server.hostKeyLine}\n`);
    return {
      host: server.host,
      port: server.port,
      user: server.user,
      identityFiles: [server.identityFile],
      identitiesOnly: true,
      identityAgent: 'none',
      knownHostsFiles: [knownHosts],
      ...changes,
    };
  }

  connection(
    changes: Partial<Endpoint> = {},
    options: Partial<SshConnectionOptions> = {},
  ): SshConnection {
    const made = new SshConnection({
      endpoint: this.endpoint(changes),
      trustFile: this.trustFile,
      prompts: onlyPrompts(),
      log: silentLogger,
      clock: systemClock,
      random: () => 0.05,
      ...options,
    });
    this.#connections.push(made);
    return made;
  }

  /** The socket of an ssh-agent that holds these keys and ends with this side. */
  async startAgent(...keys: readonly string[]): Promise<string> {
    const socket = join(this.folder, 'agent.sock');
    this.#agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    await eventually(() => existsSync(socket), 'the agent');
    for (const key of keys)
      execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
    return socket;
  }

  dispose(): void {
    for (const connection of this.#connections) connection.dispose();
    this.#agent?.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until `check` holds; fails after 10 s. */
export async function eventually(check: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
