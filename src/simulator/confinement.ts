// Keeps SFTP inside the simulated machine: real absolute paths, but only below its folders.
import { accessSync, constants, lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, posix, relative, sep } from 'node:path';
import { SftpStatusError } from './sftpAttributes';
import { statusCode } from './sftpWire';

export interface ConfinementOptions {
  /** Where relative paths start, and what `realpath(".")` answers. */
  readonly home: string;
  /** Folders that may be read and written. */
  readonly folders: readonly string[];
  /** Folders outside that links placed by the simulator lead to; read only. */
  readonly readableFolders: readonly string[];
}

export type Purpose = 'read' | 'write';

/** Decides which path of this machine a path of the client means. Every refusal is a status of SFTP. */
export class Confinement {
  readonly #home: string;
  readonly #folders: readonly string[];
  readonly #readable: readonly string[];

  constructor(options: ConfinementOptions) {
    this.#home = options.home;
    this.#folders = options.folders.map(toReal);
    this.#readable = options.readableFolders.map(toReal);
  }

  /** The absolute path without `.` and `..`; touches no file. */
  absolute(path: string): string {
    if (path.includes('\0')) throw new SftpStatusError(statusCode.noSuchFile, 'No such file');
    return posix.resolve(this.#home, path);
  }

  /** The path after all links; parts that do not exist yet stay as they are. */
  follow(path: string, purpose: Purpose): string {
    return this.#permit(realOfExisting(this.absolute(path)), purpose);
  }

  /** As {@link follow}, but the last name itself is not followed. */
  entry(path: string, purpose: Purpose): string {
    const absolute = this.absolute(path);
    const parent = dirname(absolute);
    if (parent === absolute) return this.#permit(absolute, purpose);
    return this.#permit(posix.join(realOfExisting(parent), basename(absolute)), purpose);
  }

  /** For a look only: the folders above the simulated machine may be seen, though not listed. */
  look(path: string, followsLink: boolean): string {
    const absolute = this.absolute(path);
    const isAbove = this.#folders.some((folder) => isInside(folder, absolute));
    if (isAbove) return absolute;
    return followsLink ? this.follow(path, 'read') : this.entry(path, 'read');
  }

  #permit(path: string, purpose: Purpose): string {
    const isOwn = this.#folders.some((folder) => isInside(path, folder));
    const isReadable = purpose === 'read' && this.#readable.some((root) => isInside(path, root));
    if (isOwn || isReadable) return path;
    throw new SftpStatusError(statusCode.permissionDenied, 'Permission denied');
  }
}

/**
 * Refuses what the permission bits of the owner refuse, also to root, whom the system lets do all.
 * Throws the file system's own error for a missing path.
 */
export function checkWritable(path: string): void {
  statSync(path);
  if (!isWritable(path)) {
    throw new SftpStatusError(statusCode.permissionDenied, 'Permission denied');
  }
}

/** False for a folder or file that is missing, or that its owner has closed for writing. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return (statSync(path).mode & 0o200) !== 0;
  } catch {
    return false;
  }
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function toReal(path: string): string {
  return realOfExisting(posix.resolve(path));
}

function realOfExisting(path: string): string {
  const rest: string[] = [];
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      return posix.join(realpathSync(existing), ...rest);
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      // A link to nowhere is not created through: its target could lie outside.
      const isDangling = lstatSync(existing, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
      if (!isMissing || isDangling || dirname(existing) === existing) throw error;
      rest.unshift(basename(existing));
    }
  }
}
