// The simulated login node's SSH side, seen through ssh2's client.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { keepKeyPair, fingerprintOf } from '../../../src/simulator/keys';
import {
  connect,
  exec,
  openChannel,
  openSftp,
  resultOf,
  startLoginNode,
  until,
  type LoginNode,
} from './loginNode';

let node: LoginNode;
const clients: Client[] = [];

async function open(options = {}): Promise<Client> {
  const client = await connect(node, options);
  clients.push(client);
  return client;
}

function closeOf(client: Client): Promise<void> {
  return new Promise((resolve) => {
    client.once('close', () => {
      resolve();
    });
  });
}

beforeAll(async () => {
  node = await startLoginNode();
});

afterEach(() => {
  node.faults.clear();
  for (const client of clients.splice(0)) client.destroy();
});

afterAll(async () => {
  await node.stop();
});

describe('commands', () => {
  it('keeps standard output, standard error and the exit status apart', async () => {
    const result = await exec(await open(), 'echo out; echo err >&2; exit 7');
    expect(result).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 7, signal: undefined });
  });

  it('starts bash in the home with a clean environment', async () => {
    const { stdout } = await exec(await open(), 'pwd; echo $HOME ~ $0; env | cut -d= -f1 | sort');
    const { home } = node.folders;
    const names = ['HOME', 'PATH', 'PWD', 'SHLVL', 'USER', '_'].join('\n');
    expect(stdout).toBe(`${home}\n${home} ${home} bash\n${names}\n`);
  });

  it('hands standard input on and sees its end', async () => {
    const { stdout } = await exec(await open(), 'wc -c', 'x'.repeat(300_000));
    expect(stdout.trim()).toBe('300000');
  });

  it('loses nothing of a long answer', async () => {
    const { stdout, code } = await exec(
      await open(),
      'head -c 5000000 /dev/zero | tr "\\0" x; exit 3',
    );
    expect([stdout.length, code]).toEqual([5_000_000, 3]);
  });

  it('takes the variables that sshd would take, and no others', async () => {
    const options = { env: { LC_ALL: 'C', LD_PRELOAD: '/x' } };
    const channel = await openChannel(await open(), 'echo $LC_ALL-$LD_PRELOAD', options);
    expect((await resultOf(channel)).stdout).toBe('C-\n');
  });

  it('delivers a signal and tells by which signal a command ended', async () => {
    const channel = await openChannel(await open(), 'echo ready; sleep 30');
    const result = resultOf(channel);
    await new Promise((resolve) => channel.once('data', resolve));
    channel.signal('TERM');
    expect(await result).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('opens many sessions on one connection', async () => {
    const client = await open();
    const numbers = Array.from({ length: 12 }, (_, index) => index);
    const results = await Promise.all(numbers.map((n) => exec(client, `echo ${String(n)}`)));
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(numbers);
  });

  it('hangs up a terminal when its connection is lost', async () => {
    const file = join(node.folders.home, 'hangup');
    const client = await open();
    const command = `trap 'echo gone > ${file}; exit' HUP; echo ready; while :; do sleep 0.1; done`;
    const channel = await openChannel(client, command, { pty: true });
    await new Promise((resolve) => channel.once('data', resolve));
    client.destroy();
    await until(() => {
      try {
        return readFileSync(file, 'utf8') === 'gone\n';
      } catch {
        return false;
      }
    });
  });
});

