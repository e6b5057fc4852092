// The file system behind SFTP: open handles and operations on confined paths. Knows no packets.
import { constants, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkWritable, type Confinement } from './confinement';
import type { Faults } from './faults';
import { SftpStatusError } from './sftpAttributes';
import { statusCode, type WireAttributes } from './sftpWire';

/** Flags of SSH_FXP_OPEN. */
const openFlag = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;
/** Names in one answer to READDIR, as OpenSSH sends them. */
const namesPerAnswer = 100;
const permissionBits = 0o7777;

export interface NamedStats {
  readonly name: string;
  readonly stats: Stats;
}

export interface SftpFilesOptions {
  readonly confinement: Confinement;
  readonly faults: Faults;
  readonly maxHandles: number;
}

interface OpenFile {
  readonly kind: 'file';
  readonly file: fs.FileHandle;
  readonly isAppending: boolean;
}

interface OpenFolder {
  readonly kind: 'folder';
  readonly path: string;
  readonly names: string[];
}

/** The open handles of one SFTP channel and every operation on files. Throws errors of the file system. */
export class SftpFiles {
  readonly #handles = new Map<string, OpenFile | OpenFolder>();
  #lastHandle = 0;

  constructor(readonly options: SftpFilesOptions) {}

  async open(path: string, flags: number, attributes: WireAttributes): Promise<string> {
    const isWriting = (flags & (openFlag.write | openFlag.append)) !== 0;
    const isCreating = (flags & openFlag.create) !== 0;
    const real = this.options.confinement.follow(path, isWriting ? 'write' : 'read');
    if (isWriting) await this.#checkOpenForWriting(real, isCreating);
    const mode = attributes.mode === undefined ? 0o666 : attributes.mode & permissionBits;
    const file = await fs.open(real, toSystemFlags(flags), mode);
    return this.#keep({ kind: 'file', file, isAppending: (flags & openFlag.append) !== 0 });
  }

  async close(handle: string): Promise<void> {
    const open = this.#handle(handle);
    this.#handles.delete(handle);
    if (open.kind === 'file') await open.file.close();
  }

  async read(handle: string, offset: number, length: number): Promise<Buffer> {
    const { file } = this.#file(handle);
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    if (bytesRead === 0 && length > 0) throw new SftpStatusError(statusCode.eof, 'End of file');
    return bytes.subarray(0, bytesRead);
  }

