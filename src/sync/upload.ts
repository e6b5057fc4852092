// Makes a remote project folder equal to the local one: changed files only, nothing deleted that is not ours.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFailure } from '../base/failure';
import { joinRemote, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { syncFailure } from './failures';
import { IgnoreRules } from './ignoreRules';
import {
  DEFAULT_LIMITS,
  hashFiles,
  readLocalTree,
  type LocalTree,
  type SyncLimits,
} from './localTree';
import {
  EMPTY_MANIFEST,
  MANIFEST_PATH,
  parseManifest,
  renderManifest,
  type Manifest,
  type ManifestFile,
} from './manifest';
import {
  entryFor,
  pathsToCompare,
  planSync,
  type HashedFile,
  type KeptFile,
  type RemoteFact,
  type SyncPlan,
} from './plan';
import { inPool } from './pool';
import { hashRemote, readRemoteTree, type Exec, type RemoteTree } from './remoteTree';

export interface SyncOptions {
  readonly files: RemoteFiles;
  /** Lets the machine hash its own files; without it doubtful files are read back. */
  readonly exec?: Exec;
  readonly localFolder: string;
  readonly remoteFolder: RemotePath;
  /** Lines in .gitignore's language. */
  readonly exclude: readonly string[];
  /** Paths below the local folder that the job needs, sent whatever .gitignore says. */
  readonly include?: readonly string[];
  /** Guards against sending a data set by accident; 20,000 files and 2 GiB by default. */
  readonly limits?: SyncLimits;
  /** Unfinished files older than this are leftovers of a cut; default 600. */
  readonly strayAgeSeconds?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SyncProgress) => void;
}

/** Told after each file and about every 256 KiB. Counts are of what must be sent, not of the whole project. */
export interface SyncProgress {
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Below the project folder; '' before the first file. */
  readonly currentPath: string;
}

export interface SyncSummary {
  /** Numbers of files. */
  readonly uploaded: number;
  readonly removed: number;
  readonly unchanged: number;
  /** Bytes sent. */
  readonly bytes: number;
  /** Remote files that were not simply replaced or removed; tell the person. */
  readonly kept: readonly KeptFile[];
  /** Local links that lead out of the project; not sent. */
  readonly skippedLinks: readonly string[];
}

/** Small files wait for round trips, so many go at once. */
const UPLOADS_AT_ONCE = 32;
const PROGRESS_BYTES = 256 * 1024;
const STRAY_AGE_SECONDS = 600;

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

/** All folders above the paths, '' left out. */
function foldersOf(paths: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (const path of paths)
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
      folders.add(path.slice(0, at));
  return folders;
}

/** The acting part of one sync. */
class SyncRun {
  readonly #uploaded = new Map<string, ManifestFile>();
  readonly #bytesTotal: number;
  #bytesDone = 0;
  #bytesTold = 0;
  #currentPath = '';

  constructor(
    private readonly options: SyncOptions,
    private readonly known: { plan: SyncPlan; manifest: Manifest; remote: RemoteTree },
  ) {
    this.#bytesTotal = known.plan.uploads.reduce((sum, file) => sum + file.size, 0);
  }