describe('terminals', () => {
  it('gives a real terminal of the wanted size and type, and follows its changes', async () => {
    const pty = { rows: 31, cols: 97, term: 'screen' };
    const command = 'test -t 0 && tty; stty size; echo $TERM; read line; stty size; exit 5';
    const channel = await openChannel(await open(), command, { pty });
    const result = resultOf(channel);
    await new Promise((resolve) => channel.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    channel.setWindow(50, 120, 0, 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    channel.write('go\n');
    const { stdout, code } = await result;
    expect(stdout.replaceAll('\r', '')).toMatch(/^\/dev\/\S+\n31 97\nscreen\ngo\n50 120\n$/);
    expect(code).toBe(5);
  });

  it('starts a login shell', async () => {
    writeFileSync(join(node.folders.home, '.bash_profile'), 'PS1="furo> "; echo welcome\n');
    const client = await open();
    const channel = await new Promise<Parameters<typeof resultOf>[0]>((resolve, reject) => {
      client.shell({ term: 'dumb' }, (error, shell) => {
        if (error) reject(error);
        else resolve(shell);
      });
    });
    channel.write('shopt -q login_shell && echo is login; exit 4\n');
    const { stdout, code } = await resultOf(channel);
    expect(stdout).toContain('welcome');
    expect(stdout).toContain('is login\r\n');
    expect(code).toBe(4);
  });

  it('starts a login shell without a terminal that takes commands from standard input', async () => {
    writeFileSync(join(node.folders.home, '.bash_profile'), 'echo welcome\n');
    const client = await open();
    const channel = await new Promise<Parameters<typeof resultOf>[0]>((resolve, reject) => {
      client.shell(false, (error, shell) => {
        if (error) reject(error);
        else resolve(shell);
      });
    });
    channel.write('echo out; echo err >&2\n');
    channel.write('shopt -q login_shell && echo is login; test -t 0 || echo no terminal\n');
    channel.end('(exit 6)\n');
    // Nothing is echoed, no prompt is written and lines keep their ends: no terminal lies between.
    expect(await resultOf(channel)).toEqual({
      stdout: 'welcome\nout\nis login\nno terminal\n',
      stderr: 'err\n',
      code: 6,
      signal: undefined,
    });
  });
});

describe('who may enter', () => {
  it('refuses a key that is not in authorized_keys', async () => {
    const stranger = keepKeyPair(node.folders.keys, 'stranger');
    const attempt = connect(node, { privateKey: stranger.privateText });
    await expect(attempt).rejects.toThrow(/authentication methods failed/i);
  });

  it('refuses another user and a password', async () => {
    await expect(connect(node, { username: 'root' })).rejects.toThrow(/authentication/i);
    const target = { host: '127.0.0.1', port: node.port, username: node.user };
    const attempt = connect(node, { ...target, privateKey: undefined, password: 'x' } as object);
    await expect(attempt).rejects.toThrow(/authentication/i);
  });
});

describe('faults', () => {
  async function seenKey(): Promise<string> {
    let seen = '';
    const hostVerifier = (key: Buffer): boolean => {
      seen = fingerprintOf(`x ${key.toString('base64')}`);
      return true;
    };
    await open({ hostVerifier });
    return seen;
  }

  it('shows its own host key, or another one', async () => {
    const own = fingerprintOf(node.hostKey.publicLine);
    expect(await seenKey()).toBe(own);
    node.faults.set({ hostKey: 'other' });
    const other = await seenKey();
    expect(other).toMatch(/^SHA256:/);
    expect(other).not.toBe(own);
  });

  it('agrees on no key exchange when told so', async () => {
    node.faults.set({ hostKey: 'refuse' });
    await expect(connect(node)).rejects.toThrow(/key exchange/i);
  });

  it('delays every packet', async () => {
    const client = await open();
    node.faults.set({ delayMs: 60 });
    const start = Date.now();
    await exec(client, 'true');
    // The session request and its answer wait 60 ms each.
    expect(Date.now() - start).toBeGreaterThanOrEqual(120);
  });

  it('keeps every byte in order while the delay changes', async () => {
    const client = await open();
    node.faults.set({ delayMs: 20 });
    const answer = exec(client, 'seq 1 60000 | md5sum; seq 1 60000');
    for (const delayMs of [5, 0, 15, 0]) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      node.faults.set({ delayMs });
    }
    const { stdout } = await answer;
    const [sum = '', ...lines] = stdout.split('\n');
    const seen = createHash('md5').update(lines.join('\n')).digest('hex');
    expect(sum.split(' ')[0]).toBe(seen);
  });

  it('cuts after so many bytes', async () => {
    node.faults.set({ cutAfterBytes: 50_000 });
    const client = await open();
    const channel = await openChannel(client, 'head -c 1000000 /dev/zero');
    let received = 0;
    channel.on('data', (chunk: Buffer) => (received += chunk.length));
    await closeOf(client);
    expect(received).toBeGreaterThan(1000);
    expect(received).toBeLessThan(50_000);
  });

  it('cuts all connections at once', async () => {
    const client = await open();
    const closed = closeOf(client);
    node.faults.cutConnections();
    await closed;
    await until(() => node.server.connectionCount === 0);
  });

  it('goes silent without closing, and wakes', async () => {
    const client = await open();
    node.faults.set({ isHalfOpen: true });
    const answer = exec(client, 'echo late');
    const first = await Promise.race([
      answer,
      new Promise((resolve) => setTimeout(resolve, 300, 'silent')),
    ]);
    expect(first).toBe('silent');
    node.faults.set({ isHalfOpen: false });
    expect((await answer).stdout).toBe('late\n');
  });

  it('refuses commands and SFTP', async () => {
    const client = await open();
    node.faults.set({ isExecRefused: true, isSftpRefused: true });
    await expect(exec(client, 'true')).rejects.toThrow(/exec/);
    await expect(openSftp(client)).rejects.toThrow();
    node.faults.clear();
    expect((await exec(client, 'echo back')).stdout).toBe('back\n');
  });
});