  async write(handle: string, offset: number, bytes: Buffer): Promise<void> {
    const { file, isAppending } = this.#file(handle);
    this.#checkSpace();
    for (let done = 0; done < bytes.length;) {
      const position = isAppending ? null : offset + done;
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position);
      done += bytesWritten;
    }
  }

  async stat(path: string): Promise<Stats> {
    return fs.stat(this.options.confinement.look(path, true));
  }

  async lstat(path: string): Promise<Stats> {
    return fs.lstat(this.options.confinement.look(path, false));
  }

  async fstat(handle: string): Promise<Stats> {
    const open = this.#handle(handle);
    return open.kind === 'file' ? open.file.stat() : fs.stat(open.path);
  }

  async setstat(
    path: string,
    attributes: WireAttributes,
    { followsLink } = { followsLink: true },
  ): Promise<void> {
    const { confinement } = this.options;
    const real = followsLink ? confinement.follow(path, 'write') : confinement.entry(path, 'write');
    const { size, mode, atime, mtime } = attributes;
    if (size !== undefined) await fs.truncate(real, size);
    if (mode !== undefined && followsLink) await fs.chmod(real, mode & permissionBits);
    if (atime === undefined || mtime === undefined) return;
    await (followsLink ? fs.utimes : fs.lutimes)(real, atime, mtime);
  }

  async fsetstat(handle: string, attributes: WireAttributes): Promise<void> {
    const { file } = this.#file(handle);
    const { size, mode, atime, mtime } = attributes;
    if (size !== undefined) await file.truncate(size);
    if (mode !== undefined) await file.chmod(mode & permissionBits);
    if (atime !== undefined && mtime !== undefined) await file.utimes(atime, mtime);
  }

  async openFolder(path: string): Promise<string> {
    const real = this.options.confinement.follow(path, 'read');
    const names = ['.', '..', ...(await fs.readdir(real))];
    return this.#keep({ kind: 'folder', path: real, names });
  }

  /** The next names; empty at the end. */
  async list(handle: string): Promise<NamedStats[]> {
    const open = this.#handle(handle);
    if (open.kind !== 'folder') throw new SftpStatusError(statusCode.failure, 'Failure');
    const entries: NamedStats[] = [];
    while (entries.length === 0 && open.names.length > 0) {
      const names = open.names.splice(0, namesPerAnswer);
      const found = await Promise.all(
        names.map(async (name) => {
          const stats = await fs.lstat(join(open.path, name)).catch(() => undefined);
          return stats && { name, stats };
        }),
      );
      for (const entry of found) if (entry) entries.push(entry);
    }
    return entries;
  }

  async remove(path: string): Promise<void> {
    const real = this.#changeable(path);
    if ((await fs.lstat(real)).isDirectory()) {
      throw new SftpStatusError(statusCode.failure, 'Failure');
    }
    await fs.unlink(real);
  }

  async makeFolder(path: string, attributes: WireAttributes): Promise<void> {
    const real = this.#changeable(path);
    this.#checkSpace();
    await fs.mkdir(real, (attributes.mode ?? 0o777) & permissionBits);
  }

  async removeFolder(path: string): Promise<void> {
    await fs.rmdir(this.#changeable(path));
  }

  async realpath(path: string): Promise<string> {
    return Promise.resolve(this.options.confinement.absolute(path));
  }

  expandHome(path: string): string {
    return path === '~' || path.startsWith('~/') ? `.${path.slice(1)}` : path;
  }

  /** Version 3 refuses an existing target; OpenSSH's posix-rename replaces it in one step. */
  async rename(from: string, to: string, { replaces }: { replaces: boolean }): Promise<void> {
    const source = this.#changeable(from);
    const target = this.#changeable(to);
    if (!replaces) {
      const exists = await fs.lstat(target).then(
        () => true,
        () => false,
      );
      if (exists) throw new SftpStatusError(statusCode.failure, 'Failure');
    }
    await fs.rename(source, target);
  }

  async readlink(path: string): Promise<string> {
    return fs.readlink(this.options.confinement.entry(path, 'read'));
  }

  async symlink(target: string, path: string): Promise<void> {
    const real = this.#changeable(path);
    this.#checkSpace();
    await fs.symlink(target, real);
  }

  async link(from: string, to: string): Promise<void> {
    const source = this.options.confinement.entry(from, 'write');
    await fs.link(source, this.#changeable(to));
  }

  async sync(handle: string): Promise<void> {
    await this.#file(handle).file.sync();
  }

  /** The eleven numbers of statvfs(3) in their order on the wire. */
  async fileSystem(path: string): Promise<number[]> {
    const real = this.options.confinement.follow(path, 'read');
    const { bsize, blocks, bfree, bavail, files, ffree } = await fs.statfs(real);
    const isFull = this.options.faults.settings.isDiskFull;
    const free = isFull ? [0, 0] : [bfree, bavail];
    return [bsize, bsize, blocks, ...free, files, ffree, ffree, 0, 0, 255];
  }

  async closeAll(): Promise<void> {
    const open = [...this.#handles.values()];
    this.#handles.clear();
    for (const handle of open) {
      if (handle.kind === 'file') await handle.file.close().catch(() => undefined);
    }
  }

  async #checkOpenForWriting(real: string, isCreating: boolean): Promise<void> {
    const exists = await fs.stat(real).then(
      () => true,
      () => false,
    );
    if (exists) checkWritable(real);
    else if (isCreating) checkFolder(real);
    if (!exists) this.#checkSpace();
  }

  #changeable(path: string): string {
    const real = this.options.confinement.entry(path, 'write');
    checkFolder(real);
    return real;
  }

  #checkSpace(): void {
    if (!this.options.faults.settings.isDiskFull) return;
    throw new SftpStatusError(statusCode.failure, 'No space left on device');
  }

  #keep(open: OpenFile | OpenFolder): string {
    if (this.#handles.size >= this.options.maxHandles) {
      if (open.kind === 'file') void open.file.close();
      throw new SftpStatusError(statusCode.failure, 'Failure');
    }
    const name = String(++this.#lastHandle);
    this.#handles.set(name, open);
    return name;
  }

  #handle(name: string): OpenFile | OpenFolder {
    const open = this.#handles.get(name);
    if (!open) throw new SftpStatusError(statusCode.failure, 'Invalid handle');
    return open;
  }

  #file(name: string): OpenFile {
    const open = this.#handle(name);
    if (open.kind !== 'file') throw new SftpStatusError(statusCode.failure, 'Invalid handle');
    return open;
  }
}

/** The folder must exist for the check to mean anything; a missing one fails later with its own error. */
function checkFolder(path: string): void {
  checkWritable(dirname(path));
}

function toSystemFlags(flags: number): number {
  const isReading = (flags & openFlag.read) !== 0;
  const isWriting = (flags & (openFlag.write | openFlag.append)) !== 0;
  const access = isWriting
    ? isReading
      ? constants.O_RDWR
      : constants.O_WRONLY
    : constants.O_RDONLY;
  return (
    access |
    (flags & openFlag.append ? constants.O_APPEND : 0) |
    (flags & openFlag.create ? constants.O_CREAT : 0) |
    (flags & openFlag.truncate ? constants.O_TRUNC : 0) |
    (flags & openFlag.exclusive ? constants.O_EXCL : 0)
  );
}