  async finish(tree: LocalTree): Promise<SyncSummary> {
    const { plan, manifest } = this.known;
    const { signal } = this.options;
    const isQuiet = plan.uploads.length === 0 && plan.removals.length === 0;
    if (!isQuiet) {
      await this.#announce();
      // A file of ours may stand where a folder must be.
      const folders = foldersOf(plan.uploads.map((file) => file.path));
      await this.#remove(plan.removals.filter((path) => folders.has(path)));
      await this.#makeFolders(folders);
      await this.#keepCopies();
      this.#tell();
      await inPool(plan.uploads, UPLOADS_AT_ONCE, signal, (file) => this.#upload(file));
      await this.#remove(plan.removals.filter((path) => !folders.has(path)));
    }
    const files = new Map([...plan.unchanged, ...plan.carried, ...this.#uploaded]);
    const after: Manifest = { files, pending: new Map() };
    if (!isQuiet || renderManifest(after) !== renderManifest(manifest)) await this.#store(after);
    await this.#sweep();
    return {
      uploaded: this.#uploaded.size,
      removed: plan.removals.length,
      unchanged: plan.unchanged.size,
      bytes: this.#bytesDone,
      kept: plan.kept,
      skippedLinks: tree.skippedLinks,
    };
  }

  /** Before the first byte: after a cut the next run must know which files may be ours. */
  async #announce(): Promise<void> {
    const { plan } = this.known;
    const pending = new Map(plan.uploads.map((file) => [file.path, entryFor(file)]));
    await this.#writable(MANIFEST_PATH, () =>
      this.options.files.makeFolder(this.#at('.furo'), this.options.signal),
    );
    await this.#store({ files: plan.found, pending });
  }

  async #store(manifest: Manifest): Promise<void> {
    const { files, signal } = this.options;
    await this.#writable(MANIFEST_PATH, () =>
      files.write(this.#at(MANIFEST_PATH), renderManifest(manifest), signal && { signal }),
    );
  }

  async #remove(paths: readonly string[]): Promise<void> {
    const { files, signal } = this.options;
    await inPool(paths, UPLOADS_AT_ONCE, signal, (path) => files.remove(this.#at(path), signal));
  }

  async #makeFolders(needed: ReadonlySet<string>): Promise<void> {
    const { files, signal } = this.options;
    const missing = [...needed].filter((folder) => !this.known.remote.folders.has(folder));
    const leaves = missing.filter(
      (folder) => !missing.some((other) => other.startsWith(`${folder}/`)),
    );
    await inPool(leaves, UPLOADS_AT_ONCE, signal, (folder) =>
      this.#writable(folder, () => files.makeFolder(this.#at(folder), signal)),
    );
  }

  /** Brings a foreign version aside before ours takes its name; through this computer, as SFTP cannot copy. */
  async #keepCopies(): Promise<void> {
    const { files, signal } = this.options;
    const steps = signal && { signal };
    for (const { path, copy } of this.known.plan.kept) {
      if (copy === undefined) continue;
      const folder = await mkdtemp(join(tmpdir(), 'furo-kept-'));
      try {
        await files.download(this.#at(path), join(folder, 'copy'), steps);
        await files.upload(join(folder, 'copy'), this.#at(copy), steps);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
  }

  async #upload(file: HashedFile): Promise<void> {
    const { files, signal } = this.options;
    this.#currentPath = file.path;
    const target = this.#at(file.path);
    await this.#writable(file.path, () =>
      files.upload(file.localPath, target, {
        mode: file.mode,
        ...(signal && { signal }),
        onBytes: (bytes) => {
          this.#bytesDone += bytes;
          if (this.#bytesDone - this.#bytesTold >= PROGRESS_BYTES) this.#tell();
        },
      }),
    );
    const found = await files.stat(target, signal);
    // Without its time the entry stays doubtful, and the next run compares the content.
    const isWhole = found?.kind === 'file' && found.size === file.size;
    this.#uploaded.set(file.path, entryFor(file, isWhole ? found : undefined));
    this.#tell();
  }

  async #writable<T>(path: string, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (!isFailure(error, 'permissionDenied')) throw error;
      throw syncFailure('remoteNotWritable', { path: this.#at(path), detail: '' }, error);
    }
  }

  /** Removes unfinished files of earlier runs; the manifest was just written, so its time is the server's now. */
  async #sweep(): Promise<void> {
    const { files, signal, strayAgeSeconds = STRAY_AGE_SECONDS } = this.options;
    const { strays } = this.known.remote;
    if (strays.length === 0) return;
    const now = (await files.stat(this.#at(MANIFEST_PATH), signal))?.mtimeSeconds ?? 0;
    const old = strays.filter((stray) => now - stray.mtimeSeconds >= strayAgeSeconds);
    await this.#remove(old.map((stray) => stray.path));
  }

  #tell(): void {
    const { uploads } = this.known.plan;
    this.#bytesTold = this.#bytesDone;
    this.options.onProgress?.({
      filesDone: this.#uploaded.size,
      filesTotal: uploads.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      currentPath: this.#currentPath,
    });
  }

  #at(path: string): RemotePath {
    return joinRemote(this.options.remoteFolder, path);
  }
}
