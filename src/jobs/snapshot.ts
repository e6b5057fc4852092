// Freezes the project for one run, so that a job that starts ten hours later runs what was submitted. Knows no queue.
//
// What can change meanwhile, and what stands against it:
// - A later sync gives a file a new inode (temporary name, then rename). Hard links of the project folder would survive
//   that, but not somebody who writes into a file in place (`vim`, `>>`): a link shares content and mode with its
//   original, so a read-only bit would even lock the person out of the project. So no inode is shared with the project.
// - Files up to a mebibyte (all code, prompts, settings) are copied for the run, on the machine itself, and compared with
//   the SHA-256 of what was sent. Nothing is shared, so a job may also write into its own copy, as scripts do that append
//   to a log or open last week's output again: a read-only copy would fail such a job after hours in the queue.
// - Larger files are too dear to copy each time. They lie once for each content in a store named by SHA-256, read-only,
//   copied from the project when first seen, and are hard-linked into the run. A job that writes into one in place is
//   refused by the file system; new names and replacement by rename work. An object that was written to in spite of its
//   mode is newer than its `.ok` mark and is made again under a new inode. No hard links there: it is copied.
// - What lies in the project folder on the machine and did not come from here (data brought by hand, checkpoints, folders
//   that the rules leave out) is no submitted code: it is linked symbolically, shared and current.
// Times are those of the copying, so that a site's purge by age does not hit a waiting job. A file that changes between
// sync and snapshot is told as `snapshotChanged`, and nothing is submitted with it. Jobs need pjsub and so a shell; a
// machine without one cannot get here, therefore there is no way over SFTP.
import { randomBytes } from 'node:crypto';
import { isCut, sshFailure } from '../ssh/failures';
import { joinRemote, remotePath, type Remote, type RemotePath } from '../ssh/remote';
import { shellScript } from '../ssh/shellQuote';
import { MANIFEST_PATH, parseManifest, type Manifest } from '../sync/manifest';
import { jobFailure } from './failures';
import type { JobSnapshot } from './job';
import type { ProjectPlaces } from './places';
import {
  clearScript,
  makeScript,
  snapshotCodes,
  type ListedFile,
  type SnapshotLists,
} from './snapshotScript';

/** Up to here a file is copied for each run. */
const smallBytes = 1024 * 1024;
/** A large file that no run uses is kept this long for the next one. */
const storeIdleMinutes = 24 * 60;
/** Copying gigabytes into the store takes its time. */
const timeoutMs = 30 * 60_000;
/** How often the same script is sent when the connection breaks; it finds what an earlier one made. */
const attempts = 3;

export interface SnapshotRequest {
  readonly places: ProjectPlaces;
  /** Folder of the run; the snapshot becomes its `src`. */
  readonly run: RemotePath;
  /** Files that somebody edited on the machine and the sync has left so: they count as they lie there. */
  readonly edited: ReadonlySet<string>;
  /** False copies large files, too; for tests of a file system without hard links. */
  readonly canLink?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Makes the snapshot of what the last sync left, or finds it when it is already there. */
export async function takeSnapshot(
  remote: Pick<Remote, 'exec' | 'files'>,
  request: SnapshotRequest,
): Promise<JobSnapshot> {
  const { places, run, edited, canLink = true, signal } = request;
  const manifestPath = joinRemote(places.project, MANIFEST_PATH);
  const text = (await remote.files.read(manifestPath, undefined, signal)).toString('utf8');
  const lists = listsOf(parseManifest(text, manifestPath), edited);
  const { project, store } = places;
  for (let attempt = 1; ; attempt += 1) {
    const token = randomBytes(6).toString('hex');
    const { command, stdin } = shellScript(
      makeScript({ project, store, run }, lists, { token, canLink }),
    );
    try {
      // pjsub comes next.
      const options = { stdin, timeoutMs, isFollowed: true, ...(signal && { signal }) };
      const result = await remote.exec(command, options);
      const sha256 = /^[0-9a-f]{64}$/m.exec(result.stdout)?.[0];
      if (result.exitCode === 0 && sha256 !== undefined) return { run, sha256 };
      throw snapshotFailure(run, result.exitCode, result.stderr.trim().slice(0, 500));
    } catch (error) {
      if (!isCut(error) || attempt === attempts) throw error;
    }
  }
}

function snapshotFailure(run: RemotePath, exitCode: number | undefined, detail: string): Error {
  // The script speaks English whatever the login says.
  if (/No space left on device|Disk quota exceeded/.test(detail))
    return sshFailure('diskFull', { path: run, detail });
  if (exitCode === snapshotCodes.changed) {
    // Either the path or what cp says about it.
    const path = /'(?:[^']*\/)?\.\/(.+)'/.exec(detail)?.[1] ?? detail.replace(/^\.\//, '');
    return jobFailure('snapshotChanged', { path });
  }
  return jobFailure('snapshotFailed', { folder: run, detail });
}

function listsOf(manifest: Manifest, edited: ReadonlySet<string>): SnapshotLists {
  const small: ListedFile[] = [];
  const large: (ListedFile & { sha256: string })[] = [];
  const folders = new Set(['']);
  for (const [path, { size, mode, sha256, isLeftOut }] of manifest.files) {
    if (isLeftOut) continue;
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1))
      folders.add(path.slice(0, at));
    const isExecutable = (mode & 0o100) !== 0;
    if (edited.has(path)) small.push({ path, sha256: undefined, isExecutable });
    // The loop over large files reads whole lines.
    else if (size <= smallBytes || path.includes('\n')) small.push({ path, sha256, isExecutable });
    else large.push({ path, sha256, isExecutable });
  }
  return { small, large, folders: [...folders] };
}

/**
 * Clears the snapshots of ended runs of one project. What a job wrote into its folder stays, and so do output and
 * statistics. A run that is no longer there (a site's purge) counts as cleared.
 */
export async function clearSnapshots(
  remote: Pick<Remote, 'exec'>,
  runs: readonly string[],
  { signal, idleMinutes = storeIdleMinutes }: { signal?: AbortSignal; idleMinutes?: number } = {},
): Promise<void> {
  const folders = runs.map(remotePath);
  const [first] = folders;
  if (!first) return;
  const { command, stdin } = shellScript(
    clearScript(joinRemote(first, '../../store'), folders, idleMinutes),
  );
  const result = await remote.exec(command, { stdin, timeoutMs, ...(signal && { signal }) });
  if (result.exitCode === 0) return;
  throw jobFailure('snapshotFailed', { folder: first, detail: result.stderr.trim() });
}
