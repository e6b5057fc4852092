// Second factors, against an in-process ssh2 server that plays the login node.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, utils, type AuthContext } from 'ssh2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import { SshConnection } from '../../../src/ssh/connection';

let folder: string;
let server: Server;
let connection: SshConnection;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-login-'));
});

afterEach(async () => {
  connection.dispose();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** A server that wants a key first and then the code 123456. */
async function start(answer: readonly string[] | undefined): Promise<void> {
  const keys = utils.generateKeyPairSync('ed25519');
  writeFileSync(join(folder, 'key'), keys.private, { mode: 0o600 });
  server = new Server({ hostKeys: [utils.generateKeyPairSync('ed25519').private] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context: AuthContext) => {
      if (context.method === 'publickey') {
        if (context.signature === undefined) context.accept();
        else context.reject(['keyboard-interactive'], true);
      } else if (context.method === 'keyboard-interactive') {
        context.prompt([{ prompt: 'Code: ', echo: false }], 'Site', (answers) => {
          if (answers[0] === '123456') context.accept();
          else context.reject();
        });
      } else context.reject(['publickey']);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  connection = new SshConnection({
    endpoint: {
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      user: 'someone',
      identityFiles: [join(folder, 'key')],
      identitiesOnly: true,
      identityAgent: 'none',
      knownHostsFiles: [],
    },
    trustFile: join(folder, 'trusted'),
    prompts: {
      confirmHostKey: () => Promise.resolve(true),
      askPassphrase: () => Promise.reject(new Error('not expected')),
      askPassword: () => Promise.reject(new Error('not expected')),
      askKeyboard: ({ prompts }) => {
        expect(prompts).toEqual([{ text: 'Code: ', echo: false }]);
        return Promise.resolve(answer);
      },
    },
    log: silentLogger,
    clock: systemClock,
  });
}

it('answers a second factor that follows the key', async () => {
  await start(['123456']);
  await connection.connect();
  expect(connection.state.kind).toBe('connected');
});

it.each([
  ['wrong', ['000000'], 'authenticationFailed'],
  ['not given', undefined, 'loginGivenUp'],
])('fails as a login when the second factor is %s', async (_, answer, reason) => {
  await start(answer);
  await expect(connection.connect()).rejects.toMatchObject({ reason });
  expect(connection.state.kind).toBe('blocked');
});
