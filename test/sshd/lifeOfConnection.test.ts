// How long a connection lives, against a real OpenSSH server: sleep, another network, silence, idleness, too many logins. Time is moved
// by the test; the network is real.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isFailure } from '../../src/base/failure';
import { silentLogger } from '../../src/base/log';
import type { SshConnection } from '../../src/ssh/connection';
import type { ConnectionState } from '../../src/ssh/connectionState';
import { LoginBudget } from '../../src/ssh/loginBudget';
import { remotePath } from '../../src/ssh/remote';
import { connectionText } from '../../src/words/connectionWords';
import { failureText } from '../../src/words/failureText';
import { english } from '../../src/words/translate';
import { requires } from '../requirements';
import { ManualClock } from '../unit/ssh/manualClock';
import { startOpenSshServer, type OpenSshServerOptions } from './openSshServer';
import { ClientSide, eventually, onlyPrompts } from './sshFixture';

const describe = requires('sshd');
const minute = 60_000;
let client: ClientSide;
let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
});

afterEach(async () => {
  client.server.freezeSessions(false);
  client.dispose();
  await client.server.stop();
});

async function start(options: OpenSshServerOptions = {}): Promise<ClientSide> {
  client = new ClientSide(await startOpenSshServer(options));
  return client;
}

const logins = (): number => client.server.log().match(/Accepted publickey/g)?.length ?? 0;

function freeze(): void {
  client.server.freezeSessions(true);
}

/** What a person reads about work that failed. */
async function wordsOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (!isFailure(error)) throw new Error(`no failure: ${String(error)}`);
  return failureText(error, english).message;
}

const LOST =
  'The connection to 127.0.0.1 broke. It comes back by itself; jobs on the machine go on.';

function statesOf(remote: SshConnection): ConnectionState['kind'][] {
  const states: ConnectionState['kind'][] = [];
  remote.onDidChangeState(({ kind }) => states.push(kind));
  return states;
}

describe('after twelve hours of sleep', () => {
  it('a connection that still stands is kept', async () => {
    const remote = (await start()).connection({}, { clock });
    await remote.exec('true');
    const states = statesOf(remote);
    clock.sleep(12 * 60 * minute);
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
    clock.pass(minute);
    expect(states).toEqual([]);
    expect(logins()).toBe(1);
  });

  it('a silent one is given up after ten seconds, its work told, and comes back', async () => {
    const remote = (await start()).connection({}, { clock });
    await remote.exec('true');
    const states = statesOf(remote);
    const running = remote.exec('sleep 60', { timeoutMs: 24 * 60 * minute });
    await eventually(() => client.server.log().includes('Starting session: command'), 'the command'); // prettier-ignore
    const lost = expect(wordsOf(running)).resolves.toBe(LOST);
    freeze();
    clock.sleep(12 * 60 * minute);
    clock.pass(9_000);
    expect(remote.state.kind).toBe('connected');
    clock.pass(1_000);
    await lost;
    expect(remote.state).toMatchObject({ kind: 'waiting', attempt: 1 });
    expect(connectionText(remote.state, clock.now(), english)).toMatch(/^reconnecting in \d s$/);
    clock.pass(1_000);
    await eventually(() => remote.state.kind === 'connected', 'the second connection');
    expect(states).toEqual(['waiting', 'connecting', 'connected']);
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
  });

  it('a connection that waits for its next try does so at once', async () => {
    const side = await start();
    let isThere = true;
    const remote = side.connection({}, {
      clock,
      random: () => 0.999,
      endpoint: () => Promise.resolve(side.endpoint(isThere ? {} : { port: 1 })),
    }); // prettier-ignore
    await remote.exec('true');
    isThere = false;
    side.server.cutSessions();
    await eventually(() => remote.state.kind === 'waiting', 'the loss');
    for (let attempt = 2; attempt < 8; attempt++) {
      clock.pass(minute);
      const wanted = attempt;
      await eventually(() => remote.state.kind === 'waiting' && remote.state.attempt >= wanted, 'the next try'); // prettier-ignore
    }
    isThere = true;
    clock.sleep(20_000);
    await eventually(() => remote.state.kind === 'connected', 'the connection');
  });
});

describe('in another network', () => {
  it('a connection that stands is kept, and a silent one is known as dead within fifteen seconds', async () => {
    let addresses = ['192.168.1.7'];
    const remote = (await start()).connection({}, { clock, addresses: () => addresses });
    await remote.exec('true');
    const states = statesOf(remote);
    addresses = ['192.168.1.7', '10.8.0.2'];
    clock.pass(5_000);
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
    clock.pass(10_000);
    expect(states).toEqual([]);
    const running = remote.exec('sleep 60');
    await eventually(() => client.server.log().includes('Starting session: command'), 'the command'); // prettier-ignore
    const lost = expect(running).rejects.toMatchObject({ reason: 'connectionLost' });
    freeze();
    addresses = ['10.0.0.9'];
    clock.pass(15_000);
    await lost;
    expect(remote.state).toMatchObject({ kind: 'waiting', attempt: 1 });
  });
});

