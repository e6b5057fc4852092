/**
 * The folder outside the repository where large, re-usable things live (editors, models), and the way
 * to put something there so that an interrupted set-up never leaves half of it behind.
 */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `$FURO_CACHE`, else the place the operating system gives to caches. */
export function cacheFolder() {
  const chosen = process.env['FURO_CACHE'];
  if (chosen) return chosen;
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(base, 'furo-workflows');
}

/**
 * Makes sure that `<cache>/<name>` holds what `fill(folder)` writes. `stamp` is the recipe's identity:
 * another stamp means filling again. The folder appears whole, by a rename, or not at all.
 */
export async function cached(name, stamp, fill) {
  const root = cacheFolder();
  const target = join(root, name);
  const stampFile = join(target, '.furo-stamp');
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === stamp) return target;
  await mkdir(root, { recursive: true });
  const work = await mkdtemp(join(root, `.${name}-`));
  try {
    await fill(work);
    await writeFile(join(work, '.furo-stamp'), stamp);
    await rm(target, { recursive: true, force: true });
    await rename(work, target);
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
  return target;
}
