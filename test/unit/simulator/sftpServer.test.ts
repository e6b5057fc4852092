// SFTP of the simulated login node: through ssh2's client, and byte by byte where that hides things.
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client, SFTPWrapper } from 'ssh2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  packet,
  PacketReader,
  packetType,
  uint32,
  wireString,
} from '../../../src/simulator/sftpWire';
import { connect, openSftp, startLoginNode, type LoginNode } from './loginNode';

let node: LoginNode;
let client: Client;
let sftp: SFTPWrapper;

beforeAll(async () => {
  node = await startLoginNode();
  client = await connect(node);
});

beforeEach(async () => {
  sftp = await openSftp(client);
});

afterEach(() => {
  node.faults.clear();
  sftp.end();
});

afterAll(async () => {
  client.end();
  await node.stop();
});

/** Turns ssh2's callbacks into promises: the last argument of each method is `(error, value)`. */
function ask<T>(call: (done: (error?: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(error);
      else resolve(value as T);
    });
  });
}

const at = (name: string): string => join(node.folders.work, name);
const errorCode = (code: number): object => expect.objectContaining({ code }) as object;
const noSuchFile = errorCode(2);
const permissionDenied = errorCode(3);
const failure = errorCode(4);

describe('files', () => {
  it('writes and reads a file with its mode and time', async () => {
    const content = Buffer.alloc(700_000, 'furo');
    await ask((done) => {
      sftp.writeFile(at('a.bin'), content, { mode: 0o640 }, done);
    });
    await ask((done) => {
      sftp.utimes(at('a.bin'), 1_600_000_000, 1_600_000_000, done);
    });
    const back = await ask<Buffer>((done) => {
      sftp.readFile(at('a.bin'), done);
    });
    expect(back.equals(content)).toBe(true);
    const stats = statSync(at('a.bin'));
    expect([stats.mode & 0o777, stats.mtimeMs]).toEqual([0o640, 1_600_000_000_000]);
  });

  it('transfers with ssh2 fastPut and fastGet', async () => {
    const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
    writeFileSync(at('local'), content);
    await ask((done) => {
      sftp.fastPut(at('local'), at('remote'), done);
    });
    await ask((done) => {
      sftp.fastGet(at('remote'), at('again'), done);
    });
    expect(readFileSync(at('again')).equals(content)).toBe(true);
  });

  it('lists many names, each once, with what ls would show', async () => {
    mkdirSync(at('many'));
    const names = Array.from({ length: 350 }, (_, index) => `f${String(index)} ü`);
    for (const name of names) writeFileSync(at(`many/${name}`), '');
    const list = await ask<{ filename: string; longname: string }[]>((done) => {
      sftp.readdir(at('many'), done);
    });
    expect(list.map(({ filename }) => filename).sort()).toEqual([...names].sort());
    expect(list[0]?.longname).toMatch(
      /^-rw-r--r-- +1 researcher researcher +0 \w{3} [ \d]\d \d\d:\d\d f/,
    );
  });

  it('answers home for "." and follows names lexically', async () => {
    const ask1 = (path: string): Promise<string> => ask((done) => sftp.realpath(path, done));
    expect(await ask1('.')).toBe(node.folders.home);
    expect(await ask1('a/../b')).toBe(join(node.folders.home, 'b'));
  });

  it('renames: refuses an existing target plainly, replaces it the POSIX way', async () => {
    writeFileSync(at('new'), 'new');
    writeFileSync(at('old'), 'old');
    const plain = ask((done) => sftp.rename(at('new'), at('old'), done));
    await expect(plain).rejects.toEqual(failure);
    await ask((done) => sftp.ext_openssh_rename(at('new'), at('old'), done));
    expect(readFileSync(at('old'), 'utf8')).toBe('new');
  });

  it('makes, reads and removes links and folders', async () => {
    await ask((done) => sftp.mkdir(at('folder'), { mode: 0o700 }, done));
    await ask((done) => sftp.symlink('target', at('folder/link'), done));
    const target = await ask<string>((done) => sftp.readlink(at('folder/link'), done));
    const stats = await ask<{ isSymbolicLink(): boolean }>((done) =>
      sftp.lstat(at('folder/link'), done),
    );
    expect([target, stats.isSymbolicLink()]).toEqual(['target', true]);
    await expect(ask((done) => sftp.rmdir(at('folder'), done))).rejects.toEqual(failure);
    await expect(ask((done) => sftp.unlink(at('folder'), done))).rejects.toEqual(failure);
    await ask((done) => sftp.unlink(at('folder/link'), done));
    await ask((done) => sftp.rmdir(at('folder'), done));
    await expect(ask((done) => sftp.stat(at('folder'), done))).rejects.toEqual(noSuchFile);
  });

  it('syncs an open file and refuses a handle that is closed', async () => {
    const handle = await ask<Buffer>((done) => sftp.open(at('synced'), 'w', done));
    await ask((done) => sftp.ext_openssh_fsync(handle, done));
    await ask((done) => sftp.close(handle, done));
    await expect(ask((done) => sftp.close(handle, done))).rejects.toEqual(failure);
  });

  it('appends at the end and creates exclusively', async () => {
    writeFileSync(at('log'), 'one\n');
    await ask((done) => {
      sftp.appendFile(at('log'), 'two\n', done);
    });
    expect(readFileSync(at('log'), 'utf8')).toBe('one\ntwo\n');
    await expect(ask((done) => sftp.open(at('log'), 'wx', done))).rejects.toEqual(failure);
  });
});

