// The files of the local project that belong on the machine, with hashes where needed. Knows nothing remote.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { syncFailure } from './failures';
import { IGNORE_FILES, type IgnoreRules } from './ignoreRules';
import type { ManifestFile } from './manifest';
import type { HashedFile } from './plan';
import { inPool } from './pool';

/** A local file as the walk saw it. */
export interface LocalFile {
  /** Below the project folder, `/` between parts, NFC: macOS stores other forms. */
  readonly path: string;
  readonly localPath: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly isExecutable: boolean;
}

/** A project has source, prompts and inputs; a data set or a model cache in it is an accident. */
export interface SyncLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

export const DEFAULT_LIMITS: SyncLimits = { maxFiles: 20_000, maxBytes: 2 * 1024 ** 3 };

export interface LocalTree {
  readonly files: readonly LocalFile[];
  /** Links that lead out of the project or nowhere; not sent. */
  readonly skippedLinks: readonly string[];
}

export interface WalkOptions {
  readonly limits: SyncLimits;
  readonly signal?: AbortSignal | undefined;
}

/** Hashes at once; more would only wait for the disk. */
const HASHERS = 8;
/** A file changed so shortly before it was read may change again without a new time (git's "racily clean"). */
const RACY_MS = 2_000;
const MEGABYTE = 1024 * 1024;

/** Walks the folder and fills `rules` from the ignore files on the way. */
export async function readLocalTree(
  folder: string,
  rules: IgnoreRules,
  options: WalkOptions,
): Promise<LocalTree> {
  const root = await realpath(folder).catch(() => undefined);
  const found = root === undefined ? undefined : await stat(root);
  if (root === undefined || !found?.isDirectory())
    throw syncFailure('localFolderMissing', { path: folder });
  const walk = new Walk(root, rules, options);
  await walk.folder(root, '', [root]);
  return { files: walk.files, skippedLinks: walk.skippedLinks };
}

class Walk {
  readonly files: LocalFile[] = [];
  readonly skippedLinks: string[] = [];
  readonly #names = new Map<string, string>();
  readonly #weights = new Map<string, { files: number; bytes: number }>();
  #bytes = 0;

  constructor(
    private readonly root: string,
    private readonly rules: IgnoreRules,
    private readonly options: WalkOptions,
  ) {}

