// What a sync decides where no generated history leads by itself: purges, many removals, Windows, collisions.
import { describe, expect, it } from 'vitest';
import {
  parseManifest,
  renderManifest,
  type Manifest,
  type ManifestFile,
} from '../../../src/sync/manifest';
import {
  maxRemovals,
  planSync,
  type HashedFile,
  type PlanInput,
  type RemoteFact,
} from '../../../src/sync/plan';

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
  expect(plan(without(allowed), paths, remote).removals).toHaveLength(allowed);
  const many = plan(without(allowed + 1), paths, remote);
  expect(many.removals).toEqual([]);
  expect(many.kept).toHaveLength(allowed + 1);
  expect(many.kept.every(({ why }) => why === 'manyRemovals')).toBe(true);
  expect([...many.carried.keys()]).toHaveLength(allowed + 1);
  expect(plan(without(allowed + 1), paths, remote, true).removals).toHaveLength(allowed + 1);
});

it.each([
  [['f0'], [], []],
  [['f0', 'f1'], [], []],
  [['f0', 'f1'], ['other'], ['f0', 'f1']],
  [['f0', 'f1'], ['f1', 'other'], ['f0']],
  [['f0'], ['renamed'], ['f0']],
])('of %j with %j left here removes %j without a question', (ours, left, expected) => {
  const local = left.map((path) => here(path));
  const remote = new Map(ours.map((path) => [path, there]));
  const { removals, kept } = plan(local, ours, remote);
  expect(removals).toEqual(expected);
  const asked = expected.length > 0 ? [] : ours.map((path) => ({ path, why: 'manyRemovals' }));
  expect(kept).toEqual(asked);
  expect(plan(local, ours, remote, true).removals).toEqual(ours.filter((path) => !left.includes(path))); // prettier-ignore
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

describe('what stands where a file must be', () => {
  const folder: RemoteFact = { kind: 'folder', size: 1, mtimeSeconds: 5 };
  const link: RemoteFact = { kind: 'link', size: 1, mtimeSeconds: 5 };
  const other: RemoteFact = { kind: 'other', size: 1, mtimeSeconds: 5 };

  function step(
    local: string,
    remote: Readonly<Record<string, RemoteFact>>,
    more: Partial<PlanInput> & { ours?: readonly string[] } = {},
  ) {
    const files = new Map((more.ours ?? []).map((path) => [path, entry]));
    const input = { manifest: { files, pending: new Map() }, isExcluded: () => false, ...more };
    const all = new Map(Object.entries(remote));
    const { uploads, kept, removals, emptied } = planSync({
      ...input,
      local: [here(local), here('stays')],
      remote: all.set('stays', there),
      manifest: { files: new Map(files).set('stays', entry), pending: new Map() },
    });
    return { sent: uploads.map(({ path }) => path), kept, removals, emptied };
  }

  const refused = (path: string) => ({
    sent: [],
    kept: [{ path, why: 'inTheWay' }],
    removals: [],
    emptied: [],
  });

  it('keeps what is no folder where a folder must be, at any depth', () => {
    for (const fact of [there, other]) {
      expect(step('d/x', { d: fact })).toEqual(refused('d/x'));
      expect(step('d/e/f/x', { d: folder, 'd/e': fact })).toEqual(refused('d/e/f/x'));
    }
    expect(step('d/x', { d: link }, { folders: new Set() })).toEqual(refused('d/x'));
    expect(step('d/x', { d: link }, { folders: new Set(['d']) }).sent).toEqual(['d/x']);
    expect(step('d/x', { d: folder }).sent).toEqual(['d/x']);
  });

  it('removes a file of ours where a folder must be', () => {
    const { sent, kept, removals } = step('d/x', { d: there }, { ours: ['d'] });
    expect({ sent, kept, removals }).toEqual({ sent: ['d/x'], kept: [], removals: ['d'] });
  });

  it('replaces a folder of ours, whatever its depth, by a file', () => {
    const ours = ['d/a', 'd/e/f/b'];
    const remote = { d: folder, 'd/a': there, 'd/e': folder, 'd/e/f': folder, 'd/e/f/b': there };
    expect(step('d', remote, { ours })).toEqual({
      sent: ['d'],
      kept: [],
      removals: ours,
      emptied: ['d/e/f', 'd/e', 'd'],
    });
    expect(step('x', remote, { ours }).emptied).toEqual([]);
  });

  it.each([
    ['a file', { 'd/e/theirs': there }, []],
    ['an empty folder', { 'd/g': folder }, []],
    ['a link', { 'd/g': link }, []],
    ['an unfinished file', {}, [{ path: 'd/e/.furo-tmp-1' }]],
  ])('keeps a folder with %s that is not ours', (_, more: Record<string, RemoteFact>, strays) => {
    const remote = { d: folder, 'd/e': folder, 'd/e/b': there, ...more };
    expect(step('d', remote, { ours: ['d/e/b'], strays })).toEqual({
      ...refused('d'),
      removals: ['d/e/b'],
    });
  });

  it('replaces a folder that a cut run has emptied', () => {
    const { sent, emptied } = step('d', { d: folder, 'd/e': folder }, { ours: ['d/e/b'] });
    expect({ sent, emptied }).toEqual({ sent: ['d'], emptied: ['d/e', 'd'] });
  });

  it('keeps an empty folder, which may be anybody’s', () => {
    expect(step('d', { d: folder })).toEqual(refused('d'));
  });
});

describe('a file that the rules leave out for a while', () => {
  const edited: RemoteFact = { ...there, mtimeSeconds: 9 };

  /** What is recorded after a sync that does as planned, read as the next one reads it. */
  function after(
    local: readonly HashedFile[],
    manifest: Manifest,
    remote: RemoteFact,
    isOut: boolean,
  ) {
    const made = planSync({
      local: [...local, here('stays')],
      manifest,
      remote: new Map([['a', remote], ['stays', there]]), // prettier-ignore
      isExcluded: (path) => isOut && path === 'a',
    });
    const files = new Map([...made.unchanged, ...made.carried]);
    return { made, next: parseManifest(renderManifest({ files, pending: new Map() }), 'm') };
  }

  const files = new Map([['a', entry], ['stays', entry]]); // prettier-ignore
  const { made, next } = after([], { files, pending: new Map() }, there, true);
  const newer = here('a', { sha256: 'b'.repeat(64) });

  it('stays as it is there, told apart from what belongs to a run', () => {
    expect(made).toMatchObject({ removals: [], kept: [], uploads: [] });
    expect(next.files.get('a')).toEqual({ ...entry, isLeftOut: true });
    expect(next.files.get('stays')).toEqual(entry);
    expect(after([], next, there, true).next).toEqual(next);
  });

  it('is ours again afterwards: an edit here is no conflict, and no edit is nothing', () => {
    expect(after([newer], next, there, false).made).toMatchObject({ uploads: [newer], kept: [] });
    const { made: same, next: again } = after([here('a')], next, there, false);
    expect(same).toMatchObject({ uploads: [], kept: [] });
    expect(again.files.get('a')).toEqual(entry);
  });

  it('is not removed there although it is gone here when the rules let it in', () => {
    const { made: gone, next: again } = after([], next, there, false);
    expect(gone).toMatchObject({ removals: [], kept: [] });
    expect(again).toEqual(next);
  });

  it('that is edited there meanwhile is theirs, in the run too', () => {
    const { made: theirs, next: again } = after([here('a')], next, edited, false);
    expect(theirs.kept).toEqual([{ path: 'a', why: 'changedRemotely' }]);
    expect(again.files.get('a')).toEqual(entry);
    expect(after([newer], next, edited, false).made.kept).toMatchObject([{ why: 'bothChanged' }]);
    expect(after([], next, edited, true).next.files.has('a')).toBe(false);
  });
});

describe('the name of a kept version', () => {
  const theirs: RemoteFact = { ...there, sha256: 'd'.repeat(64), size: 2 };
  const copies = (path: string, more: readonly string[] = []) =>
    plan([here(path)], [], new Map([[path, theirs], ...more.map((each) => [each, there] as const)]))
      .kept.map(({ copy }) => copy); // prettier-ignore

  it('is a free one', () => {
    const first = 'a/b.remote-19700101-000005.py';
    expect(copies('a/b.py')).toEqual([first]);
    expect(copies('a/b.py', [first])).toEqual(['a/b.remote-19700101-000005-2.py']);
    const second = copies('a/b.py', [first])[0] ?? '';
    expect(copies('a/b.py', [first, second])).toEqual(['a/b.remote-19700101-000005-3.py']);
  });

  it.each([
    ['漢'.repeat(84), '.py'],
    ['x'.repeat(252), '.py'],
    ['a', `.${'漢'.repeat(80)}`],
    ['😀'.repeat(63), ''],
  ])('is short enough for a file: %s%s', (stem, ending) => {
    const [copy = ''] = copies(`漢/${stem}${ending}`);
    const name = copy.slice(copy.indexOf('/') + 1);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(Buffer.byteLength(name)).toBeGreaterThan(250);
    expect(name).toMatch(/\.remote-19700101-000005(?:\.py)?$/);
    expect(name).not.toContain('\ufffd');
    expect(Buffer.from(name).toString()).toBe(name);
  });

  it('is another for each of two long names', () => {
    const paths = ['1', '2'].map((end) => `${'x'.repeat(250)}${end}`);
    const { kept } = plan(paths.map((path) => here(path)), [], new Map(paths.map((path) => [path, theirs]))); // prettier-ignore
    expect(new Set(kept.map(({ copy }) => copy)).size).toBe(2);
  });
});
