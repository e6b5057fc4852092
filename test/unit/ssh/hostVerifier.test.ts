// Fails closed: whatever answers the question about an unknown key, a hostile server sees no attempt to log in.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, utils, type AuthContext, type Connection, type ParsedKey } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import { SshConnection } from '../../../src/ssh/connection';
import type { Endpoint } from '../../../src/ssh/endpoint';
import type { HostKeyQuestion } from '../../../src/ssh/prompts';
import { makeKeyText } from './loginNode';

interface FakeServer {
  readonly port: number;
  /** Every attempt to log in, by its method; `none` counts, too. */
  readonly logins: string[];
  readonly hostKeyLine: string;
  /** Connections that came so far. */
  connections: number;
  /** Ends all of them. */
  cut(): void;
}

let folder: string;
let key: string;
let servers: Server[];
let connections: SshConnection[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-verifier-'));
  key = join(folder, 'key');
  writeFileSync(key, makeKeyText(), { mode: 0o600 });
  servers = [];
  connections = [];
});

afterEach(async () => {
  for (const connection of connections) connection.dispose();
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  rmSync(folder, { recursive: true, force: true });
});

/** Takes every login and forwards every connection: what it does not see was not sent. */
async function start(): Promise<FakeServer> {
  const hostKey = makeKeyText();
  const clients: Connection[] = [];
  const server = new Server({ hostKeys: [hostKey] }, (client) => {
    clients.push(client);
    fake.connections += 1;
    client.on('error', () => undefined);
    client.on('authentication', (context: AuthContext) => {
      fake.logins.push(context.method);
      if (context.method === 'publickey') context.accept();
      else context.reject(['publickey', 'password', 'keyboard-interactive']);
    });
    forward(client);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  const publicKey = (utils.parseKey(hostKey) as ParsedKey).getPublicSSH().toString('base64');
  const fake = {
    port,
    logins: [] as string[],
    hostKeyLine: `[127.0.0.1]:${String(port)} ssh-ed25519 ${publicKey}`,
    connections: 0,
    cut: () => {
      for (const client of clients) client.end();
    },
  };
  return fake;
}

function forward(client: Connection): void {
  client.on('tcpip', (accept, _reject, { destIP, destPort }) => {
    const socket = connect(destPort, destIP);
    const channel = accept();
    channel.pipe(socket).pipe(channel);
    socket.on('error', () => channel.destroy());
    channel.on('error', () => socket.destroy());
  });
}

function endpoint(server: FakeServer, more: Partial<Endpoint> = {}): Endpoint {
  return {
    host: '127.0.0.1',
    port: server.port,
    user: 'someone',
    identityFiles: [key],
    identitiesOnly: true,
    identityAgent: 'none',
    knownHostsFiles: [],
    ...more,
  };
}

type Answer = (question: HostKeyQuestion) => unknown;

function open(target: Endpoint, answer: Answer): { remote: SshConnection; asked: () => number } {
  let asked = 0;
  const remote = new SshConnection({
    endpoint: target,
    trustFile: join(folder, 'trusted'),
    prompts: {
      confirmHostKey: (question) => {
        asked += 1;
        return answer(question) as Promise<boolean>;
      },
      askPassphrase: () => Promise.reject(new Error('not expected')),
      askPassword: () => Promise.reject(new Error('not expected')),
      askKeyboard: () => Promise.reject(new Error('not expected')),
    },
    log: silentLogger,
    clock: systemClock,
  });
  connections.push(remote);
  return { remote, asked: () => asked };
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((done) => setTimeout(done, 5));
}

/** Ways to one hostile server; `others` are the servers on the way, which are known and trusted. */
interface Way {
  readonly target: Endpoint;
  readonly hostile: FakeServer;
}

async function trustedServer(): Promise<{ server: FakeServer; known: string }> {
  const server = await start();
  const known = join(folder, 'known_hosts');
  writeFileSync(known, `${server.hostKeyLine}\n`);
  return { server, known };
}

const ways: Readonly<Record<string, () => Promise<Way>>> = {
  async 'a direct connection'() {
    const hostile = await start();
    return { hostile, target: endpoint(hostile) };
  },
  async 'a jump host'() {
    const hostile = await start();
    const { server, known } = await trustedServer();
    const target = endpoint(server, { knownHostsFiles: [known], jump: endpoint(hostile) });
    return { hostile, target };
  },
  async 'the machine behind a jump host'() {
    const hostile = await start();
    const { server, known } = await trustedServer();
    const jump = endpoint(server, { knownHostsFiles: [known] });
    return { hostile, target: endpoint(hostile, { jump }) };
  },
  async 'the machine behind a proxy command'() {
    const hostile = await start();
    const relay = join(folder, 'relay.cjs');
    writeFileSync(
      relay,
      `const s = require('net').connect(${String(hostile.port)}, '127.0.0.1');
       process.stdin.pipe(s).pipe(process.stdout);`,
    );
    const proxyCommand = `'${process.execPath}' '${relay}'`;
    return { hostile, target: endpoint(hostile, { proxyCommand }) };
  },
};

const outcomes: readonly (readonly [string, Answer])[] = [
  ['false', () => Promise.resolve(false)],
  ['undefined', () => Promise.resolve(undefined)],
  ['null', () => Promise.resolve(null)],
  ['an empty string', () => Promise.resolve('')],
  ['0', () => Promise.resolve(0)],
  ['NaN', () => Promise.resolve(Number.NaN)],
  ['1', () => Promise.resolve(1)],
  ['the word true', () => Promise.resolve('true')],
  ['an object', () => Promise.resolve({})],
  ['a boxed true', () => Promise.resolve(Object(true))],
  ['false without a promise', () => false],
  ['nothing without a promise', () => undefined],
  ['a foreign promise of false', () => ({ then: (done: (value: boolean) => void) => done(false) })],
  ['a rejection', () => Promise.reject(new Error('window closed'))],
  [
    'an exception',
    () => {
      throw new Error('no window');
    },
  ],
];

describe.each(Object.keys(ways))('%s', (name) => {
  it.each(outcomes)('is refused without a login when the answer is %s', async (_, answer) => {
    const { target, hostile } = await (ways[name] as () => Promise<Way>)();
    const { remote, asked } = open(target, answer);
    await expect(remote.connect()).rejects.toMatchObject({
      reason: expect.stringMatching(/^hostKey(Rejected|Unchecked)$/) as string,
    });
    expect(asked()).toBe(1);
    expect(hostile.connections).toBe(1);
    expect(hostile.logins).toEqual([]);
    expect(remote.state.kind).toBe('blocked');
  });

  it('waits without a login while there is no answer, and a late yes changes nothing', async () => {
    const { target, hostile } = await (ways[name] as () => Promise<Way>)();
    let sayYes: (yes: boolean) => void = () => undefined;
    const { remote, asked } = open(target, () => new Promise((done) => (sayYes = done)));
    const connecting = remote.connect();
    connecting.catch(() => undefined);
    await until(() => asked() === 1);
    await new Promise((done) => setTimeout(done, 100));
    expect(hostile.logins).toEqual([]);
    remote.disconnect();
    await expect(connecting).rejects.toMatchObject({ reason: 'connectionClosed' });
    sayYes(true);
    await new Promise((done) => setTimeout(done, 100));
    expect(hostile.logins).toEqual([]);
    expect(existsSync(join(folder, 'trusted'))).toBe(false);
  });

  it('is logged in to after a yes, so that the silence above says something', async () => {
    const { target, hostile } = await (ways[name] as () => Promise<Way>)();
    const { remote } = open(target, () => Promise.resolve(true));
    await remote.connect();
    expect(hostile.logins).toContain('publickey');
  });
});

it('is not asked about a key that is forgotten while nobody waits for the connection', async () => {
  const server = await start();
  const { remote, asked } = open(endpoint(server), () => Promise.resolve(true));
  await remote.connect();
  rmSync(join(folder, 'trusted'));
  const before = server.logins.length;
  server.cut();
  await until(() => remote.state.kind === 'blocked');
  expect(remote.state).toMatchObject({ kind: 'blocked', reason: 'personNeeded' });
  expect([asked(), server.connections, server.logins.length]).toEqual([1, 2, before]);
  await remote.connect();
  expect(asked()).toBe(2);
});

it('of another type than the remembered one is no first contact: the question says where that is', async () => {
  const server = await start();
  const known = join(folder, 'known');
  const name = `[127.0.0.1]:${String(server.port)}`;
  const other = utils.generateKeyPairSync('ecdsa', { bits: 256 }).public;
  writeFileSync(known, `# first\n${name} ${other}\n`);
  const questions: HostKeyQuestion[] = [];
  for (const knownHostsFiles of [[known], []]) {
    const { remote } = open(endpoint(server, { knownHostsFiles }), (question) => {
      questions.push(question);
      return false;
    });
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'hostKeyRejected' });
  }
  expect(questions.map((question) => question.known)).toEqual([
    { file: known, line: 2 },
    undefined,
  ]);
});

