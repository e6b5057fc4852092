// Does what a plan says over SFTP alone: folders, copies, uploads, removals, and the manifest before and after. Decides nothing.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFailure, type Failure } from '../base/failure';
import { joinRemote, remotePath, type RemotePath } from '../ssh/remote';
import { syncFailure } from './failures';
import type { LocalTree } from './localTree';
import {
  isSameManifest,
  MANIFEST_PATH,
  renderManifest,
  SENT_AGE_SECONDS,
  type Manifest,
  type ManifestFile,
} from './manifest';
import { orderOfRemovals } from './moves';
import { entryFor, type HashedFile, type RemoteFact, type SyncPlan } from './plan';
import { inPool } from './pool';
import { foldersOf, readManifest } from './remoteState';
import type { RemoteTree } from './remoteTree';
import type { SyncDone, SyncOptions, SyncSummary } from './syncOptions';

/** Small files wait for round trips, so many go at once. */
const UPLOADS_AT_ONCE = 32;
const PROGRESS_BYTES = 256 * 1024;
const STRAY_AGE_SECONDS = 600;

/** The acting part of one sync. */
export class SyncRun {
  readonly #uploaded = new Map<string, ManifestFile>();
  readonly #bytesTotal: number;
  #removed = 0;
  #bytesDone = 0;
  #bytesTold = 0;
  #currentPath = '';
  /** What must lie there when it is stored again. */
  #manifest: Manifest;
  /** The time of what is sent. */
  #mtimeSeconds: number | undefined;

  constructor(
    private readonly options: SyncOptions,
    private readonly known: { plan: SyncPlan; manifest: Manifest; remote: RemoteTree },
  ) {
    this.#manifest = known.manifest;
    this.#bytesTotal = known.plan.uploads.reduce((sum, file) => sum + file.size, 0);
  }

  /** Throws `remoteBusy` or `localFileChanged` when a side changed since the plan was made: another plan may do. */
  async finish(tree: LocalTree): Promise<SyncSummary> {
    try {
      return await this.#finish(tree);
    } catch (error) {
      if (isFailure(error, 'remoteBusy') || isFailure(error, 'localFileChanged'))
        await this.#recordDone();
      throw error;
    }
  }

