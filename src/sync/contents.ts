// What local files hold: hashes, and scripts with Windows line ends as they must be on the machine. Knows nothing remote.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isFailure } from '../base/failure';
import { sshFailure } from '../ssh/failures';
import { syncFailure } from './failures';
import type { LocalFile } from './localTree';
import type { ManifestFile } from './manifest';
import type { HashedFile } from './plan';
import { inPool } from './pool';

/** Files read at once; more would only wait for the disk. */
const READERS = 32;
/** A file changed so shortly before it was read may change again without a new time (git's "racily clean"). */
const RACY_MS = 2_000;
const MEGABYTE = 1024 * 1024;
const PART_BYTES = MEGABYTE / 4;
/** Together; what was read to be hashed need not be read again to be sent. */
const KEPT_BYTES = 32 * MEGABYTE;
/** Git, too, calls a file binary that has a NUL in its first part. */
const HEAD_BYTES = 8 * 1024;
/** No script that a person wrote is longer. */
const MAX_SCRIPT_BYTES = 4 * MEGABYTE;

/** Files from here on are read and sent in parts; smaller ones are whole in memory. */
export const SMALL_BYTES = 256 * 1024;

/** A private folder for files that go up other than they are here; made when the first one is needed. */
class Scratch {
  #folder: Promise<string> | undefined;
  #count = 0;

