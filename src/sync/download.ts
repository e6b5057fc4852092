// Brings a remote folder here. Whatever names the server sends, nothing is written outside the local folder.
import { lstat, lutimes, mkdir, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFailure } from '../base/failure';
import { sshFailure } from '../ssh/failures';
import { joinRemote, type RemoteEntry, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { TEMPORARY_PREFIX } from '../ssh/remoteFiles';
import { areSame, isEdited, moveAside, sweepStrays } from './editedHere';
import { syncFailure } from './failures';
import { inLocalFolder } from './localFolder';
import { nameKey, nameProblem, type NameProblem } from './localNames';
import { inPool } from './pool';

export interface DownloadOptions {
  readonly files: RemoteFiles;
  readonly remoteFolder: RemotePath;
  /** Created when missing. */
  readonly localFolder: string;
  /** Only these entries of the folder; a missing one is left out. All by default. */
  readonly names?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export interface DownloadProgress {
  readonly filesDone: number;
  /** Grows while folders are being listed. */
  readonly filesTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Below the folder, `/` between parts. */
  readonly currentPath: string;
}

/** An entry that was not brought. `linkInTheWay`: a local link or file stands where its folder must be. */
export interface SkippedEntry {
  readonly path: string;
  readonly why: NameProblem | 'notAFile' | 'tooDeep' | 'linkInTheWay' | 'permissionDenied' | 'gone';
  /** The entry that has the same name here. */
  readonly other?: string;
}

/** What a person should know after a download; paths below the folder. */
export interface DownloadNotes {
  readonly skipped: readonly SkippedEntry[];
  /** Files that somebody had edited here, each with the name that the edited one has now. */
  readonly keptAside: readonly { readonly path: string; readonly copy: string }[];
}

export interface DownloadSummary extends DownloadNotes {
  /** Number of files. */
  readonly files: number;
  readonly bytes: number;
}

const DOWNLOADS_AT_ONCE = 16;
const MAX_DEPTH = 32;
/** A server, or a job, that made more files than this did not make results for a person. */
const MAX_FILES = 20_000;

/**
 * Downloads all files at and below the folder, with their times. Local files of the same names are replaced, those that
 * were edited here under another name; others stay.
 */
export async function downloadFolder(options: DownloadOptions): Promise<DownloadSummary> {
  const { localFolder, signal } = options;
  signal?.throwIfAborted();
  await mkdir(localFolder, { recursive: true, mode: 0o700 });
  const run = new DownloadRun(options, await realpath(localFolder));
  return run.finish();
}

interface RemoteFile {
  readonly path: string;
  readonly from: RemotePath;
  /** Names of the folders below the local one, and the file's own. */
  readonly to: readonly string[];
  readonly size: number;
  readonly mtimeSeconds: number;
}

interface Place {
  readonly path: string;
  readonly from: RemotePath;
  readonly to: readonly string[];
}

class DownloadRun {
  readonly #found: RemoteFile[] = [];
  readonly #skipped: SkippedEntry[] = [];
  readonly #keptAside: { path: string; copy: string }[] = [];
  #filesDone = 0;
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(
    private readonly options: DownloadOptions,
    private readonly root: string,
  ) {}

  async finish(): Promise<DownloadSummary> {
    const { remoteFolder, signal } = this.options;
    await this.#folder({ path: '', from: remoteFolder, to: [] });
    await inPool(this.#found, DOWNLOADS_AT_ONCE, signal, (file) => this.#file(file));
    return {
      files: this.#filesDone,
      bytes: this.#bytesDone,
      skipped: this.#skipped,
      keptAside: this.#keptAside,
    };
  }

  async #folder(at: Place): Promise<void> {
    const { files, names, signal } = this.options;
    const isTop = at.to.length === 0;
    await inLocalFolder(this.root, at.to, sweepStrays);
    const wanted = isTop && names ? new Set(names) : undefined;
    const seen = new Map<string, string>();
    for (const entry of await files.list(at.from, signal)) {
      if (entry.name.startsWith(TEMPORARY_PREFIX) || wanted?.has(entry.name) === false) continue;
      const path = isTop ? entry.name : `${at.path}/${entry.name}`;
      const problem = nameProblem(entry.name, seen);
      if (problem === 'collides')
        this.#skipped.push({ path, why: problem, other: seen.get(nameKey(entry.name)) ?? '' });
      else if (problem) this.#skip(path, problem);
      else await this.#entry(entry, { ...at, path });
    }
  }

  /** `at` is the folder of the entry, with the path of the entry itself. */
  async #entry(entry: RemoteEntry, at: Place): Promise<void> {
    const from = joinRemote(at.from, entry.name);
    const to = [...at.to, entry.name];
    if (entry.kind === 'folder') {
      if (at.to.length >= MAX_DEPTH) this.#skip(at.path, 'tooDeep');
      else if (await inLocalFolder(this.root, to, () => Promise.resolve(true)))
        await this.#folder({ path: at.path, from, to });
      else this.#skip(at.path, 'linkInTheWay');
      return;
    }
    // A link counts as what it leads to, if that is a file; a folder behind it may be anything.
    const { files, signal } = this.options;
    const found = entry.kind === 'link' ? await files.stat(from, signal) : entry;
    if (found?.kind !== 'file') this.#skip(at.path, 'notAFile');
    else {
      const { size, mtimeSeconds } = found;
      this.#add({ path: at.path, from, to, size, mtimeSeconds });
    }
  }

  #add(file: RemoteFile): void {
    this.#found.push(file);
    this.#bytesTotal += file.size;
    if (this.#found.length <= MAX_FILES) return;
    const { remoteFolder: largest } = this.options;
    throw syncFailure('tooManyFiles', { files: this.#found.length, maxFiles: MAX_FILES, largest });
  }

  async #file(file: RemoteFile): Promise<void> {
    try {
      const isDone = await inLocalFolder(this.root, file.to.slice(0, -1), (folder) =>
        this.#fetch(file, folder),
      );
      if (isDone === true) this.#filesDone += 1;
      else this.#skip(file.path, 'linkInTheWay');
    } catch (error) {
      if (isFailure(error, 'noSuchFile')) this.#skip(file.path, 'gone');
      else if (isFailure(error, 'permissionDenied')) this.#skip(file.path, 'permissionDenied');
      else throw error;
    }
    this.#tell(file.path);
  }

  /** False when a folder has the file's name. */
  async #fetch(file: RemoteFile, folder: string): Promise<boolean> {
    const name = file.to.at(-1) ?? '';
    const target = join(folder, name);
    const standing = await lstat(target).catch(() => undefined);
    if (standing?.isDirectory()) return false;
    if (!standing?.isFile() || !isEdited(standing, file.mtimeSeconds)) {
      await this.#receive(file, target);
      return true;
    }
    const copy = await moveAside(folder, name, standing);
    const aside = join(folder, copy);
    try {
      await this.#receive(file, target);
    } catch (error) {
      await rename(aside, target);
      throw error;
    }
    if (await areSame(aside, target)) await rm(aside);
    else this.#keptAside.push({ path: file.path, copy: [...file.to.slice(0, -1), copy].join('/') });
    return true;
  }

  async #receive(file: RemoteFile, target: string): Promise<void> {
    const { files, signal } = this.options;
    try {
      await files.download(file.from, target, {
        ...(signal && { signal }),
        onBytes: (bytes) => (this.#bytesDone += bytes),
      });
    } catch (error) {
      if (!isFailure(error, 'localFileFailed')) throw error;
      // A person knows the file by its place, not by the open folder.
      const path = join(this.root, ...file.to);
      throw sshFailure('localFileFailed', { ...error.values, path }, error);
    }
    // By this an edit is told from what came; some network drives refuse it.
    await lutimes(target, file.mtimeSeconds, file.mtimeSeconds).catch(() => undefined);
  }

  #skip(path: string, why: SkippedEntry['why']): void {
    this.#skipped.push({ path, why });
  }

  #tell(currentPath: string): void {
    this.options.onProgress?.({
      filesDone: this.#filesDone,
      filesTotal: this.#found.length,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      currentPath,
    });
  }
}
