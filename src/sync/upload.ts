// Makes a remote project folder equal to the local one: changed files only, nothing deleted that is not ours.
import { BulkRun, canRunInBulk } from './bulkRun';
import { syncFailure } from './failures';
import { IgnoreRules } from './ignoreRules';
import { DEFAULT_LIMITS, hashFiles, readLocalTree } from './localTree';
import type { Manifest } from './manifest';
import { pathsToCompare, planSync, type HashedFile, type RemoteFact } from './plan';
import { foldersOf, readRemoteState } from './remoteState';
import { hashRemote } from './remoteTree';
import type { SyncOptions, SyncSummary } from './syncOptions';
import { SyncRun } from './syncRun';

export type { SyncOptions, SyncProgress, SyncSummary } from './syncOptions';

/** The other side may change while a plan is made: another window, or a command of a cut run that still works. */
const MAX_TRIES = 4;

/**
 * Syncs once. Rejects with a Failure of `sync/failures.ts` or `ssh/failures.ts`, or with the signal's reason. Whenever
 * it is cut, every remote file is the old or the new one, and the next run goes on from there.
 */
export async function syncProject(options: SyncOptions): Promise<SyncSummary> {
  for (let tries = 1; ; tries++) {
    const summary = await syncOnce(options);
    if (summary) return summary;
    if (tries === MAX_TRIES) throw syncFailure('remoteBusy', { path: options.remoteFolder });
  }
}

/** Undefined when the other side changed under the plan: a new plan must see the change. */
async function syncOnce(options: SyncOptions): Promise<SyncSummary | undefined> {
  const { localFolder, signal } = options;
  const rules = new IgnoreRules(options);
  const nowMs = Date.now();
  const limits = options.limits ?? DEFAULT_LIMITS;
  const walk = readLocalTree(localFolder, rules, { limits, signal });
  const folders = walk.then((tree) => foldersOf(tree.files.map((file) => file.path)));
  folders.catch(() => undefined);
  const [tree, remote] = await Promise.all([walk, readRemoteState(options, folders)]);
  const { manifest, listing } = remote;
  const local = await hashFiles(tree.files, manifest.files, { nowMs, signal });
  const facts = await withHashes(options, { local, manifest, remote: remote.tree.entries });
  const isExcluded = (path: string): boolean => rules.ignoresDeep(path);
  const plan = planSync({ local, manifest, remote: facts, isExcluded });
  if (listing && canRunInBulk(plan, listing))
    return new BulkRun(options, { plan, manifest, tree: remote.tree, listing }).finish(tree);
  return new SyncRun(options, { plan, manifest, remote: remote.tree }).finish(tree);
}

async function withHashes(
  options: SyncOptions,
  known: {
    local: readonly HashedFile[];
    manifest: Manifest;
    remote: ReadonlyMap<string, RemoteFact>;
  },
): Promise<ReadonlyMap<string, RemoteFact>> {
  const { files, exec, remoteFolder: root, signal } = options;
  const doubtful = pathsToCompare(known).map((path) => ({
    path,
    size: known.remote.get(path)?.size ?? 0,
  }));
  if (doubtful.length === 0) return known.remote;
  const hashes = await hashRemote({ files, exec, root }, doubtful, signal);
  const facts = new Map(known.remote);
  for (const [path, sha256] of hashes) {
    const fact = facts.get(path);
    if (fact) facts.set(path, { ...fact, sha256 });
  }
  return facts;
}
