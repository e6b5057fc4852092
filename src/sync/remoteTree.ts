// What lies in the remote project folder, as far as a sync needs it. Knows no local files.
import { createHash } from 'node:crypto';
import { isFailure } from '../base/failure';
import { joinRemote, type RemoteEntry, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { TEMPORARY_PREFIX } from '../ssh/remoteFiles';
import type { Exec } from '../ssh/remoteScript';
import { shellCommand, shellQuote } from '../ssh/shellQuote';
import type { RemoteFact } from './plan';
import { inPool } from './pool';

export interface RemoteTree {
  /** By path below the project folder. */
  readonly entries: ReadonlyMap<string, RemoteFact>;
  /** Folders that were found, '' among them when the project folder is there. */
  readonly folders: ReadonlySet<string>;
  /** Unfinished files of a run that was cut, with their age by the server's clock left to the caller. */
  readonly strays: readonly { readonly path: string; readonly mtimeSeconds: number }[];
}

const LISTS_AT_ONCE = 16;
const READS_AT_ONCE = 16;
/** Of each file in memory while it is read back. */
const PART_BYTES = 2 * 1024 * 1024;
const HASH_TIMEOUT_MS = 10 * 60_000;

/**
 * Lists the folders `from`, the project folder by default, and those of `wanted` that exist below them, level by
 * level. Links to folders are entered.
 */
export async function readRemoteTree(
  place: { files: RemoteFiles; root: RemotePath; from?: readonly string[] },
  wanted: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<RemoteTree> {
  const { files, root, from = [''] } = place;
  const entries = new Map<string, RemoteFact>();
  const folders = new Set<string>();
  const strays: { path: string; mtimeSeconds: number }[] = [];
  let level = [...from];
  while (level.length > 0) {
    const next: string[] = [];
    await inPool(level, LISTS_AT_ONCE, signal, async (folder) => {
      const listed = await listIfThere(files, joinRemote(root, folder), signal);
      if (listed === undefined) return;
      folders.add(folder);
      for (const entry of listed) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (entry.name.startsWith(TEMPORARY_PREFIX) && entry.kind === 'file')
          strays.push({ path, mtimeSeconds: entry.mtimeSeconds });
        else entries.set(path, entry);
        if (wanted.has(path) && (entry.kind === 'folder' || entry.kind === 'link')) next.push(path);
      }
    });
    level = next;
  }
  return { entries, folders, strays };
}

async function listIfThere(
  files: RemoteFiles,
  path: RemotePath,
  signal: AbortSignal | undefined,
): Promise<readonly RemoteEntry[] | undefined> {
  try {
    return await files.list(path, signal);
  } catch (error) {
    if (isFailure(error, 'noSuchFile')) return undefined;
    throw error;
  }
}

/** SHA-256 of remote files by path; one that could not be read is left out. */
export async function hashRemote(
  parts: { files: RemoteFiles; exec?: Exec | undefined; root: RemotePath },
  wanted: readonly { readonly path: string; readonly size: number }[],
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const paths = wanted.map((file) => file.path);
  const hashes = await hashThere(parts, paths, signal);
  const missing = wanted.filter((file) => !hashes.has(file.path));
  await inPool(missing, READS_AT_ONCE, signal, async (file) => {
    const hash = await hashBack(parts, file, signal).catch((error: unknown) => {
      if (isFailure(error, 'noSuchFile') || isFailure(error, 'permissionDenied')) return undefined;
      throw error;
    });
    if (hash !== undefined) hashes.set(file.path, hash);
  });
  return hashes;
}

/** The bytes come here once more: less than sending them, and a copy beside them, again. */
async function hashBack(
  parts: { files: RemoteFiles; root: RemotePath },
  { path, size }: { readonly path: string; readonly size: number },
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256');
  for (let offset = 0; offset < size; offset += PART_BYTES) {
    const length = Math.min(PART_BYTES, size - offset);
    hash.update(await parts.files.read(joinRemote(parts.root, path), { offset, length }, signal));
  }
  return hash.digest('hex');
}

/** One command instead of reading everything back. Where it does not work, the result is empty. */
async function hashThere(
  parts: { exec?: Exec | undefined; root: RemotePath },
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  if (!parts.exec || paths.length === 0) return hashes;
  const script = `cd ${shellQuote(parts.root)} && exec xargs -0 sha256sum --`;
  const { stdout } = await parts.exec(shellCommand(script), {
    stdin: paths.map((path) => `./${path}\0`).join(''),
    timeoutMs: HASH_TIMEOUT_MS,
    ...(signal && { signal }),
  });
  for (const line of stdout.split('\n')) {
    const [, isEscaped, hash, name] = /(\\?)([0-9a-f]{64}) {2}\.\/([^]*)$/.exec(line) ?? [];
    if (hash !== undefined && name !== undefined)
      hashes.set(isEscaped ? unescaped(name) : name, hash);
  }
  return hashes;
}

/** sha256sum's own way of keeping a name on one line. */
function unescaped(name: string): string {
  return name.replace(/\\([\\nr])/g, (_, letter: string) => ESCAPED[letter] ?? letter);
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r' };
