// Our connection against a real OpenSSH server: commands, loss, limits, cancellation, nothing left behind.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { isFailure } from '../../src/base/failure';
import type { ConnectionState } from '../../src/ssh/connectionState';
import { remotePath } from '../../src/ssh/remote';
import { shellCommand } from '../../src/ssh/shellQuote';
import { requires } from '../requirements';
import { ManualClock } from '../unit/ssh/manualClock';
import { freePort, startOpenSshServer, type OpenSshServerOptions } from './openSshServer';
import { ClientSide, eventually } from './sshFixture';

const describe = requires('sshd');
let client: ClientSide;

async function start(options: OpenSshServerOptions = {}): Promise<ClientSide> {
  client = new ClientSide(await startOpenSshServer(options));
  return client;
}

afterEach(async () => {
  client.dispose();
  await client.server.stop();
});

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

describe('commands', () => {
  it('connects at the first command and returns output, errors and the exit status', async () => {
    const remote = (await start({ environment: { FURO_TEST: 'a b', OTHER: '1' } })).connection();
    expect(remote.state.kind).toBe('disconnected');
    const result = await remote.exec('cat; echo "$FURO_TEST$OTHER" >&2; exit 3', {
      stdin: 'héllo\n',
    });
    expect(result).toEqual({ stdout: 'héllo\n', stderr: 'a b1\n', exitCode: 3 });
    expect(remote.state.kind).toBe('connected');
  });

  it('names the signal that ended a command', async () => {
    const result = await (await start()).connection().exec('kill -9 $$');
    expect(result).toMatchObject({ exitCode: undefined, signal: 'SIGKILL' });
  });

  it('carries a megabyte in and out unchanged', async () => {
    const text = '0123456789abcdef'.repeat(65_536);
    const result = await (await start()).connection().exec('cat', { stdin: text });
    expect(result.stdout === text).toBe(true);
  });

  it('is not disturbed by a command that does not read its input', async () => {
    const remote = (await start()).connection();
    const result = await remote.exec('true', { stdin: 'x'.repeat(5_000_000) });
    expect(result.exitCode).toBe(0);
  });

  it('gives a command up after its time limit and asks the server to end it', async () => {
    const side = await start();
    const remote = side.connection();
    const error: unknown = await remote
      .exec('sleep 5', { timeoutMs: 300 })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'timedOut', values: { seconds: 0.3 } });
    // sshd obeys only where it runs with separated privileges, which a test as root has not.
    await eventually(() => side.server.log().includes('req signal'), 'the signal request');
  });

  it('counts the time limit of a long input from the last part that was taken', async () => {
    const clock = new ManualClock();
    const remote = (await start()).connection({}, { clock });
    let given = 0;
    async function* slowly(part: Buffer): AsyncGenerator<Buffer> {
      for (given = 1; given <= 5; given++) {
        yield part;
        clock.pass(4_000);
        await Promise.resolve();
      }
    }
    const limit = { timeoutMs: 10_000 };
    const taken = await remote.exec('cat', { stdin: slowly(Buffer.from('x')), ...limit });
    expect(taken.stdout).toBe('xxxxx');
    // More than fits on the way to a command that does not read.
    const stuck = remote.exec('sleep 60', { stdin: slowly(Buffer.alloc(8_000_000)), ...limit });
    await eventually(() => given === 1, 'the first part');
    clock.pass(10_000);
    await expect(stuck).rejects.toMatchObject({ reason: 'timedOut', values: { seconds: 10 } });
    expect(given).toBe(1);
  });

  it('stops keeping output that has no end', async () => {
    const remote = (await start()).connection();
    await expect(remote.exec('yes')).rejects.toMatchObject({ reason: 'outputTooLarge' });
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
  });

  it('cancels a running command with the reason of its signal', async () => {
    const remote = (await start()).connection();
    await remote.connect();
    const abort = new AbortController();
    const running = remote.exec('sleep 60', { signal: abort.signal });
    setTimeout(() => {
      abort.abort();
    }, 100);
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
  });

  it('opens one connection for many callers at once', async () => {
    const side = await start();
    const remote = side.connection();
    await Promise.all(Array.from({ length: 5 }, () => remote.exec('true')));
    expect(side.server.log().match(/Accepted publickey/g)).toHaveLength(1);
  });
});

