// A long plan as several short ones, and what lies there after each. Pure: values only.
import { SMALL_BYTES } from './contents';
import type { ManifestFile } from './manifest';
import { orderOfRemovals } from './moves';
import { entryFor, type HashedFile, type SyncPlan } from './plan';
import { foldersOf } from './remoteState';
import type { RemoteTree } from './remoteTree';

/** Small files of one command together: what a cut loses, at most. */
const BATCH_BYTES = 64 * 1024 * 1024;

/** Small files in their order; with the last of them goes everything else. */
export function inBatches(plan: SyncPlan, batchBytes = BATCH_BYTES): readonly SyncPlan[] {
  const groups = grouped(plan.uploads.filter(isSmall), batchBytes);
  const last = groups.pop() ?? [];
  if (groups.length === 0) return [plan];
  const removals = new Set(plan.removals);
  const first = groups.map((uploads) => {
    const { removedFirst } = orderOfRemovals({ ...plan, uploads, removals: [...removals] });
    for (const path of removedFirst) removals.delete(path);
    return part(plan, uploads, removedFirst);
  });
  const large = plan.uploads.filter((file) => !isSmall(file));
  return [...first, part(plan, [...last, ...large], [...removals])];
}

/** The others go over SFTP on two channels, which can go on after a cut. */
export function isSmall(file: HashedFile): boolean {
  return file.size < SMALL_BYTES;
}

function grouped(files: readonly HashedFile[], limitBytes: number): HashedFile[][] {
  const groups: HashedFile[][] = [];
  let bytes = Infinity;
  for (const file of files) {
    if (bytes + file.size > limitBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(file);
    bytes += file.size;
  }
  return groups;
}

function part(
  plan: SyncPlan,
  uploads: readonly HashedFile[],
  removals: readonly string[],
): SyncPlan {
  const paths = new Set(uploads.map((file) => file.path));
  const kept = plan.kept.filter(({ path }) => paths.has(path));
  return { ...plan, uploads, removals, kept };
}

/** What lies there, and what of it is ours. */
export interface Standing {
  readonly found: ReadonlyMap<string, ManifestFile>;
  readonly tree: RemoteTree;
}

/** The same when a batch is done, whose files have this time. */
export function standingAfter(
  { found, tree }: Standing,
  { uploads, removals }: SyncPlan,
  mtimeSeconds: number,
): Standing {
  const ours = new Map(found);
  const entries = new Map(tree.entries);
  for (const path of removals) {
    ours.delete(path);
    entries.delete(path);
  }
  for (const file of uploads) {
    const fact = { kind: 'file', size: file.size, mode: file.mode, mtimeSeconds } as const;
    ours.set(file.path, entryFor(file, fact));
    entries.set(file.path, fact);
  }
  const folders = new Set([...tree.folders, ...foldersOf(uploads.map((file) => file.path))]);
  return { found: ours, tree: { entries, folders, strays: tree.strays } };
}
