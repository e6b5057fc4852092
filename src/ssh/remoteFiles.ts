// The files of the remote machine over SFTP: temporary name, then rename. Knows no connection; a port gives the session.
import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isFailure } from '../base/failure';
import { sshFailure } from './failures';
import { withLanes } from './lanes';
import {
  joinRemote,
  type RemoteEntry,
  type RemoteFiles,
  type RemotePath,
  type RemoteStat,
  type TransferOptions,
  type UploadOptions,
} from './remote';
import * as requests from './sftpRequests';
import { isVague, STATUS, statusOf, toFileFailure, type SftpSession } from './sftpSession';
import { bytesOf, receiveBytes, sendBytes, type Lane } from './transfer';
import { localStep, withLocalContent, withLocalFile, type Content } from './localFile';

/** Names of files that are not finished; a stray one after a cut may be removed by whoever finds it. */
export const TEMPORARY_PREFIX = '.furo-tmp-';

/** Nobody may read another user's code, keys or results on a shared machine. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** A file that is read into memory as a whole; larger ones are downloaded. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

export interface RemoteFilesPorts {
  /** The open session; opens one when there is none. */
  session(signal?: AbortSignal): Promise<SftpSession>;
  /** One more, for the bytes of a large file; undefined when there is none to spare. */
  secondSession(signal?: AbortSignal): Promise<SftpSession | undefined>;
  /** What the machine says when it writes to `path`: the text of its error, or undefined. Never throws. */
  explainWriteError(path: RemotePath): Promise<string | undefined>;
}

interface Task {
  readonly path: RemotePath;
  readonly operation: string;
  readonly signal: AbortSignal | undefined;
}

export class SftpFiles implements RemoteFiles {
  constructor(private readonly ports: RemoteFilesPorts) {}

