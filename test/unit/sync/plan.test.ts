// What a sync decides where no generated history leads by itself: purges, many removals, Windows, collisions.
import { expect, it } from 'vitest';
import type { Manifest, ManifestFile } from '../../../src/sync/manifest';
import { maxRemovals, planSync, type HashedFile, type RemoteFact } from '../../../src/sync/plan';

const entry: ManifestFile = {
  size: 1,
  sha256: 'a'.repeat(64),
  mode: 0o600,
  localMtimeMs: 1,
  remoteMtimeSeconds: 5,
};
const there: RemoteFact = { kind: 'file', size: 1, mtimeSeconds: 5, mode: 0o600 };

function here(path: string, changes: Partial<HashedFile> = {}): HashedFile {
  const { size, sha256, mode } = entry;
  return { path, localPath: `/p/${path}`, size, sha256, mode, mtimeMs: 1, ...changes };
}

function plan(
  local: readonly HashedFile[],
  recorded: readonly string[],
  remote: ReadonlyMap<string, RemoteFact>,
  areRemovalsConfirmed = false,
) {
  const files = new Map(recorded.map((path) => [path, entry]));
  const manifest: Manifest = { files, pending: new Map() };
  return planSync({ local, manifest, remote, isExcluded: () => false, areRemovalsConfirmed });
}

it('sends a file again that was purged, and says so; a new one is not called purged', () => {
  const { uploads, purged } = plan([here('old'), here('new')], ['old'], new Map());
  expect(uploads.map(({ path }) => path)).toEqual(['old', 'new']);
  expect(purged).toEqual(['old']);
});

it.each([
  [1, 5],
  [24, 5],
  [30, 6],
  [100, 20],
  [250, 50],
  [100_000, 50],
])('of %i files of ours at most %i go without a question', (ours, allowed) => {
  expect(maxRemovals(ours)).toBe(allowed);
  const paths = Array.from({ length: ours }, (_, index) => `f${index}`);
  const remote = new Map(paths.map((path) => [path, there]));
  const without = (count: number) => paths.slice(count).map((path) => here(path));
  expect(plan(without(Math.min(ours, allowed)), paths, remote).removals).toHaveLength(
    Math.min(ours, allowed),
  );
  if (ours <= allowed) return;
  const many = plan(without(allowed + 1), paths, remote);
  expect(many.removals).toEqual([]);
  expect(many.kept).toHaveLength(allowed + 1);
  expect(many.kept.every(({ why }) => why === 'manyRemovals')).toBe(true);
  expect([...many.carried.keys()]).toHaveLength(allowed + 1);
  expect(plan(without(allowed + 1), paths, remote, true).removals).toHaveLength(allowed + 1);
});

it('asks about as many removals after a no as before, of what a cut upload left too', () => {
  const paths = Array.from({ length: 6 }, (_, index) => `f${index}`);
  const sha256 = 'c'.repeat(64);
  const remote = new Map(paths.map((path) => [path, { ...there, sha256 }]));
  const pending = new Map(paths.map((path) => [path, { ...entry, sha256, remoteMtimeSeconds: 1 }]));
  const input = { local: [], remote, isExcluded: () => false };
  const first = planSync({ ...input, manifest: { files: new Map(), pending } });
  const files = new Map(first.carried);
  const second = planSync({ ...input, manifest: { files, pending: new Map() } });
  for (const { kept, removals } of [first, second]) {
    expect(kept.map(({ why }) => why)).toEqual(paths.map(() => 'manyRemovals'));
    expect(removals).toEqual([]);
  }
});

it('keeps the executable bit that is set there when the file comes from Windows', () => {
  const remote = new Map([['tool', { ...there, mode: 0o700 }]]);
  const sha256 = 'b'.repeat(64);
  const changed = here('tool', { sha256, keepsExecutable: true });
  expect(plan([changed], ['tool'], remote).uploads).toMatchObject([{ mode: 0o700, sha256 }]);
  const fromLinux = here('tool', { sha256 });
  expect(plan([fromLinux], ['tool'], remote).uploads).toMatchObject([{ mode: 0o600 }]);
});
