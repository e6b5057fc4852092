// Manifests that came or went over a connection, so that an unchanged one need not come again. Knows no commands.
import { createHash } from 'node:crypto';
import type { RemoteFiles, RemotePath } from '../ssh/remote';
import type { Manifest } from './manifest';

export interface SeenManifest {
  /** SHA-256 of the text as it lies on the machine. */
  readonly digest: string;
  readonly manifest: Manifest;
}

const seen = new WeakMap<RemoteFiles, Map<RemotePath, SeenManifest>>();

/** The last one of a project; the machine's own may be another by now, which its digest tells. */
export function lastManifest(files: RemoteFiles, root: RemotePath): SeenManifest | undefined {
  return seen.get(files)?.get(root);
}

export function rememberManifest(
  place: { readonly files: RemoteFiles; readonly root: RemotePath },
  text: string,
  manifest: Manifest,
): SeenManifest {
  const found = { manifest, digest: createHash('sha256').update(text).digest('hex') };
  const projects = seen.get(place.files) ?? new Map<RemotePath, SeenManifest>();
  seen.set(place.files, projects.set(place.root, found));
  return found;
}
