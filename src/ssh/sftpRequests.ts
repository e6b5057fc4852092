// The requests of SFTP version 3 as promises over one session. Knows no policy: no temporary names, no retries.
import type { Stats } from 'ssh2';
import {
  remotePath,
  type RemoteEntry,
  type RemoteEntryKind,
  type RemotePath,
  type RemoteStat,
} from './remote';
import { isVague, STATUS, statusOf, type Done, type SftpSession } from './sftpSession';

/** A folder with more entries is no folder of ours, or a server that never ends. */
const MAX_ENTRIES = 200_000;

/** A request without an answer but its status. */
function command(
  session: SftpSession,
  start: (done: (error?: Error | null) => void) => unknown,
): Promise<void> {
  return session.call((done: Done<undefined>) =>
    start((error) => {
      done(error, undefined);
    }),
  );
}

export function openToRead(session: SftpSession, path: RemotePath): Promise<Buffer> {
  return session.call((done: Done<Buffer>) => session.sftp.open(path, 'r', done));
}

/** Fails when something is there already. */
export function openNew(session: SftpSession, path: RemotePath, mode: number): Promise<Buffer> {
  return session.call((done: Done<Buffer>) => session.sftp.open(path, 'wx', { mode }, done));
}

/** Opens a file that may be there or not, and keeps what is in it. */
export function openToWrite(
  session: SftpSession,
  path: RemotePath,
  options: { mode: number; truncate: boolean },
): Promise<Buffer> {
  const { mode, truncate } = options;
  // SSH_FXF_WRITE, _CREAT and _TRUNC of SFTP version 3.
  const flags = 0x02 | 0x08 | (truncate ? 0x10 : 0);
  return session.call((done: Done<Buffer>) => session.sftp.open(path, flags, { mode }, done));
}

export function closeHandle(session: SftpSession, handle: Buffer): Promise<void> {
  return command(session, (done) => session.sftp.close(handle, done));
}

export function removeFile(session: SftpSession, path: RemotePath): Promise<void> {
  return command(session, (done) => session.sftp.unlink(path, done));
}

export function removeFolder(session: SftpSession, path: RemotePath): Promise<void> {
  return command(session, (done) => session.sftp.rmdir(path, done));
}

/** Follows links. */
export async function statPath(session: SftpSession, path: RemotePath): Promise<RemoteStat> {
  return toRemoteStat(await session.call((done: Done<Stats>) => session.sftp.stat(path, done)));
}

export async function statLink(session: SftpSession, path: RemotePath): Promise<RemoteStat> {
  return toRemoteStat(await session.call((done: Done<Stats>) => session.sftp.lstat(path, done)));
}

export async function statHandle(session: SftpSession, handle: Buffer): Promise<RemoteStat> {
  return toRemoteStat(await session.call((done: Done<Stats>) => session.sftp.fstat(handle, done)));
}

/** Names as the server sends them: a caller must not trust them as paths. */
export async function listFolder(
  session: SftpSession,
  path: RemotePath,
  signal: AbortSignal | undefined,
): Promise<RemoteEntry[]> {
  const handle = await session.call((done: Done<Buffer>) => session.sftp.opendir(path, done));
  const entries: RemoteEntry[] = [];
  try {
    for (;;) {
      signal?.throwIfAborted();
      const part = await nextNames(session, handle);
      if (part === undefined) return entries;
      for (const { filename, attrs } of part)
        if (filename !== '.' && filename !== '..')
          entries.push({ name: filename, ...toRemoteStat(attrs) });
      if (entries.length > MAX_ENTRIES) throw new Error(`more than ${MAX_ENTRIES} entries`);
    }
  } finally {
    await closeHandle(session, handle).catch(() => undefined);
  }
}

interface Listed {
  readonly filename: string;
  readonly attrs: Stats;
}

async function nextNames(session: SftpSession, handle: Buffer): Promise<Listed[] | undefined> {
  try {
    // Given a handle, ssh2 asks for one packet of names.
    return await session.call<Listed[]>((done) => session.sftp.readdir(handle, done));
  } catch (error) {
    if (statusOf(error) === STATUS.eof) return undefined;
    throw error;
  }
}

/** Creates the folder and what is missing above it. A file in the way is the server's `Failure`. */
export async function makeFolders(
  session: SftpSession,
  path: RemotePath,
  mode: number,
): Promise<void> {
  try {
    await command(session, (done) => session.sftp.mkdir(path, { mode }, done));
  } catch (error) {
    if (statusOf(error) === STATUS.noSuchFile && path !== '/') {
      await makeFolders(session, parentOf(path), mode);
      await makeFolders(session, path, mode);
      return;
    }
    // Servers word "it exists" differently, `permissionDenied` on a read-only parent among it.
    const found = await statPath(session, path).catch(() => undefined);
    if (found?.kind !== 'folder') throw error;
  }
}

/** Sets the time of the last change, in seconds since 1970; a server that cannot or may not leaves it. */
export async function setModified(
  session: SftpSession,
  handle: Buffer,
  seconds: number,
): Promise<void> {
  const times = { atime: seconds, mtime: seconds };
  try {
    await command(session, (done) => session.sftp.fsetstat(handle, times, done));
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
  }
}

/** Makes the bytes durable; quota errors of network file systems come here. Not every server can. */
export async function flush(session: SftpSession, handle: Buffer): Promise<void> {
  try {
    await command(session, (done) => session.sftp.ext_openssh_fsync(handle, done));
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

/** Renames over what is there, in one step where the server has `posix-rename@openssh.com`. */
export async function replace(
  session: SftpSession,
  from: RemotePath,
  to: RemotePath,
): Promise<void> {
  try {
    await command(session, (done) => session.sftp.ext_openssh_rename(from, to, done));
    return;
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
  try {
    await command(session, (done) => session.sftp.rename(from, to, done));
  } catch (error) {
    if (!isVague(error)) throw error;
    await removeFile(session, to);
    await command(session, (done) => session.sftp.rename(from, to, done));
  }
}

/** True when the file system of a folder has no room for so many bytes, or for one more name; false where nobody tells. */
export async function isFull(
  session: SftpSession,
  folder: RemotePath,
  bytes: number,
): Promise<boolean> {
  try {
    const told = await session.call((done: Done<Record<string, number | bigint>>) => {
      session.sftp.ext_openssh_statvfs(folder, done);
    });
    const of = (name: string): number => Number(told[name]);
    const isWithoutRoom = of('f_blocks') > 0 && of('f_bavail') * of('f_frsize') < bytes;
    return isWithoutRoom || (of('f_files') > 0 && of('f_favail') === 0);
  } catch {
    return false;
  }
}

export function parentOf(path: RemotePath): RemotePath {
  return remotePath(path.slice(0, path.lastIndexOf('/')) || '/');
}

function isUnsupported(error: unknown): boolean {
  return (
    statusOf(error) === STATUS.unsupported ||
    (error instanceof Error && error.message.includes('does not support this extended request'))
  );
}

const TYPE_BITS = 0o170000;
const KINDS: Readonly<Record<number, RemoteEntryKind>> = {
  0o100000: 'file',
  0o040000: 'folder',
  0o120000: 'link',
};

/** A server may leave any field out. */
function toRemoteStat(stats: Partial<Stats>): RemoteStat {
  const mode = stats.mode ?? 0;
  return {
    kind: KINDS[mode & TYPE_BITS] ?? 'other',
    size: stats.size ?? 0,
    mtimeSeconds: stats.mtime ?? 0,
    mode: mode & 0o7777,
  };
}
