// Files in a folder of results that did not come as they are: edited ones and unfinished ones. Knows nothing remote.
import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TEMPORARY_PREFIX } from '../ssh/remoteFiles';
import { copyName, stamp } from './copyName';

/** An unfinished file this old belongs to no download that still goes on. */
const STRAY_AGE_MS = 24 * 3_600_000;

/** What a download leaves has the time of the remote file, in whole seconds, and that file only becomes newer. */
export function isEdited(standing: Stats, mtimeSeconds: number): boolean {
  return standing.mtimeMs % 1000 !== 0 || standing.mtimeMs > mtimeSeconds * 1000;
}

/** Gives the file another name in its folder and returns that. */
export async function moveAside(folder: string, name: string, standing: Stats): Promise<string> {
  const word = `local-${stamp(Math.floor(standing.mtimeMs / 1000))}`;
  const aside = copyName(name, word, new Set(await readdir(folder)));
  await rename(join(folder, name), join(folder, aside));
  return aside;
}

export async function areSame(one: string, other: string): Promise<boolean> {
  const [{ size }, { size: otherSize }] = await Promise.all([lstat(one), lstat(other)]);
  return size === otherSize && (await digest(one)) === (await digest(other));
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Removes what a download left that ended with its window. */
export async function sweepStrays(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const found = await lstat(join(folder, name)).catch(() => undefined);
    if (found?.isFile() && Date.now() - found.mtimeMs > STRAY_AGE_MS)
      await rm(join(folder, name), { force: true });
  }
}
