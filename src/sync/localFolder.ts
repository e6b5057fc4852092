// A folder below a chosen one, entered part by part without following a link. Knows nothing remote.
import { constants } from 'node:fs';
import { lstat, mkdir, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** Linux gives a path to an open folder; what is below it stays there whatever the folder's name becomes. */
const OPEN_FOLDERS = process.platform === 'linux' ? '/proc/self/fd' : undefined;
const AS_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Runs `work` with a path of the folder `parts` below `root`, whose parts are made where missing. Undefined when a part
 * is a link or no folder. On Linux the path cannot be led elsewhere even while `work` runs; on other systems each part
 * is looked at just before.
 */
export async function inLocalFolder<T>(
  root: string,
  parts: readonly string[],
  work: (folder: string) => Promise<T>,
): Promise<T | undefined> {
  if (OPEN_FOLDERS === undefined) {
    const folder = await checkedFolder(root, parts);
    return folder === undefined ? undefined : work(folder);
  }
  const handle = await openFolder(root, parts, OPEN_FOLDERS);
  if (!handle) return undefined;
  try {
    return await work(join(OPEN_FOLDERS, String(handle.fd)));
  } finally {
    await handle.close();
  }
}

async function openFolder(
  root: string,
  parts: readonly string[],
  folders: string,
): Promise<FileHandle | undefined> {
  let handle = await open(root, AS_FOLDER);
  for (const part of parts) {
    const path = join(folders, String(handle.fd), part);
    try {
      await makeIfMissing(path);
      const next = await open(path, AS_FOLDER);
      await handle.close();
      handle = next;
    } catch (error) {
      await handle.close();
      // A link, a file, or something that was just swapped for another.
      if (['ELOOP', 'ENOTDIR', 'ENOENT'].includes(codeOf(error))) return undefined;
      throw error;
    }
  }
  return handle;
}

async function checkedFolder(root: string, parts: readonly string[]): Promise<string | undefined> {
  let folder = root;
  for (const part of parts) {
    folder = join(folder, part);
    await makeIfMissing(folder);
    if (!(await lstat(folder)).isDirectory()) return undefined;
  }
  return folder;
}

async function makeIfMissing(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
