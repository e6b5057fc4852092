// The snapshot of a run on a simulated machine: what is shared and what is not, cut, purged, tampered with, cleared.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import type { Job } from '../../../src/jobs/job';
import { PjmQueue } from '../../../src/jobs/pjmQueue';
import { projectPlaces, type ProjectPlaces } from '../../../src/jobs/places';
import { freezeProject } from '../../../src/jobs/sendProject';
import { clearSnapshots, takeSnapshot } from '../../../src/jobs/snapshot';
import type { SubmitStep } from '../../../src/jobs/submit';
import { joinRemote, remotePath } from '../../../src/ssh/remote';
import { syncProject } from '../../../src/sync/upload';
import { computer, Bench, jobOf, script, until, type Window } from './bench';

let bench: Bench;
let window: Window;
let places: ProjectPlaces;

const mebibyte = 1024 * 1024;
const large = Buffer.alloc(mebibyte + 1, 'large ');
const awkward = ['--help', 'a b/c\\d.txt', "it's $HOME `id`.txt", '設定/表.csv'];

beforeEach(async () => {
  bench = await Bench.start();
  window = bench.window();
  places = projectPlaces(remotePath(bench.furo.endpoint.remoteFolder), bench.workspace, computer);
  bench.write('tool.py', 'print("hello")\n');
  bench.write('data/large.bin', large);
  bench.write('data/small.bin', Buffer.alloc(mebibyte));
});

afterEach(async () => {
  await bench.stop();
});

const sync = (exclude: readonly string[] = []) =>
  syncProject({
    files: window.remote.files,
    exec: (command, options) => window.remote.exec(command, options),
    localFolder: bench.workspace,
    remoteFolder: places.project,
    exclude,
  });

const runOf = (name: string) => joinRemote(places.own, 'runs', name);

const take = (name: string, options: { canLink?: boolean; edited?: string[] } = {}) =>
  takeSnapshot(window.remote, {
    places,
    run: runOf(name),
    edited: new Set(options.edited),
    ...(options.canLink !== undefined && { canLink: options.canLink }),
  });

const src = (name: string, path = '') => join(runOf(name), 'src', path);
const inProject = (path: string) => join(places.project, path);
const inodeOf = (path: string) => fs.statSync(path).ino;
/** Gives a file a time that is `seconds` from now. */
function touch(path: string, seconds: number): void {
  const time = Date.now() / 1000 + seconds;
  fs.utimesSync(path, time, time);
}
const read = (path: string) => fs.readFileSync(path);

function storeFiles(): string[] {
  const names = fs.readdirSync(places.store, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.includes('/') && !name.endsWith('.ok'));
}

