// Every way in which a sync or a download can be stopped, beside those of ssh/failures.ts. Knows no sentences.
import { Failure, type FailureValues } from '../base/failure';

export type SyncFailureReason =
  /** path: the local project folder is not there or is no folder. */
  | 'localFolderMissing'
  /** path, detail: a local file or folder could not be read. */
  | 'localUnreadable'
  /** path, detail: the remote folder cannot be written by this user. */
  | 'remoteNotWritable'
  /** path, detail: in the remote folder, a file stands where a folder must be; its path, or the machine's words. */
  | 'remoteInTheWay'
  /** path: somebody else kept changing the remote project while we looked. */
  | 'remoteBusy'
  /** files, maxFiles, largest: more files than a project has; `largest` is the top folder with most of them. */
  | 'tooManyFiles'
  /** megabytes, maxMegabytes, largest: more bytes than a project has; `largest` is the heaviest top entry. */
  | 'tooManyBytes'
  /** path, detail: a name that the other side cannot hold. */
  | 'nameNotPortable'
  /** path, other: two names here that are one there. */
  | 'namesCollide'
  /** path, detail: the manifest was written by a newer version, or is not ours. */
  | 'manifestUnreadable';

export function syncFailure(
  reason: SyncFailureReason,
  values: FailureValues,
  cause?: unknown,
): Failure<SyncFailureReason> {
  return new Failure(reason, values, cause === undefined ? undefined : { cause });
}
