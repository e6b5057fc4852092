// Makes a remote project folder equal to the local one: changed files only, nothing deleted that is not ours.
import { sleep, systemClock } from '../base/clock';
import { isFailure, type Failure } from '../base/failure';
import { BulkRun, canRunInBulk } from './bulkRun';
import { Contents } from './contents';
import { IgnoreRules } from './ignoreRules';
import { DEFAULT_LIMITS, readLocalTree, type LocalTree } from './localTree';
import type { Manifest } from './manifest';
import {
  pathsToCompare,
  planSync,
  type HashedFile,
  type PlanInput,
  type RemoteFact,
  type SyncPlan,
} from './plan';
import { foldersOf, readRemoteState, type RemoteState } from './remoteState';
import { hashRemote } from './remoteTree';
import { lastManifest } from './seenManifests';
import type { SyncDone, SyncNotes, SyncOptions, SyncSummary } from './syncOptions';
import { SyncRun } from './syncRun';

export type { SyncNotes, SyncOptions, SyncProgress, SyncSummary } from './syncOptions';

/**
 * The other side may change while a plan is made: another window, or a command of a cut run that still works. So may
 * this side, when an editor saves or a formatter runs.
 */
const MAX_TRIES = 4;
const REST_MS = 300;

/**
 * Syncs once. Rejects with a Failure of `sync/failures.ts` or `ssh/failures.ts`, or with the signal's reason. Whenever
 * it is cut, every remote file is the old or the new one, and the next run goes on from there.
 */
export function syncProject(options: SyncOptions): Promise<SyncSummary & SyncNotes> {
  const steps = { ...options, ...askingOnce(options.confirmRemovals) };
  const earlier: SyncDone[] = [];
  return untilStill(options.signal, () => syncOnce(steps, earlier));
}

/** Does the work anew while it returns that a side changed under it; at last throws what it returned. */
async function untilStill<T extends object>(
  signal: AbortSignal | undefined,
  work: () => Promise<T | Failure>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const outcome = await work();
    if (!isFailure(outcome)) return outcome;
    if (tries === MAX_TRIES) throw outcome;
    await sleep(systemClock, REST_MS, signal);
  }
}

/** Returns the Failure that says that a side has changed, and throws every other error. */
function changeOf(error: unknown): Failure {
  if (isFailure(error, 'localFileChanged') || isFailure(error, 'remoteBusy')) return error;
  throw error;
}

async function syncOnce(
  options: SyncOptions,
  earlier: SyncDone[],
): Promise<(SyncSummary & SyncNotes) | Failure> {
  const project = await planProject(options);
  try {
    const plan = await confirmed(options, project);
    const run = runFor(options, project, plan);
    const summary = await run.finish(project.tree).catch(changeOf);
    if (!isFailure(summary))
      return { ...inAll(summary, plan, earlier), ...notesOf(project, options.needed) };
    earlier.push(run.done);
    return summary;
  } finally {
    await project.dispose();
  }
}

/** A person who has answered for these files is not asked again. */
function askingOnce(confirm: SyncOptions['confirmRemovals']): Pick<SyncOptions, 'confirmRemovals'> {
  if (!confirm) return {};
  const answers = new Map<string, Promise<boolean>>();
  return {
    confirmRemovals: (paths) => {
      const key = paths.join('\0');
      const answer = answers.get(key) ?? confirm(paths);
      answers.set(key, answer);
      return answer;
    },
  };
}

/** By commands where the machine can, each of which does all or nothing; else file by file over SFTP. */
function runFor(options: SyncOptions, { remote }: ProjectPlan, plan: SyncPlan): BulkRun | SyncRun {
  const { manifest, listing, tree } = remote;
  return listing && canRunInBulk(plan, listing)
    ? new BulkRun(options, { plan, manifest, tree, listing })
    : new SyncRun(options, { plan, manifest, remote: tree });
}

