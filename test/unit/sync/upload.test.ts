// Any order of local edits, remote edits, cuts and syncs: nothing foreign is lost, and a sync ends equal.
import fc from 'fast-check';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import { remotePath } from '../../../src/ssh/remote';
import { syncProject } from '../../../src/sync/upload';
import { FolderFiles } from './folderFiles';

const name = fc.constantFrom('a', 'b', 'd/c', 'd/e');
const step = fc.oneof(
  fc.record({ kind: fc.constant('editHere' as const), name }),
  fc.record({ kind: fc.constant('removeHere' as const), name }),
  fc.record({ kind: fc.constant('editThere' as const), name }),
  fc.record({ kind: fc.constant('sync' as const), cutAfter: fc.integer({ min: 0, max: 14 }) }),
  fc.record({ kind: fc.constant('sync' as const), cutAfter: fc.constant(Infinity) }),
);

/** All contents of files below a folder, by path; our own state left out. */
function contents(folder: string, below = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of fs.readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.name === '.furo') continue;
    if (entry.isDirectory()) for (const [k, v] of contents(folder, path)) found.set(k, v);
    else found.set(path, fs.readFileSync(join(folder, path), 'utf8'));
  }
  return found;
}

class World {
  readonly root = fs.mkdtempSync(join(tmpdir(), 'furo-model-'));
  readonly local = join(this.root, 'local');
  readonly there = join(this.root, 'remote', 'project');
  readonly files = new FolderFiles(join(this.root, 'remote'));
  /** Every text that somebody wrote on the machine: it must survive, under whatever name. */
  readonly foreign = new Set<string>();
  #ticks = 0;

  constructor() {
    for (const folder of [this.local, this.there]) fs.mkdirSync(folder, { recursive: true });
  }

  /** Writes a text never used before; each edit happens in a second of its own, as people's do. */
  edit(root: string, path: string, who: string): string {
    const text = `${who} ${(this.#ticks += 1).toString().padStart(6, '0')}`;
    const file = join(root, path);
    fs.mkdirSync(join(file, '..'), { recursive: true });
    const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    if (root === this.there) this.foreign.delete(before);
    fs.writeFileSync(file, text);
    const time = 1_600_000_000 + this.#ticks;
    fs.utimesSync(file, time, time);
    return text;
  }

  async sync(cutAfter: number) {
    this.files.changesLeft = cutAfter;
    try {
      return await syncProject({
        files: this.files,
        localFolder: this.local,
        remoteFolder: remotePath('/project'),
        exclude: [],
        strayAgeSeconds: 0,
      });
    } catch (error) {
      if (!isFailure(error, 'connectionLost')) throw error;
      return undefined;
    }
  }
}

it('never loses a remote edit, never leaves a torn file, and syncs twice to nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const world = new World();
      try {
        for (const action of steps) {
          if (action.kind === 'editHere') world.edit(world.local, action.name, 'here ');
          else if (action.kind === 'removeHere')
            fs.rmSync(join(world.local, action.name), { force: true });
          else if (action.kind === 'editThere')
            world.foreign.add(world.edit(world.there, action.name, 'there'));
          else await world.sync(action.cutAfter);
          const texts = [...contents(world.there).values()];
          for (const text of world.foreign) expect(texts).toContain(text);
          for (const text of texts) expect(text).toMatch(/^(here |there) \d{6}$/);
        }
        const last = await world.sync(Infinity);
        const kept = new Set(last?.kept.filter((k) => k.copy === undefined).map((k) => k.path));
        const there = contents(world.there);
        for (const [path, text] of contents(world.local))
          if (!kept.has(path)) expect(there.get(path)).toBe(text);
        for (const path of there.keys()) expect(path).not.toContain('.furo-tmp-');
        const again = await world.sync(Infinity);
        expect(again).toMatchObject({ uploaded: 0, removed: 0, bytes: 0 });
      } finally {
        fs.rmSync(world.root, { recursive: true, force: true });
      }
    }),
    { numRuns: 150 },
  );
});
