// What lies on the other side before a sync: by one command where a shell is there, over SFTP where not.
import { dirname } from 'node:path/posix';
import { isFailure } from '../base/failure';
import { joinRemote } from '../ssh/remote';
import { EMPTY_MANIFEST, MANIFEST_PATH, parseManifest, type Manifest } from './manifest';
import { listByCommand, type RemoteListing } from './remoteListing';
import { readRemoteTree, type RemoteTree } from './remoteTree';
import type { SyncOptions } from './syncOptions';

export interface RemoteState {
  readonly manifest: Manifest;
  readonly tree: RemoteTree;
  /** Only where one command told all of it. */
  readonly listing?: RemoteListing;
}

type Place = Pick<SyncOptions, 'files' | 'exec' | 'remoteFolder' | 'signal'>;

/** Begins at once; what needs the names of local folders waits for them. */
export async function readRemoteState(
  place: Place,
  localFolders: Promise<ReadonlySet<string>>,
): Promise<RemoteState> {
  const { files, exec, remoteFolder: root, signal } = place;
  const listing = exec && (await listByCommand({ files, exec, root }, signal));
  const manifest = listing?.manifest ?? (await readManifest(place));
  const wanted = new Set(await localFolders);
  for (const folder of foldersOf([...manifest.files.keys(), ...manifest.pending.keys()]))
    wanted.add(folder);
  // A manifest that was cut while it was stored over SFTP left its half there.
  const ours = dirname(MANIFEST_PATH);
  wanted.add(ours);
  if (!listing) return { manifest, tree: await readRemoteTree({ files, root }, wanted, signal) };
  const { tree } = listing;
  const links = [...wanted].filter((folder) => tree.entries.get(folder)?.kind === 'link');
  if (links.length === 0) return { manifest, tree, listing };
  const behind = await readRemoteTree({ files, root, from: [...links, ours] }, wanted, signal);
  return { manifest, tree: joined(tree, behind), listing };
}

function joined(a: RemoteTree, b: RemoteTree): RemoteTree {
  return {
    entries: new Map([...a.entries, ...b.entries]),
    folders: new Set([...a.folders, ...b.folders]),
    strays: [...a.strays, ...b.strays],
  };
}

/** As it lies there now. */
export async function readManifest(place: Omit<Place, 'exec'>): Promise<Manifest> {
  const path = joinRemote(place.remoteFolder, MANIFEST_PATH);
  try {
    return parseManifest((await place.files.read(path, undefined, place.signal)).toString(), path);
  } catch (error) {
    if (isFailure(error, 'noSuchFile')) return EMPTY_MANIFEST;
    throw error;
  }
}

/** All folders above the paths, '' left out. */
export function foldersOf(paths: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (const path of paths)
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
      folders.add(path.slice(0, at));
  return folders;
}
