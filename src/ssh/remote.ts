// The port through which sync/ and jobs/ see one remote machine. Knows nothing of ssh2.
import type { Disposable } from '../base/disposable';
import type { Event } from '../base/emitter';
import type { ConnectionState } from './connectionState';

declare const remotePathBrand: unique symbol;

/** An absolute POSIX path on the remote machine; never interchangeable with a local path. */
export type RemotePath = string & { readonly [remotePathBrand]: true };

export interface ExecOptions {
  /** Written to the command's standard input, which is then closed; parts are taken as fast as the machine reads. */
  readonly stdin?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** How output becomes text; `latin1` keeps every byte as one character. `utf8` by default. */
  readonly encoding?: 'utf8' | 'latin1';
  readonly signal?: AbortSignal;
  /**
   * Milliseconds until the command is given up as `timedOut`, from its start or from the last part of its input that the
   * machine took; default 60,000.
   */
  readonly timeoutMs?: number;
  /** Another command comes soon: its shell is opened meanwhile, where the server has a channel to spare. */
  readonly isFollowed?: boolean;
}

/** `exitCode` is undefined when the command was ended by a signal. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly signal?: string;
}

export type RemoteEntryKind = 'file' | 'folder' | 'link' | 'other';

export interface RemoteStat {
  readonly kind: RemoteEntryKind;
  readonly size: number;
  /** Seconds since 1970, whole seconds (SFTP v3). */
  readonly mtimeSeconds: number;
  /** Permission bits only. */
  readonly mode: number;
}

export interface RemoteEntry extends RemoteStat {
  readonly name: string;
}

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onBytes?: (bytes: number) => void;
}

/** What a local file was when somebody looked; a time of 0 proves nothing. */
export interface LocalFacts {
  readonly size: number;
  readonly mtimeMs: number;
}

export interface UploadOptions extends TransferOptions {
  readonly mode?: number;
  readonly mtimeSeconds?: number;
  readonly expected?: LocalFacts;
  readonly checkTarget?: (found: RemoteStat | undefined) => void;
}

/** Files of the remote machine over SFTP. Every operation rejects with a `Failure` of `ssh/failures.ts`. */
export interface RemoteFiles {
  /** Undefined when nothing is there; links are followed. */
  stat(path: RemotePath, signal?: AbortSignal): Promise<RemoteStat | undefined>;
  list(path: RemotePath, signal?: AbortSignal): Promise<readonly RemoteEntry[]>;
  /** Creates the folder and its parents with mode 0700 where missing. */
  makeFolder(path: RemotePath, signal?: AbortSignal): Promise<void>;
  /** At most `length` bytes from `offset`; fewer at the end of the file. */
  read(
    path: RemotePath,
    range?: { offset: number; length: number },
    signal?: AbortSignal,
  ): Promise<Buffer>;
  /** Whole content under a temporary name, then renamed into place. Mode defaults to 0600. */
  write(
    path: RemotePath,
    content: Uint8Array | string,
    options?: TransferOptions & { mode?: number },
  ): Promise<void>;
  /**
   * Streams a local file up with a pipelined loop, temporary name then rename. Its time is `mtimeSeconds` since 1970
   * where that is given and the server can, else the server's now. Rejects with `localFileChanged` when the local file
   * is not as `expected`, or changes meanwhile. Just before the rename `checkTarget` gets what has the name until then;
   * what it throws stops the rename.
   */
  upload(localPath: string, path: RemotePath, options?: UploadOptions): Promise<void>;
  /**
   * Writes the local file from `offset` on to the same place of `path`, which needs no temporary name: it is one.
   * What was written stays there when the line is cut, so that a later call can go on.
   */
  uploadPart(
    localPath: string,
    path: RemotePath,
    options: TransferOptions & { offset: number; mode?: number },
  ): Promise<void>;
  /** Streams a remote file down to a temporary name beside `localPath`, then renames. */
  download(path: RemotePath, localPath: string, options?: TransferOptions): Promise<void>;
  remove(path: RemotePath, signal?: AbortSignal): Promise<void>;
}

/** One remote machine. The connection opens at the first use and is shared by all work of a window. */
export interface Remote extends Disposable {
  readonly state: ConnectionState;
  readonly onDidChangeState: Event<ConnectionState>;
  /** For a person who waits: tries at once and may ask. */
  connect(signal?: AbortSignal): Promise<void>;
  /** For work that nobody waits for: tries in the background, again and again, and asks nothing. */
  bringBack(): void;
  disconnect(): void;
  /** Runs one command in the user's login shell. A non-zero exit status is a result, not a failure. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  readonly files: RemoteFiles;
}

/** Takes an absolute path as a {@link RemotePath}; folds `.`, `..` and doubled slashes. */
export function remotePath(text: string): RemotePath {
  if (!text.startsWith('/')) throw new TypeError(`not an absolute remote path: ${text}`);
  const parts: string[] = [];
  for (const part of text.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}` as RemotePath;
}

/** Appends relative parts to a remote path. */
export function joinRemote(base: RemotePath, ...parts: readonly string[]): RemotePath {
  return remotePath([base, ...parts].join('/'));
}
