// What local files hold: hashes, and scripts with Windows line ends as they must be on the machine. Knows nothing remote.
import { createHash } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncFailure } from './failures';
import type { LocalFile } from './localTree';
import type { ManifestFile } from './manifest';
import type { HashedFile } from './plan';
import { inPool } from './pool';

/** Hashes at once; more would only wait for the disk. */
const HASHERS = 8;
/** A file changed so shortly before it was read may change again without a new time (git's "racily clean"). */
const RACY_MS = 2_000;
const MEGABYTE = 1024 * 1024;
const PART_BYTES = MEGABYTE / 4;
/** Git, too, calls a file binary that has a NUL in its first part. */
const HEAD_BYTES = 8 * 1024;
/** No script that a person wrote is longer. */
const MAX_SCRIPT_BYTES = 4 * MEGABYTE;

/** A private folder for files that go up other than they are here; made when the first one is needed. */
export class Scratch {
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

export interface HashOptions {
  /** The time before the walk began. */
  readonly nowMs: number;
  readonly scratch: Scratch;
  readonly platform?: NodeJS.Platform;
  readonly signal?: AbortSignal | undefined;
}

/** Adds the hash of each file; a file whose size and time are as the manifest recorded is not read again. */
export async function hashFiles(
  files: readonly LocalFile[],
  recorded: ReadonlyMap<string, ManifestFile>,
  options: HashOptions,
): Promise<HashedFile[]> {
  const hashed: HashedFile[] = [];
  await inPool(files, HASHERS, options.signal, async (file) => {
    hashed.push(await hashFile(file, recorded.get(file.path), options));
  });
  return hashed.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function hashFile(
  file: LocalFile,
  entry: ManifestFile | undefined,
  { nowMs, scratch, signal, platform = process.platform }: HashOptions,
): Promise<HashedFile> {
  const { path, mtimeMs } = file;
  const isKnown = entry?.size === file.size && entry.localMtimeMs === mtimeMs;
  const content = isKnown
    ? { sha256: entry.sha256, isScript: (entry.mode & 0o100) !== 0, unix: undefined }
    : await readContent(file, signal);
  const isExecutable = platform === 'win32' ? content.isScript : file.isExecutable;
  const { unix, sha256 } = content;
  return {
    path,
    localPath: unix ? await scratch.put(unix) : file.localPath,
    size: unix ? unix.length : file.size,
    sha256,
    mtimeMs: mtimeMs > nowMs - RACY_MS ? 0 : mtimeMs,
    mode: isExecutable ? 0o700 : 0o600,
    ...(unix && { isNormalised: true }),
    ...(platform === 'win32' && !isExecutable && { keepsExecutable: true }),
  };
}

interface Content {
  readonly sha256: string;
  /** It starts with `#!`, which stands for the executable bit where files have none (Windows). */
  readonly isScript: boolean;
  /** A script with Windows line ends, as it must be sent: `#!/bin/bash\r` and `#PJM` values with `\r` do not work. */
  readonly unix: Buffer | undefined;
}

async function readContent(file: LocalFile, signal: AbortSignal | undefined): Promise<Content> {
  const hash = createHash('sha256');
  let head: Buffer | undefined;
  try {
    for await (const bytes of partsOf(file)) {
      signal?.throwIfAborted();
      head ??= Buffer.from(bytes.subarray(0, HEAD_BYTES));
      hash.update(bytes);
    }
    const isScript = head?.toString('latin1', 0, 2) === '#!';
    const unix = head && (await unixLines(file, head));
    const sha256 = unix ? createHash('sha256').update(unix).digest('hex') : hash.digest('hex');
    return { sha256, isScript, unix };
  } catch (error) {
    signal?.throwIfAborted();
    const detail = (error as NodeJS.ErrnoException).code ?? String(error);
    throw syncFailure('localUnreadable', { path: file.localPath, detail }, error);
  }
}

/** A small file in one part; of a large one each part is gone when the next one comes. */
async function* partsOf(file: LocalFile): AsyncGenerator<Buffer> {
  if (file.size < MEGABYTE) {
    yield await readFile(file.localPath);
    return;
  }
  const handle = await open(file.localPath);
  try {
    const buffer = Buffer.allocUnsafe(PART_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** The script without Windows line ends; undefined for what has none, is no script, or is binary. */
async function unixLines(file: LocalFile, head: Buffer): Promise<Buffer | undefined> {
  if (file.size > MAX_SCRIPT_BYTES || !isScriptText(file.path, head)) return undefined;
  const text = (await readFile(file.localPath)).toString('latin1');
  return text.includes('\r\n') ? Buffer.from(text.replaceAll('\r\n', '\n'), 'latin1') : undefined;
}

/** Whether a file is a batch script or starts with `#!`, and is text. */
export function isScriptText(path: string, head: Buffer): boolean {
  if (head.includes(0)) return false;
  const start = head.toString('latin1');
  return start.startsWith('#!') || /\.(?:sh|bash|pjm)$/i.test(path) || /^#PJM[ \t]/m.test(start);
}
