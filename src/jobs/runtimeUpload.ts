// Puts the Python runtime that travels with this program onto the machine, once for each version of its files.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { joinRemote, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { jobFailure } from './failures';

const packageName = 'furo_infer';

/**
 * Returns the folder for PYTHONPATH. It is named by a hash of its content and gets a marker file last, so a
 * half-sent runtime is never used and an old one stays for jobs that wait in the queue.
 */
export async function uploadRuntime(
  files: RemoteFiles,
  places: { localRuntime: string; remoteFolder: RemotePath },
  signal?: AbortSignal,
): Promise<RemotePath> {
  const sources = await readSources(join(places.localRuntime, packageName));
  const hash = createHash('sha256');
  for (const { path, content } of sources) hash.update(`${path}\0`).update(content).update('\0');
  const name = hash.digest('hex').slice(0, 12);
  const target = joinRemote(places.remoteFolder, '.furo', 'runtime', name);
  const marker = joinRemote(target, '.complete');
  if (await files.stat(marker, signal)) return target;
  const folders = new Set(sources.map(({ path }) => path.split('/').slice(0, -1).join('/')));
  for (const folder of folders)
    await files.makeFolder(joinRemote(target, packageName, folder), signal);
  for (const { path, content } of sources)
    await files.write(joinRemote(target, packageName, path), content, {
      ...(signal && { signal }),
    });
  await files.write(marker, `${name}\n`, { ...(signal && { signal }) });
  return target;
}

async function readSources(folder: string): Promise<{ path: string; content: Buffer }[]> {
  const names = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    throw jobFailure('runtimeMissing', { folder }, error);
  });
  const paths = names
    .filter((name) => /\.py$|py\.typed$/.test(name))
    .map((name) => join(folder, name))
    .sort();
  return Promise.all(
    paths.map(async (path) => ({
      path: relative(folder, path).split(sep).join('/'),
      content: await readFile(path),
    })),
  );
}