  /** Writes the content under a name of its own and returns its path. */
  async put(content: Buffer): Promise<string> {
    this.#folder ??= mkdtemp(join(tmpdir(), 'furo-sent-'));
    const path = join(await this.#folder, String((this.#count += 1)));
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  async remove(): Promise<void> {
    const folder = await this.#folder;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

export interface ContentOptions {
  /** The time before the walk began. */
  readonly nowMs: number;
  readonly platform?: NodeJS.Platform;
  readonly signal?: AbortSignal | undefined;
}

/** Reads the files of one sync, a small one only once as long as there is room. The owner disposes of it. */
export class Contents {
  readonly #scratch = new Scratch();
  readonly #read = new Map<string, Promise<Content>>();
  #keptBytes = 0;

  constructor(private readonly options: ContentOptions) {}

  /** Small files before it is known which ones need no reading; ends with the signal, and never rejects. */
  async readAhead(files: readonly LocalFile[], enough: AbortSignal): Promise<void> {
    const small = files.filter((file) => file.size < SMALL_BYTES);
    // What fails here fails again when it is needed.
    await inPool(small, READERS, enough, async (file) => {
      await this.#content(file).catch(() => undefined);
    }).catch(() => undefined);
  }

  /** Adds the hash of each file; a file whose size and time are as the manifest recorded is not read. */
  async hash(
    files: readonly LocalFile[],
    recorded: ReadonlyMap<string, ManifestFile>,
  ): Promise<HashedFile[]> {
    const hashed: HashedFile[] = [];
    await inPool(files, READERS, this.options.signal, async (file) => {
      hashed.push(await this.#hashed(file, recorded.get(file.path)));
    });
    return hashed.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  dispose(): Promise<void> {
    return this.#scratch.remove();
  }

  async #hashed(file: LocalFile, entry: ManifestFile | undefined): Promise<HashedFile> {
    const { path, mtimeMs } = file;
    const { nowMs, platform = process.platform } = this.options;
    const isKnown = entry?.size === file.size && entry.localMtimeMs === mtimeMs;
    const content: Content = isKnown
      ? { sha256: entry.sha256, isScript: (entry.mode & 0o100) !== 0 }
      : await this.#content(file);
    const isExecutable = platform === 'win32' ? content.isScript : file.isExecutable;
    const { unix, bytes, sha256 } = content;
    return {
      path,
      localPath: unix ? await this.#scratch.put(unix) : file.localPath,
      size: unix ? unix.length : file.size,
      sha256,
      mtimeMs: mtimeMs > nowMs - RACY_MS ? 0 : mtimeMs,
      mode: isExecutable ? 0o700 : 0o600,
      ...(bytes && { bytes }),
      ...(unix && { isNormalised: true }),
      ...(platform === 'win32' && !isExecutable && { keepsExecutable: true }),
    };
  }

  #content(file: LocalFile): Promise<Content> {
    const known = this.#read.get(file.path);
    if (known) return known;
    const content = this.#readContent(file);
    this.#read.set(file.path, content);
    // What failed while it was read ahead may do better when it is needed.
    content.catch(() => this.#read.delete(file.path));
    return content;
  }

  async #readContent(file: LocalFile): Promise<Content> {
    const { signal } = this.options;
    try {
      signal?.throwIfAborted();
      const whole =
        file.size < SMALL_BYTES ? await readWhole(file.localPath, file.size) : undefined;
      const { head, sha256 } = whole
        ? { head: whole.subarray(0, HEAD_BYTES), sha256: sha256Of(whole) }
        : await readInParts(file, signal);
      const unix = await unixLines(file, head, whole);
      const bytes = this.#kept(unix ?? whole);
      return {
        sha256: unix ? sha256Of(unix) : sha256,
        isScript: head.toString('latin1', 0, 2) === '#!',
        ...(unix && { unix }),
        ...(bytes && { bytes }),
      };
    } catch (error) {
      signal?.throwIfAborted();
      if (isFailure(error)) throw error;
      if (isGone(error)) throw sshFailure('localFileChanged', { path: file.localPath }, error);
      const detail = (error as NodeJS.ErrnoException).code ?? String(error);
      throw syncFailure('localUnreadable', { path: file.localPath, detail }, error);
    }
  }

  #kept(bytes: Buffer | undefined): Buffer | undefined {
    if (!bytes || this.#keptBytes + bytes.length > KEPT_BYTES) return undefined;
    this.#keptBytes += bytes.length;
    return bytes;
  }
}

interface Content {
  readonly sha256: string;
  /** It starts with `#!`, which stands for the executable bit where files have none (Windows). */
  readonly isScript: boolean;
  /** A script with Windows line ends, as it must be sent: `#!/bin/bash\r` and `#PJM` values with `\r` do not work. */
  readonly unix?: Buffer;
  /** What is sent, where there was room to keep it. */
  readonly bytes?: Buffer;
}

const openFile = promisify(fs.open);
const closeFile = promisify(fs.close);
const readFile = promisify(fs.read);

/**
 * The content of a file that was `size` bytes long; throws `localFileChanged` when it is not any more, or is gone. With
 * the plain calls of `fs`, as `fs/promises` takes five times as long for thousands of small files.
 */
export async function readWhole(path: string, size: number): Promise<Buffer> {
  const file = await openFile(path, 'r').catch((error: unknown) => {
    throw isGone(error) ? sshFailure('localFileChanged', { path }, error) : error;
  });
  try {
    // One byte more, which stays empty unless the file has grown.
    const buffer = Buffer.allocUnsafeSlow(size + 1);
    let length = 0;
    for (let bytesRead = -1; bytesRead !== 0 && (length < size || length === 0);) {
      ({ bytesRead } = await readFile(file, buffer, length, buffer.length - length, length));
      length += bytesRead;
    }
    if (length !== size) throw sshFailure('localFileChanged', { path });
    return buffer.subarray(0, size);
  } finally {
    await closeFile(file);
  }
}

/** The beginning of a large file and its hash, with one part in memory. */
async function readInParts(
  file: LocalFile,
  signal: AbortSignal | undefined,
): Promise<{ head: Buffer; sha256: string }> {
  const hash = createHash('sha256');
  let head: Buffer | undefined;
  let length = 0;
  const handle = await open(file.localPath);
  try {
    const buffer = Buffer.allocUnsafe(PART_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      const part = buffer.subarray(0, bytesRead);
      head ??= Buffer.from(part.subarray(0, HEAD_BYTES));
      if (bytesRead === 0) break;
      hash.update(part);
      length += bytesRead;
    }
  } finally {
    await handle.close();
  }
  if (length !== file.size) throw sshFailure('localFileChanged', { path: file.localPath });
  return { head, sha256: hash.digest('hex') };
}

/** It was there when its folder was read. */
function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The script without Windows line ends; undefined for what has none, is no script, or is binary. */
async function unixLines(
  { path, localPath, size }: LocalFile,
  head: Buffer,
  whole: Buffer | undefined,
): Promise<Buffer | undefined> {
  if (size > MAX_SCRIPT_BYTES || !isScriptText(path, head)) return undefined;
  const text = (whole ?? (await readWhole(localPath, size))).toString('latin1');
  return text.includes('\r\n') ? Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1') : undefined;
}

/** Whether a file is a batch script or starts with `#!`, and is text. */
export function isScriptText(path: string, head: Buffer): boolean {
  if (head.includes(0)) return false;
  const start = head.toString('latin1');
  return start.startsWith('#!') || /\.(?:sh|bash|pjm)$/i.test(path) || /^#PJM[ \t]/m.test(start);
}