describe('a shell that waits for the next command', () => {
  const followed = (script: string, stdin = '') =>
    [shellCommand(script), { stdin, isFollowed: true, encoding: 'latin1' }] as const;
  const waiting = (): number[] =>
    client.server
      .sessions()
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('IFS= read'));

  it('has its start-up files behind it and changes nothing of the command', async () => {
    const side = await start();
    const home = join(side.server.folder, 'home');
    writeFileSync(join(home, '.bashrc'), 'echo hello; echo x >>"$HOME/starts"; export AT=here\n');
    const starts = (): number => readFileSync(join(home, 'starts'), 'utf8').length / 2;
    const remote = side.connection();
    await remote.exec(...followed('true'));
    await eventually(() => starts() === 2 && waiting().length === 1, 'the shell');
    const bytes = randomBytes(200_000).toString('hex');
    const result = await remote.exec(...followed('printf %s "$AT<"; cat; echo no >&2; exit 7', bytes)); // prettier-ignore
    expect(result).toMatchObject({ stderr: 'no\n', exitCode: 7 });
    expect(result.stdout.split('here<')[1] === bytes).toBe(true);
    await eventually(() => starts() === 3 && waiting().length === 1, 'the next shell');
    // A command for the login shell does not get it.
    expect((await remote.exec('echo "$0"')).stdout).toMatch(/bash\n$/);
    expect(starts()).toBe(4);
    expect(waiting()).toHaveLength(1);
  });

  it('that was killed is passed over', async () => {
    const remote = (await start()).connection();
    await remote.exec(...followed('true'));
    await eventually(() => waiting().length === 1, 'the shell');
    const [pid = -1] = waiting();
    process.kill(pid, 'SIGKILL');
    const end = new RegExp(`session_exit_message: .* pid ${pid}\\b`);
    await eventually(() => end.test(client.server.log()), 'its end');
    // What the server says about it comes before this answer.
    await remote.files.stat(remotePath('/'));
    expect((await remote.exec(shellCommand('echo on'))).stdout).toBe('on\n');
  });

  it('ends after a minute, and with its connection', async () => {
    const clock = new ManualClock();
    const remote = (await start()).connection({}, { clock });
    await remote.exec(...followed('true'));
    await eventually(() => waiting().length === 1, 'the shell');
    clock.pass(60_000);
    await eventually(() => waiting().length === 0, 'its end');
    await remote.exec(...followed('true'));
    await eventually(() => waiting().length === 1, 'another shell');
    remote.disconnect();
    expect(clock.waiting).toBe(0);
    await eventually(() => client.server.sessions().length === 0, 'the end of all');
  });

  it('or any other channel does not keep a command from being cancelled while it opens', async () => {
    const side = await start();
    const remote = side.connection();
    await remote.connect();
    const first = remote.exec(...followed('sleep 1'));
    await new Promise(setImmediate);
    side.server.freezeSessions(true);
    const abort = new AbortController();
    const { signal } = abort;
    const others = [shellCommand('true'), 'true'].map((command) =>
      remote.exec(command, { signal }),
    );
    const ends = others.map((other) => expect(other).rejects.toMatchObject({ name: 'AbortError' }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort();
    await Promise.all(ends);
    side.server.freezeSessions(false);
    expect((await first).exitCode).toBe(0);
    expect((await remote.exec(...followed('echo on'))).stdout).toBe('on\n');
  });

  it.each([1, 2, 3])('leaves its channel to other work with MaxSessions %i', async (limit) => {
    const remote = (await start({ extraConfig: `MaxSessions ${limit}` })).connection();
    for (let round = 0; round < 3; round++) {
      expect((await remote.exec(...followed('echo on'))).stdout).toBe('on\n');
      const work = Array.from({ length: 4 }, (_, index) =>
        remote.exec(...followed(`sleep 0.1; echo ${index}`)),
      );
      expect((await remote.files.stat(remotePath('/')))?.kind).toBe('folder');
      expect((await Promise.all(work)).map(({ stdout }) => stdout.trim())).toEqual(['0', '1', '2', '3']); // prettier-ignore
    }
  });
});

describe('channel limits of the server', () => {
  it.each([1, 2, 3])('runs eight commands and file requests with MaxSessions %i', async (limit) => {
    const remote = (await start({ extraConfig: `MaxSessions ${limit}` })).connection();
    expect((await remote.files.stat(remotePath('/')))?.kind).toBe('folder');
    const work = Array.from({ length: 8 }, async (_, index) => {
      const { stdout } = await remote.exec(`sleep 0.1; echo ${index}`);
      return stdout.trim();
    });
    const root = remote.files.stat(remotePath('/'));
    expect(await Promise.all(work)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect((await root)?.kind).toBe('folder');
  });

  it('says that the server has no file transfer', async () => {
    const remote = (await start({ extraConfig: 'Subsystem sftp /nonexistent' })).connection();
    await expect(remote.files.stat(remotePath('/'))).rejects.toMatchObject({
      reason: expect.stringMatching(/sftpUnavailable|connectionLost/) as string,
    });
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
  });
});

describe('a connection that breaks', () => {
  it('rejects what was under way and comes back by itself', async () => {
    const side = await start();
    const remote = side.connection();
    const states: ConnectionState['kind'][] = [];
    remote.onDidChangeState((state) => states.push(state.kind));
    await remote.connect();
    await remote.files.stat(remotePath('/'));
    const running = remote.exec('sleep 60');
    const lost = expect(running).rejects.toMatchObject({ reason: 'connectionLost' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    side.server.cutSessions();
    await lost;
    await eventually(() => remote.state.kind === 'connected', 'the second connection');
    expect(states).toEqual(['connecting', 'connected', 'waiting', 'connecting', 'connected']);
    expect((await remote.files.stat(remotePath('/')))?.kind).toBe('folder');
  });

  it('tells a file transfer that the line is gone', async () => {
    const side = await start();
    const remote = side.connection();
    await remote.files.stat(remotePath('/'));
    const path = remotePath(`${side.folder}/big`);
    const abort = new AbortController();
    const writing = remote.files.write(path, Buffer.alloc(30_000_000), {
      signal: abort.signal,
      onBytes: () => {
        side.server.cutSessions();
      },
    });
    await expect(writing).rejects.toMatchObject({ reason: 'connectionLost' });
  });

  it('is known as dead when the other side falls silent', async () => {
    const side = await start();
    const remote = side.connection({}, { keepaliveMs: 200 });
    await remote.connect();
    side.server.freezeSessions(true);
    const error: unknown = await remote.exec('true').catch((thrown: unknown) => thrown);
    expect(isFailure(error, 'connectionLost')).toBe(true);
  });

  it('stays away after disconnect until somebody needs it', async () => {
    const remote = (await start()).connection();
    await remote.connect();
    remote.disconnect();
    expect(remote.state.kind).toBe('disconnected');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(remote.state.kind).toBe('disconnected');
    expect((await remote.exec('echo on')).stdout).toBe('on\n');
  });
});

describe('a machine that cannot be reached', () => {
  it('tells a refused port', async () => {
    const port = await freePort();
    const remote = (await start()).connection({ port });
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'connectionRefused' });
    expect(remote.state.kind).toBe('disconnected');
  });

  it('tells a name without an address', async () => {
    const remote = (await start()).connection({ host: 'no-such-host.invalid' });
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'hostNotFound' });
  });

  it('can be cancelled while connecting', async () => {
    const remote = (await start()).connection();
    const abort = new AbortController();
    const connecting = remote.connect(abort.signal);
    abort.abort();
    await expect(connecting).rejects.toMatchObject({ name: 'AbortError' });
    await eventually(() => remote.state.kind === 'disconnected', 'the end of the attempt');
  });
});

describe('dispose', () => {
  it('leaves no socket, no timer and no session behind', async () => {
    const side = await start();
    const before = openSockets();
    const remote = side.connection();
    await remote.files.stat(remotePath('/'));
    const running = remote.exec('sleep 60');
    const closed = expect(running).rejects.toMatchObject({ reason: 'connectionClosed' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    remote.dispose();
    await closed;
    await eventually(() => openSockets() <= before, 'no sockets');
    await eventually(() => side.server.sessions().length === 0, 'no sessions');
    await expect(remote.exec('true')).rejects.toMatchObject({ reason: 'connectionClosed' });
  });
});