function filesOf(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => fs.lstatSync(join(folder, name)).isFile() && !name.startsWith(".furo")); // prettier-ignore
  return Object.fromEntries(
    files.sort().map((name) => [
      name,
      createHash('sha256')
        .update(read(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

describe('a snapshot', () => {
  it.each([
    ['with', true],
    ['without', false],
  ])('holds every file with its content, %s hard links', async (_, canLink) => {
    for (const name of awkward) bench.write(name, `content of ${name}\n`);
    bench.write('empty', '');
    bench.write('run.sh', '#!/bin/sh\n');
    fs.chmodSync(join(bench.workspace, 'run.sh'), 0o755);
    await sync();
    const { sha256 } = await take('a', { canLink });
    expect(filesOf(src('a'))).toEqual(filesOf(bench.workspace));
    expect(Object.keys(filesOf(src('a')))).toEqual(expect.arrayContaining(awkward));
    expect(createHash('sha256').update(read(src('a', '.furo-snapshot'))).digest('hex')).toBe(sha256); // prettier-ignore
    expect(fs.statSync(src('a', 'run.sh')).mode & 0o777).toBe(0o700);
    expect(fs.statSync(src('a', 'tool.py')).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(runOf('a'))).toEqual(['src']);
    const links = fs.statSync(src('a', 'data/large.bin')).nlink;
    expect(links).toBe(canLink ? 2 : 1);
  });

  it('shares no inode with the project, and only large ones with other runs', async () => {
    await sync();
    await take('a');
    await take('b');
    for (const path of ['tool.py', 'data/small.bin', 'data/large.bin'])
      expect(inodeOf(src('a', path))).not.toBe(inodeOf(inProject(path)));
    expect(inodeOf(src('a', 'data/large.bin'))).toBe(inodeOf(src('b', 'data/large.bin')));
    expect(inodeOf(src('a', 'data/small.bin'))).not.toBe(inodeOf(src('b', 'data/small.bin')));
    expect(storeFiles()).toHaveLength(1);
    expect(fs.statSync(src('a', 'data/large.bin')).mode & 0o777).toBe(0o400);
  });

  it('makes a large file anew that somebody wrote to in spite of its mode', async () => {
    await sync();
    await take('a');
    fs.chmodSync(src('a', 'data/large.bin'), 0o600);
    fs.appendFileSync(src('a', 'data/large.bin'), 'tampered');
    touch(src('a', 'data/large.bin'), 5);
    await take('b');
    expect(read(src('b', 'data/large.bin')).equals(large)).toBe(true);
    expect(inodeOf(src('b', 'data/large.bin'))).not.toBe(inodeOf(src('a', 'data/large.bin')));
  });

  it('links what lies on the machine only, at every level, and shares it', async () => {
    await sync();
    fs.mkdirSync(inProject('checkpoints'));
    fs.writeFileSync(inProject('data/by hand.bin'), 'large set');
    await take('a');
    expect(fs.readlinkSync(src('a', 'checkpoints'))).toBe(inProject('checkpoints'));
    expect(read(src('a', 'data/by hand.bin')).toString()).toBe('large set');
    fs.writeFileSync(src('a', 'checkpoints/1.pt'), 'step 1');
    expect(read(inProject('checkpoints/1.pt')).toString()).toBe('step 1');
    expect(fs.readdirSync(src('a')).sort()).toEqual(['.furo-snapshot', 'checkpoints', 'data', 'tool.py']); // prettier-ignore
  });

  it('has nothing that the rules leave out now, though an earlier run had it', async () => {
    await sync();
    await sync(['data/large.bin']);
    await take('a');
    expect(fs.lstatSync(src('a', 'data/large.bin')).isSymbolicLink()).toBe(true);
    expect(fs.lstatSync(src('a', 'data/small.bin')).isFile()).toBe(true);
    expect(read(src('a', '.furo-snapshot')).toString()).toContain('link ./data/large.bin\n');
  });

  it('is the same when it is asked for again, also at once', async () => {
    await sync();
    const both = await Promise.all([take('a'), take('a'), take('a')]);
    fs.writeFileSync(inProject('tool.py'), 'changed since\n');
    expect([...both, await take('a')]).toEqual(Array.from({ length: 4 }, () => both[0]));
    expect(read(src('a', 'tool.py')).toString()).toBe('print("hello")\n');
    expect(fs.readdirSync(runOf('a'))).toEqual(['src']);
  });

  it('is made by the same call when the connection breaks, and leaves nothing half', async () => {
    for (let n = 0; n < 300; n += 1) bench.write(`many/${String(n)}.txt`, String(n));
    await sync();
    const taking = take('a');
    await until(() => fs.existsSync(runOf('a')));
    bench.furo.faults.cutConnections();
    await taking;
    expect(filesOf(src('a'))).toEqual(filesOf(bench.workspace));
    await until(() => fs.readdirSync(runOf('a')).length === 1);
  });

  it('takes an edit that the sync has left on the machine', async () => {
    await sync();
    fs.writeFileSync(inProject('tool.py'), 'print("edited there")\n');
    touch(inProject('tool.py'), 5);
    const { kept } = await sync();
    expect(kept).toEqual([{ path: 'tool.py', why: 'changedRemotely' }]);
    await take('a', { edited: ['tool.py'] });
    expect(read(src('a', 'tool.py')).toString()).toBe('print("edited there")\n');
    expect(read(src('a', '.furo-snapshot')).toString()).toContain(
      `${createHash('sha256').update('print("edited there")\n').digest('hex')} ./tool.py\n`,
    );
  });

  it.each(['tool.py', 'data/large.bin'])('refuses a %s that is not what was sent', async (path) => {
    await sync();
    fs.appendFileSync(inProject(path), '!');
    await expect(take('a')).rejects.toMatchObject({ reason: 'snapshotChanged', values: { path } });
    fs.rmSync(inProject(path));
    await expect(take('a')).rejects.toMatchObject({ reason: 'snapshotChanged', values: { path } });
    expect(fs.readdirSync(runOf('a'))).toEqual([]);
    expect(fs.existsSync(places.store) ? storeFiles() : []).toEqual([]);
  });

  it('says so when it cannot be written', async () => {
    await sync();
    fs.writeFileSync(places.store, 'a file in the way');
    await expect(take('a')).rejects.toMatchObject({ reason: 'snapshotFailed' });
  });
});

describe('submitting', () => {
  const tool = jobOf('tool', { kind: 'python', script: 'tool.py', arguments: [] });

  it('syncs again when the project changes before it is frozen', async () => {
    bench.write('lib.py', 'WHO = "me"\n');
    const synced = await sync();
    fs.writeFileSync(inProject('lib.py'), 'WHO = "somebody there"\n');
    touch(inProject('lib.py'), 5);
    const told: string[][] = [];
    const plan = {
      job: tool,
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
      target: '',
      onStep: (step: SubmitStep) => {
        if (step.kind === 'kept') told.push(step.summary.kept.map(({ path }) => path));
      },
    };
    const { remote, store } = window;
    const parts = {
      ...{
        computer,
        remote,
        store,
        clock: systemClock,
        log: silentLogger,
        inFlight: new Set<string>(),
      },
      queue: new PjmQueue(remote, silentLogger),
      uploadRuntime: () => Promise.reject(new Error('no inference')),
    };
    await freezeProject(parts, plan, { places, synced, run: runOf('a') });
    expect(told).toEqual([['lib.py']]);
    expect(read(src('a', 'lib.py')).toString()).toBe('WHO = "somebody there"\n');
  });

  it('makes the snapshot again that went away before pjsub', async () => {
    bench.write('own.sh', script('cat tool.py'));
    let purges = 0;
    const submitting = window.center.submit({
      job: jobOf('own', { kind: 'script', script: 'own.sh' }),
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
      onStep: ({ kind }) => {
        if (kind !== 'submitting' || purges > 0) return;
        purges += 1;
        fs.rmSync(join(places.own, 'runs'), { recursive: true });
      },
    });
    const ended = await window.ended((await submitting).id);
    expect(purges).toBe(1);
    expect(window.outputOf(ended.id)).toBe('print("hello")\n');
    expect(bench.takenJobs).toBe(1);
  });

  it('leaves no snapshot behind when pjsub refuses', async () => {
    bench.furo.faults.set({ submitRefusal: 'Your points are used up.' });
    bench.write('own.sh', script('true'));
    const own = jobOf('own', { kind: 'script', script: 'own.sh' });
    await expect(window.submit(own)).rejects.toMatchObject({ reason: 'submitRefused' });
    expect(fs.readdirSync(join(places.own, 'runs'))).toEqual([]);
  });
});

describe('clearing', () => {
  it('removes what was submitted and nothing else', async () => {
    bench.write('out/log.txt', 'sent along\n');
    await sync();
    fs.mkdirSync(inProject('shared'));
    fs.writeFileSync(inProject('shared/kept.bin'), 'kept');
    await take('a');
    await take('b');
    // What a job may do in its folder.
    fs.writeFileSync(src('a', 'model.pt'), 'weights');
    touch(src('a', 'model.pt'), -5000);
    fs.appendFileSync(src('a', 'out/log.txt'), 'more\n');
    touch(src('a', 'out/log.txt'), 5);
    fs.rmSync(src('a', 'data'), { recursive: true });
    fs.symlinkSync(inProject('data'), src('a', 'data'));
    const { mtimeMs } = fs.statSync(src('a', '.furo-snapshot'));
    fs.appendFileSync(src('a', '.furo-snapshot'), '00 ./../../../../tool.py\n');
    fs.utimesSync(src('a', '.furo-snapshot'), mtimeMs / 1000 + 0.1, mtimeMs / 1000 + 0.1);
    const project = filesOf(places.project);
    await clearSnapshots(window.remote, [runOf('a'), runOf('never was')]);
    expect(filesOf(places.project)).toEqual(project);
    expect(fs.readdirSync(src('a')).sort()).toEqual(expect.arrayContaining(['data', 'model.pt', 'out'])); // prettier-ignore
    expect(fs.existsSync(src('a', 'tool.py'))).toBe(false);
    expect(read(src('a', 'out/log.txt')).toString()).toBe('sent along\nmore\n');
    expect(read(src('b', 'data/large.bin')).equals(large)).toBe(true);
    // Run b uses the large file still; then nobody does, but the next run may.
    await clearSnapshots(window.remote, [runOf('a')], { idleMinutes: 0 });
    expect(storeFiles()).toHaveLength(1);
    await clearSnapshots(window.remote, [runOf('b')]);
    expect(fs.existsSync(runOf('b'))).toBe(false);
    expect(storeFiles()).toHaveLength(1);
    await clearSnapshots(window.remote, [runOf('b')], { idleMinutes: 0 });
    expect(fs.readdirSync(places.store, { recursive: true }).filter((name) => name.includes('/'))).toEqual([]); // prettier-ignore
    expect(read(inProject('shared/kept.bin')).toString()).toBe('kept');
  });

  const endedJob = (job: Job, n: number, changes: Partial<Job> = {}): Job => ({
    ...job,
    id: `old-${String(n)}`,
    submittedMs: n,
    ...changes,
  });

  it('keeps the ten newest ended runs of a project, every live one, and the output of all', async () => {
    bench.write('own.sh', script('echo done'));
    const own = jobOf('own', { kind: 'script', script: 'own.sh' });
    const first = await window.ended((await window.submit(own)).id);
    const { snapshot } = first;
    for (let n = 1; n <= 12; n += 1) {
      await take(`old-${String(n)}`);
      const run = runOf(`old-${String(n)}`);
      const isLive = n === 1;
      window.store.put(
        endedJob(first, n, {
          snapshot: { run, sha256: String(snapshot?.sha256) },
          ...(isLive && { phase: { kind: 'unknown', lastSeenMs: 0 } as const, pjmId: '1' }),
          // Without statistics nobody can tell how it ended.
          ...(isLive && { files: { submitFolder: run, stdout: `${run}/none.out` } }),
        }),
      );
    }
    const last = await window.ended((await window.submit(own)).id);
    await until(() => window.store.get('old-2')?.snapshot?.isCleared === true);
    const there = [...Array(12).keys()].map((n) => n + 1).filter((n) => fs.existsSync(src(`old-${String(n)}`))); // prettier-ignore
    // The first and the last real job and eight of these make ten; number 1 lives.
    expect(there).toEqual([1, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(fs.existsSync(String(last.files?.stdout))).toBe(true);
    window.store.remove(last.id);
    await until(() => !fs.existsSync(join(String(last.snapshot?.run), 'src/own.sh')));
    expect(fs.existsSync(String(last.files?.stdout))).toBe(true);
    window.store.remove('old-1');
    await window.remote.exec('true');
    expect(fs.existsSync(src('old-1', 'own.sh'))).toBe(true);
  });
});
