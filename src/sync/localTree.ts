// The files of the local project that belong on the machine, and what is left out by which rule. Knows nothing remote.
import * as fs from 'node:fs';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { sshFailure } from '../ssh/failures';
import { syncFailure } from './failures';
import { readOuterIgnoreFiles } from './outerIgnore';
import { IGNORE_FILES, type IgnoreRules, type Rule, type Verdict } from './ignoreRules';

/** A local file as the walk saw it. */
export interface LocalFile {
  /** Below the project folder, `/` between parts, NFC: macOS stores other forms. */
  readonly path: string;
  readonly localPath: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly isExecutable: boolean;
  /** Why it is sent, where a rule speaks of it. */
  readonly verdict: Verdict;
}

/** A file or folder that a rule leaves out; of a folder, only what was sent from inside is told apart. */
export interface LeftOut {
  readonly path: string;
  readonly isFolder: boolean;
  readonly rule: Rule;
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
  readonly leftOut: readonly LeftOut[];
}

export interface WalkOptions {
  readonly limits: SyncLimits;
  readonly signal?: AbortSignal | undefined;
}

const MEGABYTE = 1024 * 1024;
/** A third of the time of its namesake in fs/promises, which counts with thousands of files. */
const stat = promisify(fs.stat);
/** Files of a folder looked at before it is their turn; the limits stop a huge folder at its first files too many. */
const LOOKS_AHEAD = 32;
/** What a link that leads nowhere answers. */
const LEADS_NOWHERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);
/** Stands for bytes of a name that are no UTF-8. */
const REPLACED = '\ufffd';

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
  rules.setOuter(await readOuterIgnoreFiles(root));
  const walk = new Walk(root, rules, options);
  await walk.folder(root, '', { trail: [root] });
  const { files, skippedLinks, leftOut } = walk;
  return { files, skippedLinks, leftOut: leftOut.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** What the folders above say to what is below. */
interface Above {
  /** Their real paths, so that a link cannot lead in a circle. */
  readonly trail: readonly string[];
  /** The rule that leaves them out, when they are walked only for what is needed inside. */
  readonly rule?: Rule | undefined;
}

class Walk {
  readonly files: LocalFile[] = [];
  readonly skippedLinks: string[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly #names = new Map<string, string>();
  readonly #weights = new Map<string, { files: number; bytes: number }>();
  #bytes = 0;

  constructor(
    private readonly root: string,
    private readonly rules: IgnoreRules,
    private readonly options: WalkOptions,
  ) {}

  async folder(localFolder: string, path: string, above: Above): Promise<void> {
    this.options.signal?.throwIfAborted();
    const entries = await readdir(localFolder, { withFileTypes: true }).catch((error: unknown) => {
      throw goneOrUnreadable(localFolder, error);
    });
    // Git follows no link here, and a folder of this name is no list of rules.
    const plain = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    await this.#addRules(localFolder, path, new Set(plain));
    // Some ahead: a file alone waits for its disk or its network drive.
    const started: (() => Promise<void>)[] = [];
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (started.length === LOOKS_AHEAD) await started.shift()?.();
      started.push(this.#start(entry, localFolder, path, above));
    }
    for (const take of started) await take();
  }

  /** Begins to look at an entry of a folder; the result takes it in. */
  #start(entry: fs.Dirent, localFolder: string, path: string, above: Above): () => Promise<void> {
    const localPath = join(localFolder, entry.name);
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.isFile()) return this.#file(localPath, below, above);
    if (entry.isDirectory()) return () => this.#enter(localPath, below, above);
    if (entry.isSymbolicLink()) return () => this.#link(localPath, below, above);
    return () => Promise.resolve();
  }

  async #addRules(localFolder: string, path: string, names: ReadonlySet<string>): Promise<void> {
    for (const name of IGNORE_FILES) {
      if (!names.has(name)) continue;
      const file = join(localFolder, name);
      const text = await readFile(file, 'utf8').catch((error: unknown) => {
        // Without its rules, what they keep here would be sent.
        throw goneOrUnreadable(file, error);
      });
      this.rules.add(asGitSees(path), name, text);
    }
  }

  /** The verdict, with what is left out noted. */
  #judge(path: string, isFolder: boolean, above: Above): Verdict {
    const verdict = this.rules.judge(asGitSees(path), isFolder, above.rule);
    // Below an opened folder only what is sent is of interest.
    if (!verdict.isSent && verdict.rule && !above.rule)
      this.leftOut.push({ path, isFolder, rule: verdict.rule });
    return verdict;
  }

  async #enter(localPath: string, path: string, above: Above): Promise<void> {
    const { isSent, isOpened, rule } = this.#judge(path, true, above);
    if (!isSent && isOpened !== true) return;
    this.#checkName(path);
    if (path.includes(REPLACED) && !(await this.#look(localPath))) throw unnameable(path);
    const trail = [...above.trail, localPath];
    await this.folder(localPath, path, { trail, rule: isSent ? undefined : rule });
  }

  /** A link is followed when it stays inside: the other side gets what it leads to. */
  async #link(localPath: string, path: string, above: Above): Promise<void> {
    const target = await this.#target(localPath, path, above);
    const isInside = target?.startsWith(this.root + sep) ?? false;
    const looking = target === undefined ? undefined : this.#look(target);
    const found = await (isInside ? looking : looking?.catch(() => undefined));
    const isFolder = found?.isDirectory() ?? false;
    const isCircle = above.trail.some((folder) => folder === target);
    if (target !== undefined && isInside && !isCircle) {
      if (isFolder) await this.#enter(target, path, above);
      else if (found?.isFile()) await this.#file(target, path, above)();
    } else if (this.#judge(path, isFolder, above).isSent) this.skippedLinks.push(path);
  }

  /** Where a link leads; undefined for nowhere, and for a place outside that is closed. */
  async #target(localPath: string, path: string, above: Above): Promise<string | undefined> {
    try {
      return await realpath(localPath);
    } catch (error) {
      if (LEADS_NOWHERE.has(codeOf(error))) return undefined;
      const named = await readlink(localPath).catch(() => '');
      const isInside = resolve(dirname(localPath), named).startsWith(this.root + sep);
      const isWanted = isInside && this.rules.judge(asGitSees(path), false, above.rule).isSent;
      if (isWanted) throw unreadable(localPath, error);
      return undefined;
    }
  }

  #file(localPath: string, path: string, above: Above): () => Promise<void> {
    const verdict = this.#judge(path, false, above);
    if (!verdict.isSent) return () => Promise.resolve();
    const looking = this.#look(localPath);
    // It is awaited in its turn.
    looking.catch(() => undefined);
    return async () => {
      this.options.signal?.throwIfAborted();
      const found = await looking;
      if (!found && path.includes(REPLACED)) throw unnameable(path);
      // It vanished since the folder was read.
      if (!found) return;
      this.files.push({
        path: this.#checkName(path),
        localPath,
        size: found.size,
        mtimeMs: found.mtimeMs,
        isExecutable: (found.mode & 0o111) !== 0,
        verdict,
      });
      this.#weigh(path, found.size);
    };
  }

  /** Undefined only for what is gone: anything else that cannot be looked at would be removed there. */
  #look(localPath: string): Promise<fs.Stats | undefined> {
    return stat(localPath).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw unreadable(localPath, error);
    });
  }

  /** The name as it will be there. Throws for one that no Linux file system can hold, and for two that become one. */
  #checkName(path: string): string {
    const normal = path.normalize('NFC');
    const name = normal.slice(normal.lastIndexOf('/') + 1);
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(name) || Buffer.byteLength(name) > 255)
      throw syncFailure('nameNotPortable', { path, detail: 'characters or length' });
    const other = this.#names.get(normal);
    if (other !== undefined && other !== path) throw syncFailure('namesCollide', { path, other });
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

/** Git composes the names that macOS stores decomposed before it asks its rules (core.precomposeUnicode). */
function asGitSees(path: string): string {
  return process.platform === 'darwin' ? path.normalize('NFC') : path;
}

function unreadable(path: string, error: unknown): Error {
  const detail = codeOf(error) || String(error);
  return syncFailure('localUnreadable', { path, detail }, error);
}

/** What was there when the folder above was read has gone: the sync plans again. */
function goneOrUnreadable(path: string, error: unknown): Error {
  const isGone = codeOf(error) === 'ENOENT';
  return isGone ? sshFailure('localFileChanged', { path }, error) : unreadable(path, error);
}

/** Its bytes are lost in the text that this computer gives for it, so it cannot be opened by it. */
function unnameable(path: string): Error {
  return syncFailure('nameNotPortable', { path, detail: 'not UTF-8' });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
