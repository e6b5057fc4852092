// How a connection comes back and who may wait for it, against a played login node. Time is moved by the test.
import { Socket } from 'node:net';
import { Client } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import type { SshConnection, SshConnectionOptions } from '../../../src/ssh/connection';
import type { ConnectionState } from '../../../src/ssh/connectionState';
import { failureText } from '../../../src/words/failureText';
import { english } from '../../../src/words/translate';
import { LoginNode, type Authenticate } from './loginNode';
import { ManualClock } from './manualClock';

const minute = 60_000;
const NOBODY_LISTENS = 1;
const SOON = { interval: 5, timeout: 5_000 };

let clock: ManualClock;
let node: LoginNode;
let remote: SshConnection;
let isThere: boolean;
/** Attempts so far, also those that reach nobody. */
let attempts: number;
let codesAsked: number;

beforeEach(() => {
  clock = new ManualClock();
  [isThere, attempts, codesAsked] = [true, 0, 0];
});

afterEach(() => node.stop());

async function start(
  authenticate: Authenticate = byKey,
  options: Partial<SshConnectionOptions> = {},
): Promise<void> {
  node = await LoginNode.start(authenticate);
  const askKeyboard = () => Promise.resolve([String((codesAsked += 1))]);
  const plain = node.endpoint();
  remote = node.connection({ askKeyboard }, {}, {
    clock,
    random: () => 0.999,
    endpoint: () => {
      attempts += 1;
      return Promise.resolve(isThere ? plain : { ...plain, port: NOBODY_LISTENS });
    },
    ...options,
  }); // prettier-ignore
}

const byKey: Authenticate = (context) => {
  if (context.method === 'publickey') context.accept();
  else context.reject(['publickey']);
};

const byCode: Authenticate = (context) => {
  if (context.method !== 'keyboard-interactive') context.reject(['keyboard-interactive']);
  else context.prompt([{ prompt: 'Code:', echo: false }], () => { context.accept(); }); // prettier-ignore
};

const is = (kind: ConnectionState['kind']) =>
  vi.waitFor(() => {
    expect(remote.state.kind).toBe(kind);
  }, SOON);

/** An unknown one is a question of its own. */
async function knowHostKey(): Promise<void> {
  await remote.connect();
  remote.disconnect();
}

/** Cuts the line and lets nobody answer any more. */
async function lose(): Promise<void> {
  isThere = false;
  node.cut();
  await is('waiting');
}

/** Lets the planned attempt come, which fails. */
async function failOnce(): Promise<void> {
  const before = attempts;
  clock.pass(minute);
  await vi.waitFor(() => {
    expect(attempts).toBeGreaterThan(before);
  }, SOON);
  await is('waiting');
}

it('sends each packet at once, and asks for a sign of life every 15 s, three times', async () => {
  const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay');
  const connecting = vi.spyOn(Client.prototype, 'connect');
  await start();
  const { port } = node.endpoint();
  await remote.connect();
  const ours = noDelay.mock.contexts.findIndex((socket) => (socket as Socket).remotePort === port);
  expect(noDelay.mock.calls[ours]).toEqual([true]);
  expect(connecting.mock.calls[0]?.[0]).toMatchObject({
    keepaliveInterval: 15_000,
    keepaliveCountMax: 3,
  });
  vi.restoreAllMocks();
});

describe('work in the background', () => {
  it('leaves the pauses between two attempts as they are', async () => {
    await start();
    await remote.connect();
    await lose();
    clock.sleep(30 * minute);
    await is('connecting');
    await is('waiting');
    const before = attempts;
    const told: Promise<void>[] = [];
    for (let poll = 0; poll < 20; poll++) {
      told.push(expect(remote.exec('true')).rejects.toBeDefined());
      remote.bringBack();
      clock.pass(30_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(attempts - before).toBe(1);
    remote.dispose();
    await Promise.all(told);
  });

  it('joins the attempt that is planned, and is told when that fails', async () => {
    await start();
    await remote.connect();
    await lose();
    const early = expect(remote.exec('true')).rejects.toMatchObject({
      reason: 'connectionRefused',
    });
    await failOnce();
    await early;
    expect(attempts).toBe(2);
  });

  it('that waits for the planned attempt ends with the connection', async () => {
    await start();
    await remote.connect();
    await lose();
    const waiting = expect(remote.exec('true')).rejects.toMatchObject({
      reason: 'connectionClosed',
    });
    remote.disconnect();
    await waiting;
    expect(attempts).toBe(1);
  });

  it('asks nothing where a question comes at the first attempt, and says that a person is needed', async () => {
    await start(byCode);
    await knowHostKey();
    remote.bringBack();
    await is('blocked');
    expect(remote.state).toEqual({ kind: 'blocked', reason: 'personNeeded', isUnattended: true });
    remote.bringBack();
    expect([attempts, codesAsked]).toEqual([2, 1]);
    await remote.connect();
    expect([attempts, codesAsked]).toEqual([3, 2]);
  });

  it('tries again by itself when the first attempt reaches nobody', async () => {
    await start();
    await knowHostKey();
    isThere = false;
    remote.bringBack();
    await is('waiting');
    isThere = true;
    clock.sleep(12 * 60 * minute);
    await is('connected');
  });
});

describe('a person', () => {
  it('is not promised that a connection comes back that never stood', async () => {
    await start((_context, client) => {
      client.end();
    });
    const error: unknown = await remote.connect().catch((reason: unknown) => reason);
    expect(remote.state).toEqual({ kind: 'disconnected' });
    if (!isFailure(error, 'endedEarly')) throw error;
    const { message } = failureText(error, english);
    expect(message).toContain('The connection to 127.0.0.1 ended before the login was done.');
    expect(message).not.toContain('comes back by itself');
  });

  it('who tries while it waits dials at once, and a failure goes back to waiting', async () => {
    await start();
    await remote.connect();
    await lose();
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'connectionRefused' });
    expect(remote.state).toMatchObject({ kind: 'waiting', attempt: 2 });
    expect(attempts).toBe(2);
  });

  it('who is told by the command is not told a second time', async () => {
    let isLetIn = true;
    await start((context, client) => {
      if (isLetIn) byCode(context, client);
      else context.reject(['publickey']);
    });
    await remote.connect();
    node.cut();
    await is('waiting');
    clock.pass(minute);
    await is('blocked');
    expect(remote.state).toMatchObject({ isUnattended: true });
    isLetIn = false;
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'authenticationFailed' });
    expect(remote.state).toEqual({ kind: 'blocked', reason: 'authenticationFailed' });
  });

  it('who stopped waiting for an attempt that began by itself is told by the state', async () => {
    await start(byCode);
    await knowHostKey();
    remote.bringBack();
    const abort = new AbortController();
    const cancelled = expect(remote.connect(abort.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
    abort.abort();
    await cancelled;
    await is('blocked');
    expect(remote.state).toMatchObject({ isUnattended: true });
  });

  it('who cancels a command leaves the attempt that began by itself alone', async () => {
    await start();
    await remote.connect();
    await lose();
    isThere = true;
    clock.pass(minute);
    expect(remote.state.kind).toBe('connecting');
    const abort = new AbortController();
    const cancelled = expect(remote.exec('true', { signal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    abort.abort();
    await cancelled;
    await is('connected');
  });

  it('who cancels what they asked for ends the attempt', async () => {
    await start();
    const abort = new AbortController();
    const cancelled = expect(remote.connect(abort.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
    abort.abort();
    await cancelled;
    await is('disconnected');
  });
});