describe('a link that is open on our side only', () => {
  it('is known as dead by the keepalives, and the work on it ends', async () => {
    const side = await start();
    const proxy = await SilentProxy.start(side.server.port);
    const { port } = proxy;
    const known = side.server.hostKeyLine.replace(String(side.server.port), String(port));
    const remote = side.connection({ port }, { keepaliveMs: 150 });
    writeFileSync(side.knownHosts, `${known}\n`);
    await remote.connect();
    const running = remote.exec('sleep 60');
    const lost = expect(wordsOf(running)).resolves.toBe(LOST);
    proxy.fallSilent();
    await lost;
    expect(['waiting', 'connecting']).toContain(remote.state.kind);
    proxy.stop();
  });

  it('ends the opening of a channel after a minute, though nothing else tells', async () => {
    const remote = (await start()).connection({}, { clock });
    await remote.connect();
    freeze();
    const command = remote.exec('true');
    const files = remote.files.stat(remotePath('/'));
    const refused = { reason: 'timedOut', values: { operation: 'open channel', seconds: 60 } };
    const told = [command, files].map((work) => expect(work).rejects.toMatchObject(refused));
    await new Promise((resolve) => setTimeout(resolve, 100));
    clock.pass(minute);
    await Promise.all(told);
  });
});

describe('a file system that hangs', () => {
  it('ends what reads from it, and takes no place from commands, though its channels stay open there', async () => {
    const side = await start();
    const hanging = join(side.server.folder, 'hanging');
    execFileSync('mkfifo', [hanging]);
    const remote = side.connection({}, { clock });
    for (let time = 0; time < 7; time++) {
      await remote.files.stat(remotePath('/'));
      const reading = remote.files.read(remotePath(hanging), { offset: 0, length: 1 });
      const told = expect(reading).rejects.toMatchObject({
        reason: 'timedOut',
        values: { operation: 'sftp' },
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      clock.pass(2 * minute);
      await told;
    }
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
    // Lets go whoever waits to open it.
    closeSync(openSync(hanging, constants.O_RDWR | constants.O_NONBLOCK));
  });
});

describe('a connection that nobody uses', () => {
  it('is closed after half an hour, which is no error, and opened by the next use', async () => {
    const remote = (await start()).connection({}, { clock });
    await remote.files.stat(remotePath('/'));
    const states = statesOf(remote);
    for (let poll = 0; poll < 40; poll++) {
      clock.pass(minute);
      await remote.exec('true');
    }
    clock.pass(31 * minute);
    await eventually(() => remote.state.kind === 'disconnected', 'the end');
    expect(clock.waiting).toBe(0);
    await eventually(() => client.server.sessions().length === 0, 'no sessions');
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
    expect(states).toEqual(['disconnected', 'connecting', 'connected']);
  });

  it('stays while a long command or a file operation is under way', async () => {
    const remote = (await start()).connection({}, { clock });
    await remote.connect();
    const running = remote.exec('sleep 1; echo done', { timeoutMs: 240 * minute });
    await eventually(() => client.server.log().includes('Starting session: command'), 'the command'); // prettier-ignore
    clock.pass(31 * minute);
    expect((await running).stdout).toBe('done\n');
    expect(remote.state.kind).toBe('connected');
  });
});

describe('six logins in ten minutes', () => {
  it('are the limit over several windows; the seventh says when it may come', async () => {
    const side = await start();
    const file = join(side.folder, 'logins');
    const openWindow = (): SshConnection =>
      side.connection({}, { clock, logins: new LoginBudget({ file, clock, log: silentLogger }) });
    const windows = [openWindow(), openWindow(), openWindow()];
    for (let round = 0; round < 2; round++)
      for (const window of windows) {
        await window.connect();
        window.disconnect();
      }
    const late = openWindow();
    await expect(late.connect()).rejects.toMatchObject({
      reason: 'tooManyLogins',
      values: { seconds: 600 },
    });
    expect(late.state.kind).toBe('disconnected');
    expect(logins()).toBe(6);
    clock.pass(10 * minute);
    await late.connect();
  });

  it('do not count what a host key kept from being one', async () => {
    const side = await start();
    const logins = new LoginBudget({ clock, log: silentLogger });
    const known = join(side.folder, 'nobody_known');
    const prompts = onlyPrompts({ confirmHostKey: () => Promise.resolve(false) });
    const refused = side.connection({ knownHostsFiles: [known] }, { clock, logins, prompts });
    for (let time = 0; time < 8; time++)
      await expect(refused.connect()).rejects.toMatchObject({ reason: 'hostKeyRejected' });
    await side.connection({}, { clock, logins }).connect();
  });

  it('hold for a server that cuts every connection; then it comes back by itself', async () => {
    const side = await start();
    const budget = new LoginBudget({ clock, log: silentLogger });
    const remote = side.connection({}, { clock, logins: budget });
    await remote.connect();
    for (let cut = 1; cut < 6; cut++) {
      side.server.cutSessions();
      await eventually(() => remote.state.kind === 'waiting', 'the loss');
      clock.pass(5_000);
      const count = cut + 1;
      await eventually(() => remote.state.kind === 'connected' && logins() === count, 'the next');
    }
    side.server.cutSessions();
    await eventually(() => remote.state.kind === 'waiting', 'the last loss');
    clock.pass(5_000);
    await eventually(() => remote.state.kind === 'waiting' && remote.state.attempt === 2, 'the limit'); // prettier-ignore
    clock.pass(9 * minute);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(logins()).toBe(6);
    clock.pass(minute);
    await eventually(() => remote.state.kind === 'connected', 'the seventh');
  });
});

/** Hands bytes on in both directions until it falls silent with both ends open. */
class SilentProxy {
  readonly #sockets: Socket[] = [];
  #isSilent = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(target: number): Promise<SilentProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new SilentProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => {
      const far = connect(target, '127.0.0.1');
      proxy.#sockets.push(near, far);
      for (const [from, to] of [[near, far], [far, near]] as const) {
        from.on('error', () => undefined);
        from.on('data', (bytes) => { if (!proxy.#isSilent) to.write(bytes); });
      } // prettier-ignore
    });
    return proxy;
  }

  fallSilent(): void {
    this.#isSilent = true;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }
}