/** A person hears of what the tries before the last one did, too. */
function inAll(last: SyncSummary, plan: SyncPlan, earlier: readonly SyncDone[]): SyncSummary {
  if (earlier.length === 0) return last;
  const sent = new Set(earlier.flatMap(({ uploaded }) => uploaded));
  const unchanged = [...plan.unchanged.keys()].filter((path) => !sent.has(path)).length;
  for (const { path } of plan.uploads) sent.add(path);
  const sum = (of: (done: SyncDone) => number): number =>
    earlier.reduce((total, done) => total + of(done), 0);
  return {
    ...last,
    uploaded: sent.size,
    removed: last.removed + sum(({ removed }) => removed),
    unchanged,
    bytes: last.bytes + sum(({ bytes }) => bytes),
    kept: [...earlier.flatMap(({ kept }) => kept), ...last.kept],
  };
}

/** More removals than usual happen only after a yes. */
async function confirmed(options: SyncOptions, { plan, replan }: ProjectPlan): Promise<SyncPlan> {
  const many = plan.kept.filter(({ why }) => why === 'manyRemovals').map(({ path }) => path);
  if (many.length === 0 || !options.confirmRemovals) return plan;
  const isYes = await options.confirmRemovals(many);
  options.signal?.throwIfAborted();
  return isYes ? replan({ areRemovalsConfirmed: true }) : plan;
}

export interface ProjectPlan {
  readonly plan: SyncPlan;
  /** With the reason for each file, where a rule speaks of it, and what is left out. */
  readonly tree: LocalTree;
  readonly remote: RemoteState;
  /** The same, with an answer that was not known before. */
  readonly replan: (answer: Pick<PlanInput, 'areRemovalsConfirmed'>) => SyncPlan;
  /** Removes the copies of scripts that would go up changed. */
  readonly dispose: () => Promise<void>;
}

/** Plans one sync, anew while local files change under it. The caller disposes of the result. */
export function planProject(options: SyncOptions): Promise<ProjectPlan> {
  return untilStill(options.signal, () => planOnce(options).catch(changeOf));
}

async function planOnce(options: SyncOptions): Promise<ProjectPlan> {
  const contents = new Contents({ nowMs: Date.now(), signal: options.signal });
  try {
    return await gather(options, contents);
  } catch (error) {
    await contents.dispose();
    throw error;
  }
}

async function gather(options: SyncOptions, contents: Contents): Promise<ProjectPlan> {
  const { localFolder, signal } = options;
  const rules = new IgnoreRules(options);
  const limits = options.limits ?? DEFAULT_LIMITS;
  const walk = readLocalTree(localFolder, rules, { limits, signal });
  const folders = walk.then(({ files }) => foldersOf(files.map((file) => file.path)));
  folders.catch(() => undefined);
  const answered = new AbortController();
  const listing = readRemoteState(options, folders).finally(() => {
    answered.abort();
  });
  // The sync before tells what need not be read; without one, reading is time well spent while a command answers.
  if (options.exec && !lastManifest(options.files, options.remoteFolder))
    walk.then(({ files }) => contents.readAhead(files, answered.signal)).catch(() => undefined);
  const [tree, remote] = await Promise.all([walk, listing]);
  const { manifest } = remote;
  const local = await contents.hash(tree.files, manifest.files);
  const facts = await withHashes(options, { local, manifest, remote: remote.tree.entries });
  const isExcluded = (path: string): boolean => rules.ignoresDeep(path);
  const { folders: foldersThere, strays } = remote.tree;
  const input = { local, manifest, remote: facts, folders: foldersThere, strays, isExcluded };
  return {
    plan: planSync(input),
    tree,
    remote,
    replan: (answer) => planSync({ ...input, ...answer }),
    dispose: () => contents.dispose(),
  };
}

/** What a person should know of a plan beside its numbers. */
function notesOf({ plan, tree }: ProjectPlan, needed: readonly string[] = []): SyncNotes {
  const missing = needed.filter((item) => {
    const wanted = item.normalize('NFC').replace(/\/+$/, '');
    return !tree.files.some(({ path }) => path === wanted || path.startsWith(`${wanted}/`));
  });
  return {
    missing,
    spared: tree.files.flatMap(({ path, verdict: { because, rule } }) =>
      because === 'needed' && rule ? [{ path, rule }] : [],
    ),
    normalised: plan.uploads.filter((file) => file.isNormalised).map(({ path }) => path),
    purged: plan.purged,
  };
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
