// RemoteFiles over a real local folder, with a cut after any number of changes. For tests of what sync decides.
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { sshFailure } from '../../../src/ssh/failures';
import type {
  RemoteEntry,
  RemoteFiles,
  RemotePath,
  RemoteStat,
  UploadOptions,
} from '../../../src/ssh/remote';
import { TEMPORARY_PREFIX } from '../../../src/ssh/remoteFiles';

export class FolderFiles implements RemoteFiles {
  /** Changes left until the line is cut; each half of a write counts. */
  changesLeft = Infinity;
  /** A cut between the halves of a write leaves half of the temporary file, as a crash does. */
  leavesHalf = false;

  constructor(readonly root: string) {}

  stat(path: RemotePath): Promise<RemoteStat | undefined> {
    const found = fs.statSync(this.#at(path), { throwIfNoEntry: false });
    return Promise.resolve(found && toStat(found));
  }

  list(path: RemotePath): Promise<readonly RemoteEntry[]> {
    const folder = this.#at(path);
    if (!fs.existsSync(folder)) return Promise.reject(sshFailure('noSuchFile', { path }));
    return Promise.resolve(
      fs.readdirSync(folder).map((name) => ({ name, ...toStat(fs.lstatSync(join(folder, name))) })),
    );
  }

  async makeFolder(path: RemotePath): Promise<void> {
    await this.#change(path);
    fs.mkdirSync(this.#at(path), { recursive: true, mode: 0o700 });
  }

  read(path: RemotePath, range?: { offset: number; length: number }): Promise<Buffer> {
    const file = this.#at(path);
    if (!fs.existsSync(file)) return Promise.reject(sshFailure('noSuchFile', { path }));
    const content = fs.readFileSync(file);
    const { offset, length } = range ?? { offset: 0, length: content.length };
    return Promise.resolve(content.subarray(offset, offset + length));
  }

  async write(path: RemotePath, content: Uint8Array | string): Promise<void> {
    await this.#change(path);
    const temporary = join(
      dirname(this.#at(path)),
      `${TEMPORARY_PREFIX}${randomBytes(4).toString('hex')}`,
    );
    const isCut = this.changesLeft <= 0;
    fs.writeFileSync(temporary, isCut && this.leavesHalf ? content.slice(0, 5) : content);
    await this.#change(path);
    fs.renameSync(temporary, this.#at(path));
  }

  async upload(localPath: string, path: RemotePath, options: UploadOptions = {}): Promise<void> {
    const { expected } = options;
    const local = fs.statSync(localPath, { throwIfNoEntry: false });
    const isSameTime = expected?.mtimeMs === 0 || local?.mtimeMs === expected?.mtimeMs;
    if (expected && !(local?.size === expected.size && isSameTime))
      throw sshFailure('localFileChanged', { path: localPath });
    const content = fs.readFileSync(localPath);
    const found = fs.lstatSync(this.#at(path), { throwIfNoEntry: false });
    options.checkTarget?.(found && toStat(found));
    await this.write(path, content);
  }

  async uploadPart(localPath: string, path: RemotePath, at: { offset: number }): Promise<void> {
    await this.#change(path);
    const file = fs.openSync(this.#at(path), fs.constants.O_WRONLY | fs.constants.O_CREAT, 0o600);
    fs.writeSync(file, fs.readFileSync(localPath).subarray(at.offset), 0, undefined, at.offset);
    fs.closeSync(file);
  }

  async download(path: RemotePath, localPath: string): Promise<void> {
    fs.writeFileSync(localPath, await this.read(path));
  }

  async remove(path: RemotePath): Promise<void> {
    await this.#change(path);
    const found = fs.lstatSync(this.#at(path), { throwIfNoEntry: false });
    if (found?.isDirectory()) fs.rmdirSync(this.#at(path));
    else fs.rmSync(this.#at(path), { force: true });
  }

  #change(path: string): Promise<void> {
    if (this.changesLeft-- > 0) return Promise.resolve();
    return Promise.reject(sshFailure('connectionLost', { host: path }));
  }

  #at(path: RemotePath): string {
    return join(this.root, path);
  }
}

function toStat(found: fs.Stats): RemoteStat {
  const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'link';
  const mtimeSeconds = Math.floor(found.mtimeMs / 1000);
  return { kind, size: found.size, mtimeSeconds, mode: found.mode & 0o777 };
}