  async stat(path: RemotePath, signal?: AbortSignal): Promise<RemoteStat | undefined> {
    try {
      return await this.#run({ path, operation: 'stat', signal }, (session) =>
        requests.statPath(session, path),
      );
    } catch (error) {
      if (isFailure(error, 'noSuchFile')) return undefined;
      throw error;
    }
  }

  list(path: RemotePath, signal?: AbortSignal): Promise<readonly RemoteEntry[]> {
    return this.#run({ path, operation: 'list', signal }, (session) =>
      requests.listFolder(session, path, signal),
    );
  }

  makeFolder(path: RemotePath, signal?: AbortSignal): Promise<void> {
    return this.#run({ path, operation: 'makeFolder', signal }, async (session) => {
      try {
        await requests.makeFolders(session, path, FOLDER_MODE);
      } catch (error) {
        const probe = joinRemote(requests.parentOf(path), temporaryName());
        throw await this.#explained(error, session, path, probe);
      }
    });
  }

  read(
    path: RemotePath,
    range?: { offset: number; length: number },
    signal?: AbortSignal,
  ): Promise<Buffer> {
    return this.#run({ path, operation: 'read', signal }, async (session) => {
      const handle = await requests.openToRead(session, path);
      try {
        const { size: whole } = await requests.statHandle(session, handle);
        const offset = range?.offset ?? 0;
        const size = Math.max(0, Math.min(range?.length ?? whole, whole - offset));
        if (size > MAX_READ_BYTES)
          throw sshFailure('outputTooLarge', { limitBytes: MAX_READ_BYTES });
        const content = Buffer.alloc(size);
        const take = (bytes: Buffer, at: number): Promise<void> => {
          bytes.copy(content, at);
          return Promise.resolve();
        };
        const lanes = { main: { session, handle } };
        const end = await receiveBytes(lanes, { offset, size, take }, { signal });
        return content.subarray(0, end);
      } finally {
        await requests.closeHandle(session, handle).catch(ignore);
      }
    });
  }

  async write(
    path: RemotePath,
    content: Uint8Array | string,
    options: UploadOptions = {},
  ): Promise<void> {
    const bytes = Buffer.from(content as Uint8Array);
    await this.#send(path, { size: bytes.length, source: bytesOf(bytes) }, options);
  }

  async upload(localPath: string, path: RemotePath, options: UploadOptions = {}): Promise<void> {
    const send = (content: Content): Promise<void> => this.#send(path, content, options);
    await withLocalContent(localPath, send, options.expected);
  }

  async uploadPart(
    localPath: string,
    path: RemotePath,
    options: UploadOptions & { offset: number },
  ): Promise<void> {
    const { signal, offset, mode = FILE_MODE } = options;
    await withLocalContent(localPath, (content) =>
      this.#run({ path, operation: 'write', signal }, async (session) => {
        const handle = await requests.openToWrite(session, path, { mode, truncate: offset === 0 });
        try {
          const sent = await this.#sendOver({ session, handle }, path, { ...options, content });
          await requests.flush(session, handle);
          await content.check?.();
          if (offset + sent !== content.size)
            throw new Error(`${offset + sent} of ${content.size} bytes`);
        } catch (error) {
          const probe = joinRemote(requests.parentOf(path), temporaryName());
          throw await this.#explained(error, session, path, probe);
        } finally {
          await requests.closeHandle(session, handle).catch(ignore);
        }
      }),
    );
  }

  async download(
    path: RemotePath,
    localPath: string,
    options: TransferOptions = {},
  ): Promise<void> {
    const temporary = join(dirname(localPath), temporaryName());
    const task = { path, operation: 'download', signal: options.signal };
    await this.#run(task, async (session) => {
      const handle = await requests.openToRead(session, path);
      try {
        const { size } = await requests.statHandle(session, handle);
        await withLocalFile(temporary, 'wx', async (file) => {
          const take = async (bytes: Buffer, at: number): Promise<void> => {
            await localStep(localPath, file.write(bytes, 0, bytes.length, at));
          };
          const end = await withLanes(
            {
              main: { session, handle },
              size,
              secondSession: () => this.ports.secondSession(options.signal),
              openAgain: (again) => requests.openToRead(again, path),
            },
            (lanes) => receiveBytes(lanes, { offset: 0, size, take }, options),
          );
          await localStep(localPath, file.truncate(end));
        });
        await localStep(localPath, rename(temporary, localPath));
      } finally {
        await rm(temporary, { force: true });
        await requests.closeHandle(session, handle).catch(ignore);
      }
    });
  }

  /** A file or link goes; an empty folder goes; what is not there counts as removed. */
  remove(path: RemotePath, signal?: AbortSignal): Promise<void> {
    return this.#run({ path, operation: 'remove', signal }, async (session) => {
      try {
        await requests.removeFile(session, path);
      } catch (error) {
        if (statusOf(error) === STATUS.noSuchFile) return;
        const found = await requests.statLink(session, path);
        if (found.kind !== 'folder') throw error;
        await requests.removeFolder(session, path);
      }
    });
  }

  async #send(path: RemotePath, content: Content, options: UploadOptions): Promise<void> {
    const { signal, mode = FILE_MODE, mtimeSeconds, checkTarget } = options;
    const temporary = joinRemote(requests.parentOf(path), temporaryName());
    await this.#run({ path, operation: 'write', signal }, async (session) => {
      let handle: Buffer | undefined;
      try {
        handle = await requests.openNew(session, temporary, mode);
        const sent = await this.#sendOver({ session, handle }, temporary, { ...options, content });
        await requests.flush(session, handle);
        await content.check?.();
        if (sent !== content.size) throw new Error(`${sent} of ${content.size} bytes`);
        if (mtimeSeconds !== undefined) await requests.setModified(session, handle, mtimeSeconds);
        const closing = requests.closeHandle(session, handle);
        handle = undefined;
        const [found] = await Promise.all([checkTarget && foundAt(session, path), closing]);
        checkTarget?.(found);
        signal?.throwIfAborted();
        await requests.replace(session, temporary, path);
      } catch (error) {
        // Asked before the half-written file goes: once it is gone, a full disk is not full any more.
        const explained = await this.#explained(error, session, path, temporary);
        if (handle) await requests.closeHandle(session, handle).catch(ignore);
        await requests.removeFile(session, temporary).catch(ignore);
        throw explained;
      }
    });
  }

  /** Both channels write the same file, which is there already. */
  #sendOver(
    main: Lane,
    path: RemotePath,
    options: TransferOptions & { content: Content; offset?: number },
  ): Promise<number> {
    const { content, offset = 0, signal } = options;
    const plan = {
      main,
      size: content.size - offset,
      secondSession: () => this.ports.secondSession(signal),
      openAgain: (again: SftpSession) =>
        requests.openToWrite(again, path, { mode: FILE_MODE, truncate: false }),
    };
    return withLanes(plan, (lanes) => sendBytes(lanes, { ...content, offset }, options));
  }

  /** SFTP says only `Failure` when a disk is full or a quota is used up; its file system may tell, or a shell there. */
  async #explained(
    error: unknown,
    session: SftpSession,
    path: RemotePath,
    probe: RemotePath,
  ): Promise<unknown> {
    if (!isVague(error)) return error;
    if (await requests.isFull(session, requests.parentOf(probe), session.chunkBytes))
      return sshFailure('diskFull', { path, detail: 'No space left on device' }, error);
    const detail = await this.ports.explainWriteError(probe);
    return detail === undefined ? error : toFileFailure(new Error(detail), path, 'write');
  }

  async #run<T>(task: Task, work: (session: SftpSession) => Promise<T>): Promise<T> {
    task.signal?.throwIfAborted();
    let session = await this.ports.session(task.signal);
    while (!session.isOpen) session = await this.ports.session(task.signal);
    try {
      return await session.use(() => work(session));
    } catch (error) {
      throw toFileFailure(error, task.path, task.operation);
    }
  }
}

/** Undefined when nothing is there; a link is not followed. */
async function foundAt(session: SftpSession, path: RemotePath): Promise<RemoteStat | undefined> {
  try {
    return await requests.statLink(session, path);
  } catch (error) {
    if (statusOf(error) === STATUS.noSuchFile) return undefined;
    throw error;
  }
}

function temporaryName(): string {
  return `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}`;
}

function ignore(): void {
  // The first error is the one that is told.
}
