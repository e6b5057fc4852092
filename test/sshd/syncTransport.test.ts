// What a sync costs on the line and what a cut line leaves, through a proxy in front of a real OpenSSH server.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { SshConnection } from '../../src/ssh/connection';
import { remotePath } from '../../src/ssh/remote';
import { syncProject, type SyncOptions } from '../../src/sync/upload';
import { startOpenSshServer } from './openSshServer';
import { ClientSide, eventually } from './sshFixture';
import { TcpProxy } from './tcpProxy';

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

  static async start(delayMs = 0, extraConfig: readonly string[] = []): Promise<Bench> {
    const server = await startOpenSshServer({ extraConfig });
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

  /** Writes a file that was last touched a while ago: of a newer one the time proves nothing. */
  put(path: string, content: string | Buffer): void {
    fs.mkdirSync(join(this.local, path, '..'), { recursive: true });
    fs.writeFileSync(join(this.local, path), content);
    const time = Math.floor(Date.now() / 1000) - 60;
    fs.utimesSync(join(this.local, path), time, time);
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
  it('are 2 for a sync of 2,000 files without a change, and 5 for 3 changed files', async () => {
    bench = await Bench.start(150);
    for (let index = 0; index < 2_000; index++)
      bench.put(`src/m${index % 110}/f${index}.py`, `print(${index})\n`);
    const connection = bench.connection();
    await bench.sync(connection);
    for (let run = 0; run < (isSoak ? 100 : 8); run++) {
      await quiet();
      const before = bench.proxy.roundTrips;
      expect(await bench.sync(connection)).toMatchObject({ uploaded: 0, unchanged: 2_000 });
      expect(bench.proxy.roundTrips - before).toBe(2);
    }
    for (const index of [0, 1, 2]) bench.put(`src/m${index}/f${index}.py`, 'changed\n');
    await quiet();
    const before = bench.proxy.roundTrips;
    expect((await bench.sync(connection)).uploaded).toBe(3);
    expect(bench.proxy.roundTrips - before).toBe(5);
    expect(execFileSync('diff', ['-r', '--exclude=.furo', bench.local, bench.there]).length).toBe(
      0,
    );
  });
});

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

  it('cut at random bytes leaves each file old or new, and the next run finishes', async () => {
    bench = await Bench.start();
    for (let index = 0; index < 200; index++) bench.put(`d${index % 9}/f${index}`, `old ${index}`);
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

    let finished = 0;
    for (let run = 0; run < (isSoak ? 1_000 : 40); run++) {
      reset();
      const cut = bench.connection();
      await cut.connect();
      bench.proxy.cutAfter(Math.floor(Math.random() * total));
      const summary = await bench.sync(cut).catch(() => undefined);
      if (summary) finished += 1;
      cut.dispose();
      for (const [path, text] of contents(bench.there))
        if (!/\.furo-tmp-/.test(path)) expect([before.get(path), after.get(path)]).toContain(text);
      const next = bench.connection();
      expect((await bench.sync(next)).kept).toEqual([]);
      next.dispose();
      expect(contents(bench.there)).toEqual(after);
      const staging = join(bench.there, '.furo/staging');
      // The command of the cut run may be about to remove its own.
      await eventually(() => fs.readdirSync(staging).length === 0, `an empty ${staging}`);
    }
    // The cuts did cut.
    expect(finished).toBeLessThan((isSoak ? 1_000 : 40) / 4);
  }, 1_200_000);
});
