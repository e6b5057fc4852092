// Our connection against a real OpenSSH server: login, commands, host keys, loss and cancellation.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock';
import { DisposableStore, type Disposable } from '../../src/base/disposable';
import { silentLogger } from '../../src/base/log';
import { SshConnection, type SshConnectionOptions } from '../../src/ssh/connection';
import type { Endpoint } from '../../src/ssh/endpoint';
import type { SshPrompts } from '../../src/ssh/prompts';
import { makeKey, startOpenSshServer, type OpenSshServer } from './openSshServer';

let folder: string;
let server: OpenSshServer;
const owned = new DisposableStore();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-client-'));
});

afterEach(async () => {
  for (const item of opened.splice(0)) item.dispose();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const opened: Disposable[] = [];

/** Prompts that fail the test when they are asked without being expected. */
function prompts(expected: Partial<SshPrompts> = {}): SshPrompts {
  const unexpected = (what: string) => () => Promise.reject(new Error(`unexpected ${what}`));
  return {
    confirmHostKey: unexpected('confirmHostKey'),
    askPassphrase: unexpected('askPassphrase'),
    askKeyboard: unexpected('askKeyboard'),
    ...expected,
  };
}

function endpoint(changes: Partial<Endpoint> = {}): Endpoint {
  const knownHosts = join(folder, 'known_hosts');
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

function connection(
  changes: Partial<Endpoint> = {},
  options: Partial<SshConnectionOptions> = {},
): SshConnection {
  const made = new SshConnection({
    endpoint: endpoint(changes),
    trustFile: join(folder, 'trusted_hosts'),
    prompts: prompts(),
    log: silentLogger,
    clock: systemClock,
    random: () => 0.05,
    ...options,
  });
  opened.push(made);
  return made;
}

describe('commands', () => {
  it('connects at the first command and returns output, errors and the exit status', async () => {
    server = await startOpenSshServer({ environment: { FURO_TEST: 'a b', OTHER: '1' } });
    const remote = connection();
    expect(remote.state.kind).toBe('disconnected');
    const result = await remote.exec('cat; echo "$FURO_TEST$OTHER" >&2; exit 3', {
      stdin: 'héllo\n',
    });
    expect(result).toEqual({ stdout: 'héllo\n', stderr: 'a b1\n', exitCode: 3 });
    expect(remote.state.kind).toBe('connected');
  });
});
