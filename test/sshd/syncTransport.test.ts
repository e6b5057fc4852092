// What a sync costs on the line and what a cut line leaves, through a proxy in front of a real OpenSSH server.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { SshConnection } from '../../src/ssh/connection';
import { remotePath } from '../../src/ssh/remote';
import { syncProject, type SyncOptions } from '../../src/sync/upload';
import { requires } from '../requirements';
import { startOpenSshServer } from './openSshServer';
import { ClientSide, eventually } from './sshFixture';
import { TcpProxy } from './tcpProxy';

const describe = requires('sshd');
const isSoak = process.env['FURO_SOAK'] !== undefined;

class Bench {
  readonly local: string;
  readonly there: string;

  private constructor(
    readonly client: ClientSide,
    readonly proxy: TcpProxy,
  ) {
    this.local = join(client.folder, 'project');
    this.there = join(client.server.folder, 'furo', 'project');
    fs.mkdirSync(this.local);
  }

  static async start(
    delayMs = 0,
    extraConfig: readonly string[] = [],
    obeysModes = false,
  ): Promise<Bench> {
    const server = await startOpenSshServer({ extraConfig, obeysModes });
    const client = new ClientSide(server);
    const proxy = await TcpProxy.start({ port: server.port, delayMs });
    fs.writeFileSync(
      client.knownHosts,
      server.hostKeyLine.replace(/^\S+/, `[127.0.0.1]:${String(proxy.port)}`),
    );
    return new Bench(client, proxy);
  }

  connection(): SshConnection {
    return this.client.connection({ port: this.proxy.port });
  }

  sync(connection: SshConnection, changes: Partial<SyncOptions> = {}) {
    return syncProject({
      files: connection.files,
      exec: connection.exec.bind(connection),
      localFolder: this.local,
      remoteFolder: remotePath(this.there),
      exclude: [],
      strayAgeSeconds: 0,
      ...changes,
    });
  }

  /** Seconds since 1970 of the last write below, a day ago at first. */
  #seconds = Math.floor(Date.now() / 1000) - 3600 * 24;

  /**
   * Writes a file that was last touched a while ago: of a newer one the time proves nothing. No two writes have the same
   * time, or a change that keeps the size would not be seen.
   */
  put(path: string, content: string | Buffer): void {
    fs.mkdirSync(join(this.local, path, '..'), { recursive: true });
    fs.writeFileSync(join(this.local, path), content);
    this.#seconds += 1;
    fs.utimesSync(join(this.local, path), this.#seconds, this.#seconds);
  }

  async stop(): Promise<void> {
    this.proxy.stop();
    this.client.dispose();
    await this.client.server.stop();
  }
}

let bench: Bench;
afterEach(() => bench.stop());

describe('round trips on a warm connection', () => {
  it('are at most 2 for a sync of 2,000 files without a change, and 3 for 3 changed files', async () => {
    bench = await Bench.start(150);
    for (let index = 0; index < 2_000; index++)
      bench.put(`src/m${index % 110}/f${index}.py`, `print(${index})\n`);
    const connection = bench.connection();
    await bench.sync(connection);
    const counted = async () => {
      await quiet();
      const before = bench.proxy.roundTrips;
      const { uploaded, unchanged } = await bench.sync(connection);
      return { uploaded, unchanged, trips: bench.proxy.roundTrips - before };
    };
    // In the shell that waits since the run before; without one it takes another round trip.
    expect((await counted()).trips).toBe(2);
    const quietTrips: number[] = [];
    for (let run = 0; run < (isSoak ? 100 : 8); run++) {
      const { trips, ...files } = await counted();
      expect(files).toEqual({ uploaded: 0, unchanged: 2_000 });
      quietTrips.push(trips);
    }
    expect(usual(quietTrips)).toBe(1);
    const changedTrips: number[] = [];
    for (let run = 0; run < (isSoak ? 25 : 5); run++) {
      for (const index of [0, 1, 2]) bench.put(`src/m${index}/f${index}.py`, `changed ${run}\n`);
      const { trips, ...files } = await counted();
      expect(files).toEqual({ uploaded: 3, unchanged: 1_997 });
      changedTrips.push(trips);
    }
    expect(usual(changedTrips)).toBe(3);
    expect(execFileSync('diff', ['-r', '--exclude=.furo', bench.local, bench.there]).length).toBe(
      0,
    );
  }, 300_000);
});

/** The median: a computer that is busy elsewhere may count an answer twice that it gave in two parts. */
function usual(counts: readonly number[]): number | undefined {
  return [...counts].sort((a, b) => a - b)[Math.floor(counts.length / 2)];
}

/** What a closed channel still says belongs to nobody's round trips. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500));
}

/** By path below the folder; our own state left out. */
function contents(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(folder.length + 1);
    if (entry.isFile() && !path.startsWith('.furo/'))
      found.set(path, fs.readFileSync(join(folder, path), 'latin1'));
  }
  return found;
}

