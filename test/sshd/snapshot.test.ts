// Snapshots of runs through a real OpenSSH server: right in every shell, whole after a cut, deaf to later edits.
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { projectPlaces, type ProjectPlaces } from '../../src/jobs/places';
import { clearSnapshots, takeSnapshot } from '../../src/jobs/snapshot';
import { makeScript, type SnapshotLists } from '../../src/jobs/snapshotScript';
import { joinRemote, remotePath, type Remote } from '../../src/ssh/remote';
import { syncProject } from '../../src/sync/upload';
import { startOpenSshServer } from './openSshServer';
import { ClientSide, eventually } from './sshFixture';

let client: ClientSide;
let remote: Remote;
let local: string;
let places: ProjectPlaces;

const fileCount = 120;
const large = Buffer.alloc(1024 * 1024 + 1, 7);

beforeEach(async () => {
  client = new ClientSide(await startOpenSshServer());
  remote = client.connection();
  local = join(client.folder, 'project');
  places = projectPlaces(remotePath(join(client.server.folder, 'furo')), local, 'me');
  for (let n = 0; n < fileCount; n += 1) put(`d${String(n % 9)}/表 ${String(n)}.txt`, String(n));
  put('large.bin', large);
});

afterEach(async () => {
  client.dispose();
  await client.server.stop();
});

function put(path: string, content: string | Buffer): void {
  fs.mkdirSync(join(local, path, '..'), { recursive: true });
  fs.writeFileSync(join(local, path), content);
}

function contents(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => fs.lstatSync(join(folder, name)).isFile());
  return Object.fromEntries(
    files
      .filter((name) => !name.startsWith('.furo'))
      .sort()
      .map((name) => [name, fs.readFileSync(join(folder, name), 'latin1')]),
  );
}

const sync = () =>
  syncProject({
    files: remote.files,
    exec: (command, options) => remote.exec(command, options),
    localFolder: local,
    remoteFolder: places.project,
    exclude: [],
  });

const run = () => joinRemote(places.own, 'runs/a');
const take = () => takeSnapshot(remote, { places, run: run(), edited: new Set() });

it('holds what was synced, whatever is edited afterwards, and goes when it is cleared', async () => {
  await sync();
  const submitted = contents(local);
  const { sha256 } = await take();
  for (const path of ['large.bin', 'd0/表 0.txt', 'd1/表 1.txt']) {
    fs.appendFileSync(join(places.project, path), 'in place');
    put(path, 'here');
  }
  await sync();
  expect(contents(join(run(), 'src'))).toEqual(submitted);
  expect((await take()).sha256).toBe(sha256);
  await clearSnapshots(remote, [run()]);
  expect(fs.existsSync(run())).toBe(false);
});

it('is whole after the session was killed while it was made', async () => {
  await sync();
  const taking = take();
  await eventually(() => fs.existsSync(run()), 'the first step of the snapshot');
  client.server.cutSessions();
  await taking;
  expect(contents(join(run(), 'src'))).toEqual(contents(local));
  await eventually(() => fs.readdirSync(run()).length === 1, 'the end of the first attempt');
});

it.each([4, 24, 300])('says so when the disk is full after %s KiB', async (kibibytes) => {
  await sync();
  const runs = join(places.own, 'runs');
  fs.mkdirSync(runs);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${String(kibibytes)}k`, 'tmpfs', runs]);
  try {
    await expect(take()).rejects.toMatchObject({ reason: 'diskFull' });
    expect(fs.existsSync(join(run(), 'src'))).toBe(false);
    execFileSync('mount', ['-o', 'remount,size=8m', runs]);
    await take();
    // Another file system: the large file is copied.
    expect(contents(join(run(), 'src'))).toEqual(contents(local));
  } finally {
    execFileSync('umount', [runs]);
  }
});

it.each(['dash', 'bash'])('is made alike when sh is %s', async (shell) => {
  await sync();
  const manifest = join(places.project, '.furo/manifest.json');
  const { files } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as {
    files: Record<string, { sha256: string; size: number }>;
  };
  const listed = Object.entries(files).map(([path, { sha256, size }]) => ({ path, sha256, size, isExecutable: false })); // prettier-ignore
  const lists: SnapshotLists = {
    small: listed.filter(({ size }) => size < large.length),
    large: listed.filter(({ size }) => size >= large.length),
    folders: ['', ...Array.from({ length: 9 }, (_, n) => `d${String(n)}`)],
  };
  fs.writeFileSync(join(places.project, 'd1/only there'), 'x');
  const { project, store } = places;
  const script = makeScript({ project, store, run: run() }, lists, { token: 'a', canLink: true });
  const { status, stdout, stderr } = spawnSync(shell, ['-s'], { input: script, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
  expect(contents(join(run(), 'src'))).toEqual(contents(local));
  expect(fs.readlinkSync(join(run(), 'src/d1/only there'))).toBe(join(project, 'd1/only there'));
});
