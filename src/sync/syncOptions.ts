// What a sync is asked and what it tells. Types only.
import type { RemoteFiles, RemotePath } from '../ssh/remote';
import type { Exec } from '../ssh/remoteScript';
import type { Rule } from './ignoreRules';
import type { SyncLimits } from './localTree';
import type { KeptFile } from './plan';

export interface SyncOptions {
  readonly files: RemoteFiles;
  /** Lets the machine hash its own files; without it doubtful files are read back. */
  readonly exec?: Exec;
  readonly localFolder: string;
  readonly remoteFolder: RemotePath;
  /** Lines in .gitignore's language. */
  readonly exclude: readonly string[];
  /** The same for what is sent in spite of ignore files and `exclude`. */
  readonly include?: readonly string[];
  /** Paths below the local folder that the job needs, sent whatever the rules say. */
  readonly needed?: readonly string[];
  /** Guards against sending a data set by accident; 20,000 files and 2 GiB by default. */
  readonly limits?: SyncLimits;
  /** Unfinished files older than this are leftovers of a cut; default 600, and 12 hours in the staging folder. */
  readonly strayAgeSeconds?: number;
  /** Small files that one command brings, together; 64 MiB by default. */
  readonly batchBytes?: number;
  /** Asked before more files are removed there than is usual; without it, or after a no, they stay. */
  readonly confirmRemovals?: (paths: readonly string[]) => Promise<boolean>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SyncProgress) => void;
}

/** Told after each file and about every 256 KiB. Counts are of what must be sent, not of the whole project. */
export interface SyncProgress {
  readonly filesDone: number;
  readonly filesTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Below the project folder; '' before the first file. */
  readonly currentPath: string;
}

/** What a person should know about a sync beside its numbers. */
export interface SyncNotes {
  /** Files that the job needs, with the rule that would have left them out. */
  readonly spared: readonly { readonly path: string; readonly rule: Rule }[];
  /** What the job needs and the folder does not have, or only as a link that leads out of it. */
  readonly missing: readonly string[];
  /** Scripts whose Windows line ends were made Unix ones on the way. */
  readonly normalised: readonly string[];
  /** Files that we had put there, that were gone, and that were sent again. */
  readonly purged: readonly string[];
}

/** What a run did before it found that a side had changed. */
export interface SyncDone {
  /** Paths of files. */
  readonly uploaded: readonly string[];
  readonly removed: number;
  readonly bytes: number;
  /** Of what was replaced, with the path of its copy. */
  readonly kept: readonly KeptFile[];
}

export interface SyncSummary {
  /** Numbers of files. */
  readonly uploaded: number;
  readonly removed: number;
  readonly unchanged: number;
  /** Bytes sent. */
  readonly bytes: number;
  /** Remote files that were not simply replaced or removed; tell the person. */
  readonly kept: readonly KeptFile[];
  /** Local links that lead out of the project; not sent. */
  readonly skippedLinks: readonly string[];
}