describe('confinement', () => {
  it.each(['/etc/passwd', '../../../../etc/passwd', '/'])('does not open %s', async (path) => {
    await expect(ask((done) => sftp.open(path, 'r', done))).rejects.toBeInstanceOf(Error);
  });

  it('denies what lies outside, also through links and for every verb', async () => {
    symlinkSync('/etc', at('way-out'));
    symlinkSync('/tmp/furo-not-there', at('nowhere'));
    const attempts: ((done: (error?: Error | null, value?: unknown) => void) => void)[] = [
      (done) => sftp.open('/etc/passwd', 'r', done),
      (done) => sftp.open(at('way-out/passwd'), 'r', done),
      (done) => sftp.opendir(at('way-out'), done),
      (done) => sftp.stat(at('way-out/passwd'), done),
      (done) => sftp.mkdir('/tmp/furo-escape', done),
      (done) => sftp.unlink('/etc/passwd', done),
      (done) => sftp.rename(at('way-out/passwd'), at('stolen'), done),
      (done) => sftp.chmod('/etc/passwd', 0o600, done),
    ];
    for (const attempt of attempts) await expect(ask(attempt)).rejects.toEqual(permissionDenied);
    const dangling = ask((done) => sftp.open(at('nowhere'), 'w', done));
    await expect(dangling).rejects.toEqual(noSuchFile);
  });

  it('lets the folders above be seen, as clients do that walk down from the root', async () => {
    await ask((done) => sftp.stat('/', done));
    await ask((done) => sftp.stat(node.folders.root, done));
  });

  it('minds write permission also for root', async () => {
    mkdirSync(at('closed'));
    writeFileSync(at('closed/file'), '');
    chmodSync(at('closed/file'), 0o444);
    chmodSync(at('closed'), 0o555);
    const attempts: ((done: (error?: Error | null, value?: unknown) => void) => void)[] = [
      (done) => sftp.mkdir(at('closed/new'), done),
      (done) => sftp.open(at('closed/new'), 'w', done),
      (done) => sftp.open(at('closed/file'), 'r+', done),
      (done) => sftp.unlink(at('closed/file'), done),
    ];
    for (const attempt of attempts) await expect(ask(attempt)).rejects.toEqual(permissionDenied);
    chmodSync(at('closed'), 0o755);
  });
});

describe('faults', () => {
  it('tells a full disk as such and keeps what was there', async () => {
    writeFileSync(at('kept'), 'kept');
    const handle = await ask<Buffer>((done) => sftp.open(at('kept'), 'r+', done));
    node.faults.set({ isDiskFull: true });
    const text = Buffer.from('lost');
    const write = ask((done) => sftp.write(handle, text, 0, text.length, 0, done));
    await expect(write).rejects.toThrow('No space left on device');
    await expect(ask((done) => sftp.mkdir(at('more'), done))).rejects.toEqual(failure);
    expect(readFileSync(at('kept'), 'utf8')).toBe('kept');
  });
});

describe('the bytes', () => {
  /** Sends raw packets over a subsystem channel and collects the answers. */
  async function talk(...packets: readonly Buffer[]): Promise<PacketReader[]> {
    const answers: PacketReader[] = [];
    await new Promise<void>((resolve, reject) => {
      client.subsys('sftp', (error, channel) => {
        if (error) {
          reject(error);
          return;
        }
        let bytes = Buffer.alloc(0);
        channel.on('data', (chunk: Buffer) => {
          bytes = Buffer.concat([bytes, chunk]);
          while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
            const end = 4 + bytes.readUInt32BE(0);
            answers.push(new PacketReader(bytes.subarray(4, end)));
            bytes = bytes.subarray(end);
          }
          if (answers.length === packets.length) channel.end();
        });
        channel.on('close', resolve);
        // One byte at a time for the first packet: packets need not come whole.
        for (const byte of packets[0] ?? []) channel.write(Buffer.from([byte]));
        channel.write(Buffer.concat(packets.slice(1)));
      });
    });
    return answers;
  }

  const init = packet(packetType.init, uint32(3));

  it('offers version 3 and its extensions by name', async () => {
    const [version] = await talk(init);
    expect([version?.byte(), version?.uint32()]).toEqual([packetType.version, 3]);
    const text = version?.bytes.toString('latin1') ?? '';
    for (const name of ['posix-rename', 'fsync', 'limits', 'statvfs', 'hardlink', 'lsetstat']) {
      expect(text).toContain(`${name}@openssh.com`);
    }
  });

  it('answers in order, with bad message and unsupported where due', async () => {
    const limits = packet(packetType.extended, uint32(7), wireString('limits@openssh.com'));
    const short = packet(packetType.open, uint32(8), uint32(100));
    const unknown = packet(99, uint32(9));
    const other = packet(packetType.extended, uint32(10), wireString('copy-data'));
    const [, first, ...rest] = await talk(init, limits, short, unknown, other);
    expect([first?.byte(), first?.uint32(), first?.uint64()]).toEqual([201, 7, 262_144]);
    const statuses = rest.map((reader) => [reader.byte(), reader.uint32(), reader.uint32()]);
    expect(statuses).toEqual([
      [packetType.status, 8, 5],
      [packetType.status, 9, 8],
      [packetType.status, 10, 8],
    ]);
  });

  it('closes the channel on what cannot be answered, and goes on serving others', async () => {
    expect(await talk(packet(packetType.open))).toEqual([]);
    const tooLong = uint32(300_000);
    expect(await talk(tooLong)).toEqual([]);
    await ask((done) => sftp.stat('.', done));
  });
});