  get done(): SyncDone {
    return {
      uploaded: [...this.#uploaded.keys()],
      removed: this.#removed,
      bytes: this.#bytesDone,
      kept: this.known.plan.kept.filter(
        ({ path, copy }) => copy !== undefined && this.#uploaded.has(path),
      ),
    };
  }

  async #finish(tree: LocalTree): Promise<SyncSummary> {
    const { plan, manifest } = this.known;
    const { signal } = this.options;
    const isQuiet = plan.uploads.length === 0 && plan.removals.length === 0;
    if (!isQuiet) {
      await this.#announce();
      const { removedFirst, emptied, removedLast } = orderOfRemovals(plan);
      await this.#remove(removedFirst);
      for (const folder of emptied) await this.#removeFolder(folder);
      await this.#makeFolders(foldersOf(plan.uploads.map((file) => file.path)));
      await this.#keepCopies();
      this.#tell();
      await inPool(plan.uploads, UPLOADS_AT_ONCE, signal, (file) => this.#upload(file));
      await this.#remove(removedLast);
    }
    const files = new Map([...plan.unchanged, ...plan.carried, ...this.#uploaded]);
    const after: Manifest = { files, pending: new Map() };
    const isNew = !isQuiet || !isSameManifest(after, manifest);
    // Pending files tell where leftovers lie, so they are forgotten last.
    if (isQuiet && isNew && this.known.remote.strays.length > 0)
      await this.#store({ files, pending: manifest.pending });
    await this.#sweep();
    if (isNew) await this.#store(after);
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
    const { plan, manifest } = this.known;
    const uploads = plan.uploads.map((file) => [file.path, entryFor(file)] as const);
    await this.#store({ files: plan.found, pending: new Map([...manifest.pending, ...uploads]) });
    const nowSeconds = await this.#storedSeconds();
    if (nowSeconds > 0) this.#mtimeSeconds = nowSeconds - SENT_AGE_SECONDS;
  }

  /** So that the next plan need not read back what has come; where another window stores, it must. */
  async #recordDone(): Promise<void> {
    const { plan } = this.known;
    if (this.#uploaded.size === 0) return;
    const open = plan.uploads.filter((file) => !this.#uploaded.has(file.path));
    await this.#store({
      files: new Map([...plan.found, ...this.#uploaded]),
      pending: new Map(open.map((file) => [file.path, entryFor(file)])),
    }).catch((error: unknown) => {
      if (!isFailure(error)) throw error;
    });
  }

  /** Another window may have stored its own since ours was read; written over, its files would be nobody's. */
  async #store(manifest: Manifest): Promise<void> {
    const { files, signal } = this.options;
    if (!isSameManifest(await readManifest(this.options), this.#manifest)) throw this.#busy();
    await this.#writable(MANIFEST_PATH, async () => {
      await files.makeFolder(this.#at('.furo'), signal);
      await files.write(this.#at(MANIFEST_PATH), renderManifest(manifest), signal && { signal });
    });
    this.#manifest = manifest;
  }

  /** When the manifest was written, by the clock of its file system; 0 when that is not told. */
  async #storedSeconds(): Promise<number> {
    const { files, signal } = this.options;
    return (await files.stat(this.#at(MANIFEST_PATH), signal))?.mtimeSeconds ?? 0;
  }

  async #remove(paths: readonly string[]): Promise<void> {
    const { files, signal } = this.options;
    await inPool(paths, UPLOADS_AT_ONCE, signal, async (path) => {
      const found = await files.stat(this.#at(path), signal);
      if (found) this.#checkPlanned(path, found);
      await files.remove(this.#at(path), signal);
      this.#removed += 1;
    });
  }

  /** One that is not empty any more stays, and another plan is made. */
  async #removeFolder(path: string): Promise<void> {
    const { files, signal } = this.options;
    await files.remove(this.#at(path), signal).catch((error: unknown) => {
      throw isFailure(error, 'remoteFileFailed') ? this.#busy() : error;
    });
  }

  /** The plan may be an hour old: an edit there since then must not be replaced or removed without a copy. */
  #checkPlanned(path: string, found: RemoteFact | undefined): void {
    const { plan, remote } = this.known;
    const planned = plan.emptied.includes(path) ? undefined : remote.entries.get(path);
    const isPlanned =
      found?.kind === planned?.kind &&
      found?.size === planned?.size &&
      found?.mtimeSeconds === planned?.mtimeSeconds;
    if (!isPlanned) throw this.#busy();
  }

  #busy(): Error {
    return syncFailure('remoteBusy', { path: this.options.remoteFolder });
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
        ...(this.#mtimeSeconds !== undefined && { mtimeSeconds: this.#mtimeSeconds }),
        ...(signal && { signal }),
        // The copy of a script has a time of its own.
        expected: { size: file.size, mtimeMs: file.isNormalised ? 0 : file.mtimeMs },
        checkTarget: (found) => {
          this.#checkPlanned(file.path, found);
        },
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
      if (isFailure(error, 'permissionDenied'))
        throw syncFailure('remoteNotWritable', { path: this.#at(path), detail: '' }, error);
      if (isFailure(error, 'remoteFileFailed') && error.values['operation'] === 'makeFolder')
        throw await this.#folderFailure(error);
      throw error;
    }
  }

  /** The server says no more than "Failure"; what stands in the way, if anything, tells the rest. */
  async #folderFailure(failure: Failure): Promise<Error> {
    const { files, remoteFolder, signal } = this.options;
    const { path = '', detail = '' } = failure.values;
    let at = remotePath(String(path));
    let found = await files.stat(at, signal);
    while (!found && at !== '/') {
      at = joinRemote(at, '..');
      found = await files.stat(at, signal);
    }
    return found?.kind === 'file'
      ? syncFailure('remoteInTheWay', { path: remoteFolder, detail: at }, failure)
      : syncFailure('remoteNotWritable', { path, detail }, failure);
  }

  /** Removes unfinished files of earlier runs; the manifest was just written, so its time is the server's now. */
  async #sweep(): Promise<void> {
    const { files, signal, strayAgeSeconds = STRAY_AGE_SECONDS } = this.options;
    const { strays } = this.known.remote;
    if (strays.length === 0) return;
    const now = await this.#storedSeconds();
    const old = strays.filter((stray) => now - stray.mtimeSeconds >= strayAgeSeconds);
    await inPool(old, UPLOADS_AT_ONCE, signal, ({ path }) => files.remove(this.#at(path), signal));
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