describe('a plan of 200 operations', () => {
  /** 120 edits, 60 new files, 20 removals; two of the files are large. */
  function edit(): void {
    for (let index = 0; index < 200; index++) {
      const path = `d${index % 9}/f${index}`;
      if (index < 120) bench.put(path, `new ${randomBytes(400).toString('hex')}`);
      else if (index < 180) bench.put(`n${index % 5}/f${index}`, `added ${index}`);
      else fs.rmSync(join(bench.local, path));
    }
    bench.put('d0/large', randomBytes(400_000));
    bench.put('d1/large', randomBytes(300_000));
  }

  /** The same shares of a plan in every run of `npm test`, spread evenly; a soak seeks new ones. */
  const share = (run: number): number => (isSoak ? Math.random() : ((run + 1) * 0.618_034) % 1);

  it.each([
    ['by command', [], isSoak ? 900 : 32],
    ['over SFTP only', ['ForceCommand internal-sftp'], isSoak ? 100 : 4],
  ] as const)(
    '%s, cut at any byte, leaves each file old or new, and the next run finishes',
    async (_, config, runs) => {
      bench = await Bench.start(0, config);
      for (let index = 0; index < 200; index++)
        bench.put(`d${index % 9}/f${index}`, `old ${index}`);
      bench.put('d0/large', randomBytes(400_000));
      const first = bench.connection();
      await bench.sync(first);
      const before = contents(bench.there);
      const kept = join(bench.client.server.folder, 'kept');
      execFileSync('cp', ['-a', bench.there, kept]);
      edit();
      const after = contents(bench.local);
      const reset = (): void => {
        fs.rmSync(bench.there, { recursive: true });
        execFileSync('cp', ['-a', kept, bench.there]);
      };
      const started = bench.proxy.bytesUp;
      await bench.sync(first);
      const total = bench.proxy.bytesUp - started;
      first.dispose();
      const tidy = fs.readdirSync(join(bench.there, '.furo'), { recursive: true }).length;

      let finished = 0;
      for (let run = 0; run < runs; run++) {
        reset();
        const cut = bench.connection();
        await cut.connect();
        bench.proxy.cutAfter(Math.floor(share(run) * total));
        const summary = await bench.sync(cut).catch(() => undefined);
        if (summary) finished += 1;
        cut.dispose();
        for (const [path, text] of contents(bench.there))
          if (!path.includes('.furo-tmp-'))
            expect([before.get(path), after.get(path)]).toContain(text);
        const next = bench.connection();
        expect((await bench.sync(next)).kept).toEqual([]);
        next.dispose();
        expect(contents(bench.there)).toEqual(after);
        // The command of the cut run may be about to remove its own.
        const state = join(bench.there, '.furo');
        const isTidy = (): boolean => fs.readdirSync(state, { recursive: true }).length === tidy;
        await eventually(isTidy, `nothing left over in ${state}`);
      }
      // The cuts did cut.
      expect(finished).toBeLessThan(runs / 4);
    },
    1_200_000,
  );
});

describe('a large file', () => {
  it('goes on after a cut from what came whole, and is the same in the end', async () => {
    bench = await Bench.start();
    const content = randomBytes(40_000_000);
    bench.put('model.bin', content);
    const cut = bench.connection();
    await cut.connect();
    bench.proxy.cutAfter(30_000_000);
    await expect(bench.sync(cut)).rejects.toMatchObject({ reason: 'connectionLost' });
    cut.dispose();
    expect(fs.existsSync(join(bench.there, 'model.bin'))).toBe(false);
    const next = bench.connection();
    await next.connect();
    const before = bench.proxy.bytesUp;
    expect(await bench.sync(next, { strayAgeSeconds: 600 })).toMatchObject({ uploaded: 1 });
    expect(bench.proxy.bytesUp - before).toBeLessThan(26_000_000);
    expect(fs.readFileSync(join(bench.there, 'model.bin')).equals(content)).toBe(true);
    expect(fs.readdirSync(join(bench.there, '.furo/staging'))).toEqual([]);
  });

  it('does not go on from bytes that are not its own', async () => {
    bench = await Bench.start();
    const content = randomBytes(20_000_000);
    bench.put('model.bin', content);
    const sha256 = execFileSync('sha256sum', [join(bench.local, 'model.bin')], {
      encoding: 'utf8',
    });
    const part = join(bench.there, '.furo/staging', `part-${sha256.slice(0, 64)}`);
    fs.mkdirSync(join(part, '..'), { recursive: true });
    const torn = Buffer.from(content);
    torn.writeUInt8(255 - torn.readUInt8(9_000_000), 9_000_000);
    fs.writeFileSync(part, torn);
    await bench.sync(bench.connection());
    expect(fs.readFileSync(join(bench.there, 'model.bin')).equals(content)).toBe(true);
  });

  it('passes a server that gives one channel at a time', async () => {
    bench = await Bench.start(0, ['MaxSessions 1']);
    const content = randomBytes(12_000_000);
    bench.put('model.bin', content);
    bench.put('small.py', 'x');
    const connection = bench.connection();
    expect(await bench.sync(connection)).toMatchObject({ uploaded: 2 });
    expect(fs.readFileSync(join(bench.there, 'model.bin')).equals(content)).toBe(true);
    const back = join(bench.client.folder, 'back');
    await connection.files.download(remotePath(join(bench.there, 'model.bin')), back);
    expect(fs.readFileSync(back).equals(content)).toBe(true);
  });
});