describe('the ssh configuration', () => {
  it('forbids new keys by StrictHostKeyChecking yes, without a question', async () => {
    const server = await start();
    const { remote, asked } = open(endpoint(server, { strictHostKeys: 'yes' }), () => true);
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'hostKeyUnknown' });
    expect([asked(), server.logins]).toEqual([0, []]);
  });

  it('lets a new key in by accept-new, but never a changed one', async () => {
    const [server, other] = [await start(), await start()];
    const strict = { strictHostKeys: 'accept-new' } as const;
    const first = open(endpoint(server, strict), () => false);
    await first.remote.connect();
    const known = join(folder, 'known');
    const [, ...otherKey] = other.hostKeyLine.split(' ');
    writeFileSync(known, `[127.0.0.1]:${String(server.port)} ${otherKey.join(' ')}\n`);
    rmSync(join(folder, 'trusted'));
    const before = server.logins.length;
    const second = open(endpoint(server, { ...strict, knownHostsFiles: [known] }), () => true);
    await expect(second.remote.connect()).rejects.toMatchObject({
      reason: 'hostKeyChanged',
      values: { file: known, line: 1, name: `[127.0.0.1]:${String(server.port)}` },
    });
    expect([first.asked(), second.asked(), server.logins.length]).toEqual([0, 0, before]);
  });

  it('takes the key that is known for the plain name on another port, as OpenSSH does', async () => {
    const server = await start();
    const known = join(folder, 'known');
    writeFileSync(known, server.hostKeyLine.replace(/^\S+/, '127.0.0.1'));
    const { remote, asked } = open(endpoint(server, { knownHostsFiles: [known] }), () => false);
    await remote.connect();
    expect(asked()).toBe(0);
  });

  it('looks a key up under its HostKeyAlias alone', async () => {
    const server = await start();
    const known = join(folder, 'known');
    writeFileSync(known, server.hostKeyLine);
    const aliased = endpoint(server, { knownHostsFiles: [known], hostKeyAlias: 'front' });
    await expect(open(aliased, () => false).remote.connect()).rejects.toMatchObject({
      reason: 'hostKeyRejected',
      values: { name: 'front' },
    });
    writeFileSync(known, server.hostKeyLine.replace(/^\S+/, 'front'));
    await open(aliased, () => false).remote.connect();
  });

  it.each([
    ['revoked in a plain list', 'hostKeyRevoked', (line: string) => line.replace(/^\S+ /, '')],
    ['a binary list', 'hostKeyUnchecked', () => 'SSHKRL\n\0'],
    ['a list with a broken line', 'hostKeyUnchecked', () => 'what is this\n'],
    ['no list at all', 'hostKeyUnchecked', undefined],
  ])('names revoked keys: %s is refused', async (_, reason, content) => {
    const server = await start();
    const [known, revokedKeysFile] = [join(folder, 'known'), join(folder, 'revoked')];
    writeFileSync(known, server.hostKeyLine);
    if (content) writeFileSync(revokedKeysFile, content(server.hostKeyLine));
    const target = endpoint(server, { knownHostsFiles: [known], revokedKeysFile });
    await expect(open(target, () => true).remote.connect()).rejects.toMatchObject({ reason });
    expect(server.logins).toEqual([]);
  });
});