  /** `trail` holds the real paths of the folders above, so that a link cannot lead in a circle. */
  async folder(localFolder: string, path: string, trail: readonly string[]): Promise<void> {
    this.options.signal?.throwIfAborted();
    const entries = await readdir(localFolder, { withFileTypes: true }).catch((error: unknown) => {
      throw unreadable(localFolder, error);
    });
    await this.#addRules(localFolder, path, new Set(entries.map((entry) => entry.name)));
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const localPath = join(localFolder, entry.name);
      const below = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) await this.#enter(localPath, below, trail);
      else if (entry.isSymbolicLink()) await this.#link(localPath, below, trail);
      else if (entry.isFile()) await this.#file(localPath, below);
    }
  }

  async #addRules(localFolder: string, path: string, names: ReadonlySet<string>): Promise<void> {
    for (const name of IGNORE_FILES) {
      if (!names.has(name)) continue;
      const text = await readFile(join(localFolder, name), 'utf8').catch(() => '');
      this.rules.add(path, text);
    }
  }

  async #enter(localPath: string, path: string, trail: readonly string[]): Promise<void> {
    if (this.rules.ignores(path, true)) return;
    this.#checkName(path);
    await this.folder(localPath, path, [...trail, localPath]);
  }

  /** A link is followed when it stays inside: the other side gets what it leads to. */
  async #link(localPath: string, path: string, trail: readonly string[]): Promise<void> {
    const target = await realpath(localPath).catch(() => undefined);
    const found = target === undefined ? undefined : await stat(target).catch(() => undefined);
    if (this.rules.ignores(path, found?.isDirectory() ?? false)) return;
    const isInside = target?.startsWith(this.root + sep) ?? false;
    const isCircle = trail.some((folder) => folder === target);
    if (target === undefined || !isInside || isCircle) this.skippedLinks.push(path);
    else if (found?.isDirectory()) await this.#enter(target, path, [...trail, target]);
    else if (found?.isFile()) await this.#file(target, path);
  }

  async #file(localPath: string, path: string): Promise<void> {
    if (this.rules.ignores(path, false)) return;
    const found = await stat(localPath).catch(() => undefined);
    // It vanished since the folder was read.
    if (!found) return;
    this.files.push({
      path: this.#checkName(path),
      localPath,
      size: found.size,
      mtimeMs: found.mtimeMs,
      isExecutable: (found.mode & 0o111) !== 0,
    });
    this.#weigh(path, found.size);
  }

  /** The name as it will be there. Throws for one that no Linux file system can hold, and for two that become one. */
  #checkName(path: string): string {
    const normal = path.normalize('NFC');
    const name = normal.slice(normal.lastIndexOf('/') + 1);
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(name) || Buffer.byteLength(name) > 255)
      throw syncFailure('nameNotPortable', { path, detail: 'characters or length' });
    const other = this.#names.get(normal);
    if (other !== undefined && other !== path)
      throw syncFailure('nameNotPortable', { path, detail: other });
    this.#names.set(normal, path);
    return normal;
  }

  #weigh(path: string, size: number): void {
    const top = path.split('/', 1)[0] ?? path;
    const before = this.#weights.get(top) ?? { files: 0, bytes: 0 };
    this.#weights.set(top, { files: before.files + 1, bytes: before.bytes + size });
    this.#bytes += size;
    const { maxFiles, maxBytes } = this.options.limits;
    if (this.files.length > maxFiles)
      throw syncFailure('tooManyFiles', {
        files: this.files.length,
        maxFiles,
        largest: this.#heaviest('files'),
      });
    if (this.#bytes > maxBytes)
      throw syncFailure('tooManyBytes', {
        megabytes: Math.ceil(this.#bytes / MEGABYTE),
        maxMegabytes: Math.floor(maxBytes / MEGABYTE),
        largest: this.#heaviest('bytes'),
      });
  }

  #heaviest(by: 'files' | 'bytes'): string {
    const all = [...this.#weights];
    return all.reduce(
      (a, b) => (b[1][by] > a[1][by] ? b : a),
      all[0] ?? ['', { files: 0, bytes: 0 }],
    )[0];
  }
}

/**
 * Adds the hash of each file; a file whose size and time are as the manifest recorded is not read again.
 * `nowMs` is the time before the walk began.
 */
export async function hashFiles(
  files: readonly LocalFile[],
  recorded: ReadonlyMap<string, ManifestFile>,
  options: { readonly nowMs: number; readonly signal?: AbortSignal | undefined },
): Promise<HashedFile[]> {
  const hashed: HashedFile[] = [];
  await inPool(files, HASHERS, options.signal, async (file) => {
    const { path, size, mtimeMs } = file;
    const entry = recorded.get(path);
    const isKnown = entry?.size === size && entry.localMtimeMs === mtimeMs;
    const content = isKnown
      ? { sha256: entry.sha256, isScript: (entry.mode & 0o100) !== 0 }
      : await readContent(file.localPath, options.signal);
    const isExecutable = process.platform === 'win32' ? content.isScript : file.isExecutable;
    const isRacy = mtimeMs > options.nowMs - RACY_MS;
    hashed.push({
      path,
      localPath: file.localPath,
      size,
      sha256: content.sha256,
      mtimeMs: isRacy ? 0 : mtimeMs,
      mode: isExecutable ? 0o700 : 0o600,
    });
  });
  return hashed.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** `isScript`: the content starts with `#!`, which stands for the executable bit where files have none (Windows). */
async function readContent(
  localPath: string,
  signal: AbortSignal | undefined,
): Promise<{ sha256: string; isScript: boolean }> {
  const hash = createHash('sha256');
  let start = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(localPath, { highWaterMark: MEGABYTE })) {
      signal?.throwIfAborted();
      const bytes = chunk as Buffer;
      if (start.length < 2) start = Buffer.concat([start, bytes.subarray(0, 2)]);
      hash.update(bytes);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(localPath, error);
  }
  return { sha256: hash.digest('hex'), isScript: start.toString('latin1', 0, 2) === '#!' };
}

function unreadable(path: string, error: unknown): Error {
  const detail = (error as NodeJS.ErrnoException).code ?? String(error);
  return syncFailure('localUnreadable', { path, detail }, error);
}