describe('a machine with habits of its own', () => {
  it('may greet in every shell and have umask 000: nothing is readable for others', async () => {
    bench = await Bench.start(0, ['Subsystem sftp internal-sftp -u 000']);
    const home = join(bench.client.server.folder, 'home');
    fs.writeFileSync(join(home, '.bashrc'), 'echo Welcome to Furo; echo oops >&2; umask 000\n');
    bench.put('a/small.py', 'x');
    bench.put('a/large.bin', randomBytes(5_000_000));
    const connection = bench.connection();
    expect((await connection.exec('umask')).stdout).toBe('Welcome to Furo\n0000\n');
    expect(await bench.sync(connection)).toMatchObject({ uploaded: 2 });
    bench.put('a/small.py', 'longer');
    expect(await bench.sync(connection)).toMatchObject({ uploaded: 1, unchanged: 1 });
    const open = execFileSync('find', [bench.there, '-perm', '/077'], { encoding: 'utf8' });
    expect(open).toBe('');
  });
});

describe('a remote folder that may not be written', () => {
  it.each([
    ['by command', []],
    ['over SFTP only', ['ForceCommand internal-sftp']],
  ] as const)('is told as such, %s, and nothing is left there', async (_, extraConfig) => {
    bench = await Bench.start(0, extraConfig, true);
    const closed = join(bench.there, '..');
    fs.mkdirSync(closed, { mode: 0o555 });
    for (let index = 0; index < 12; index++) bench.put(`f${index}`, `${index}`);
    const connection = bench.connection();
    await expect(bench.sync(connection)).rejects.toMatchObject({ reason: 'remoteNotWritable' });
    expect(fs.readdirSync(closed)).toEqual([]);
    fs.chmodSync(closed, 0o700);
    expect(await bench.sync(connection)).toMatchObject({ uploaded: 12 });
    fs.chmodSync(bench.there, 0o555);
    bench.put('f0', 'longer');
    await expect(bench.sync(connection)).rejects.toMatchObject({ reason: 'remoteNotWritable' });
    expect(fs.readFileSync(join(bench.there, 'f0'), 'utf8')).toBe('0');
    fs.chmodSync(bench.there, 0o700);
  });
});

requires('sshd', 'root')('a machine that is full', () => {
  async function startSmall(extraConfig: readonly string[] = []): Promise<SshConnection> {
    bench = await Bench.start(0, extraConfig);
    fs.mkdirSync(bench.there, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', bench.there]);
    return bench.connection();
  }

  /** A sync of nine files more, which do not fit. */
  async function fill(connection: SshConnection, name: string): Promise<void> {
    for (let index = 0; index < 9; index++) bench.put(`${name}${index}`, randomBytes(200_000));
    const error: unknown = await bench.sync(connection).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      reason: 'diskFull',
      values: { detail: expect.stringContaining('No space left on device') as string },
    });
  }

  function empty(): void {
    for (const name of fs.readdirSync(bench.local))
      if (name !== 'a.txt') fs.rmSync(join(bench.local, name));
  }

  afterEach(() => execFileSync('umount', ['-l', bench.there]));

  it('says so in its own words, keeps old files whole, and a later run finishes', async () => {
    const connection = await startSmall();
    bench.put('a.txt', 'old');
    await bench.sync(connection);
    bench.put('a.txt', 'newer');
    for (const name of ['b', 'c']) {
      await fill(connection, name);
      expect(contents(bench.there)).toEqual(new Map([['a.txt', 'old']]));
      expect(fs.readdirSync(join(bench.there, '.furo/staging'))).toEqual([]);
    }
    empty();
    expect(await bench.sync(connection)).toMatchObject({ uploaded: 1, kept: [] });
  });

  it('says so where it takes files only, and leaves each file whole', async () => {
    const connection = await startSmall(['ForceCommand internal-sftp']);
    bench.put('a.txt', 'old');
    await bench.sync(connection);
    await fill(connection, 'b');
    const here = contents(bench.local);
    for (const [path, text] of contents(bench.there)) expect(here.get(path) === text).toBe(true);
    empty();
    const confirmRemovals = () => Promise.resolve(true);
    expect(await bench.sync(connection, { confirmRemovals })).toMatchObject({ kept: [] });
    expect(contents(bench.there)).toEqual(new Map([['a.txt', 'old']]));
  });
});
