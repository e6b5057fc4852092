// Makes a remote project folder equal to the local one: changed files only, nothing deleted that is not ours.
import { isFailure } from '../base/failure';
import { joinRemote, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { IgnoreRules } from './ignoreRules';
import { DEFAULT_LIMITS, hashFiles, readLocalTree } from './localTree';
import { EMPTY_MANIFEST, MANIFEST_PATH, parseManifest, type Manifest } from './manifest';
import { pathsToCompare, planSync, type HashedFile, type RemoteFact } from './plan';
import { hashRemote, readRemoteTree } from './remoteTree';
import type { SyncOptions, SyncSummary } from './syncOptions';
import { foldersOf, SyncRun } from './syncRun';

export type { SyncOptions, SyncProgress, SyncSummary } from './syncOptions';

/**
 * Syncs once. Rejects with a Failure of `sync/failures.ts` or `ssh/failures.ts`, or with the signal's reason. Whenever
 * it is cut, every remote file is the old or the new one, and the next run goes on from there.
 */
export async function syncProject(options: SyncOptions): Promise<SyncSummary> {
  const { files, remoteFolder, localFolder, signal } = options;
  const rules = new IgnoreRules(options);
  const nowMs = Date.now();
  const limits = options.limits ?? DEFAULT_LIMITS;
  const [tree, manifest] = await Promise.all([
    readLocalTree(localFolder, rules, { limits, signal }),
    readManifest(files, remoteFolder, signal),
  ]);
  const wanted = foldersOf([
    ...tree.files.map((file) => file.path),
    ...manifest.files.keys(),
    ...manifest.pending.keys(),
  ]);
  const [local, remote] = await Promise.all([
    hashFiles(tree.files, manifest.files, { nowMs, signal }),
    readRemoteTree(files, remoteFolder, wanted, signal),
  ]);
  const facts = await withHashes(options, { local, manifest, remote: remote.entries });
  const isExcluded = (path: string): boolean => rules.ignoresDeep(path);
  const plan = planSync({ local, manifest, remote: facts, isExcluded });
  const run = new SyncRun(options, { plan, manifest, remote });
  return run.finish(tree);
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

async function readManifest(
  files: RemoteFiles,
  root: RemotePath,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const path = joinRemote(root, MANIFEST_PATH);
  try {
    return parseManifest((await files.read(path, undefined, signal)).toString('utf8'), path);
  } catch (error) {
    if (isFailure(error, 'noSuchFile')) return EMPTY_MANIFEST;
    throw error;
  }
}
