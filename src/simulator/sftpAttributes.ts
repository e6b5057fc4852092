// Files as SFTP shows them: attributes, `ls -l` lines, and status codes for the errors of the file system.
import { constants, type Stats } from 'node:fs';
import { statusCode, type StatusCode, type WireAttributes } from './sftpWire';

/** What SFTP version 3 can say of a file. */
export function toWireAttributes(stats: Stats): WireAttributes {
  return {
    size: stats.size,
    uid: stats.uid,
    gid: stats.gid,
    mode: stats.mode,
    atime: Math.floor(stats.atimeMs / 1000),
    mtime: Math.floor(stats.mtimeMs / 1000),
  };
}

const typeLetters: readonly (readonly [number, string])[] = [
  [constants.S_IFDIR, 'd'],
  [constants.S_IFLNK, 'l'],
  [constants.S_IFIFO, 'p'],
  [constants.S_IFSOCK, 's'],
  [constants.S_IFCHR, 'c'],
  [constants.S_IFBLK, 'b'],
];

/** The mode as `ls` writes it, for example `drwxr-xr-x`. */
export function renderMode(mode: number): string {
  const type = typeLetters.find(([bits]) => (mode & constants.S_IFMT) === bits)?.[1] ?? '-';
  const letters = Array.from('rwxrwxrwx', (letter, index) =>
    mode & (0o400 >> index) ? letter : '-',
  );
  return type + letters.join('');
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
/** `ls` shows the year instead of the time for files older than half a year. */
const halfYearMs = 182 * 24 * 3600 * 1000;

/** One line of `ls -l`, as OpenSSH puts it beside each name. */
export function renderLongName(name: string, stats: Stats, owner: string): string {
  const at = stats.mtime;
  const two = (value: number): string => String(value).padStart(2, '0');
  const isRecent = Math.abs(Date.now() - stats.mtimeMs) < halfYearMs;
  const time = isRecent
    ? `${two(at.getHours())}:${two(at.getMinutes())}`
    : String(at.getFullYear());
  const day = String(at.getDate()).padStart(2);
  const columns = [
    renderMode(stats.mode),
    String(stats.nlink).padStart(4),
    owner.padEnd(8),
    owner.padEnd(8),
    String(stats.size).padStart(8),
    `${months[at.getMonth()] ?? ''} ${day} ${time.padStart(5)}`,
    name,
  ];
  return columns.join(' ');
}

/** An answer other than success, with the text that OpenSSH's own server would give where it has one. */
export class SftpStatusError extends Error {
  override readonly name = 'SftpStatusError';

  constructor(
    readonly code: StatusCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

const denied = new Set(['EACCES', 'EPERM', 'EFAULT', 'EROFS']);
const missing = new Set(['ENOENT', 'ENOTDIR', 'EBADF', 'ELOOP']);
const texts: Readonly<Record<string, string>> = {
  ENOSPC: 'No space left on device',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'Failure',
};

/** Maps an error of the file system as `errno_to_portable` of OpenSSH's sftp-server does. */
export function toStatusError(error: unknown): SftpStatusError {
  if (error instanceof SftpStatusError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (missing.has(code)) {
    return new SftpStatusError(statusCode.noSuchFile, 'No such file', { cause: error });
  }
  if (denied.has(code)) {
    return new SftpStatusError(statusCode.permissionDenied, 'Permission denied', { cause: error });
  }
  return new SftpStatusError(statusCode.failure, texts[code] ?? 'Failure', { cause: error });
}
