// What a sync is asked and what it tells. Types only.
import type { RemoteFiles, RemotePath } from '../ssh/remote';
import type { Exec } from '../ssh/remoteScript';
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
  /** Paths below the local folder that the job needs, sent whatever .gitignore says. */
  readonly include?: readonly string[];
  /** Guards against sending a data set by accident; 20,000 files and 2 GiB by default. */
  readonly limits?: SyncLimits;
  /** Unfinished files older than this are leftovers of a cut; default 600. */
  readonly strayAgeSeconds?: number;
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
