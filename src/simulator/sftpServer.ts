// SFTP version 3 over one SSH channel, with the OpenSSH additions that clients use. Written on the bytes,
// not with ssh2's own server half, so that a client built on ssh2 meets an independent reading of the draft.
import type { ServerChannel } from 'ssh2';
import { renderLongName, SftpStatusError, toStatusError, toWireAttributes } from './sftpAttributes';
import { SftpFiles, type NamedStats, type SftpFilesOptions } from './sftpFiles';
import {
  packet,
  PacketReader,
  PacketSplitter,
  packetType,
  ShortPacketError,
  statusCode,
  uint32,
  uint64,
  wireAttributes,
  wireString,
} from './sftpWire';

/** OpenSSH's own limits (sftp-common.h, sftp-server.c): 256 KiB packets, 1 KiB of them for the header. */
const maxPacketBytes = 256 * 1024;
const maxDataBytes = maxPacketBytes - 1024;
const maxHandles = 1024;

const extensions: readonly (readonly [string, string])[] = [
  ['posix-rename@openssh.com', '1'],
  ['statvfs@openssh.com', '2'],
  ['hardlink@openssh.com', '1'],
  ['fsync@openssh.com', '1'],
  ['lsetstat@openssh.com', '1'],
  ['limits@openssh.com', '1'],
  ['expand-path@openssh.com', '1'],
];

type Answer = (id: number, reader: PacketReader) => Promise<Buffer>;

export interface SftpServerOptions extends Omit<SftpFilesOptions, 'maxHandles'> {
  /** Owner shown in long names. */
  readonly user: string;
}

/** Answers the requests of one channel in their order, and closes what was left open at its end. */
export class SftpServer {
  readonly #files: SftpFiles;
  readonly #splitter = new PacketSplitter();
  #work: Promise<void> = Promise.resolve();

  constructor(
    readonly channel: ServerChannel,
    readonly options: SftpServerOptions,
  ) {
    this.#files = new SftpFiles({ ...options, maxHandles });
    channel.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    const finish = (): void => {
      this.#work = this.#work.then(() => this.#files.closeAll());
    };
    channel.once('close', finish);
    channel.on('error', finish);
    channel.once('end', () => {
      finish();
      void this.#work.then(() => {
        if (channel.destroyed || channel.writableEnded) return;
        channel.exit(0);
        channel.end();
      });
    });
  }

  #receive(chunk: Buffer): void {
    let packets: Buffer[];
    try {
      packets = this.#splitter.push(chunk, maxPacketBytes);
    } catch {
      this.channel.destroy();
      return;
    }
    if (packets.length === 0) return;
    this.channel.pause();
    const answerAll = async (): Promise<void> => {
      for (const bytes of packets) await this.#send(await this.#answer(new PacketReader(bytes)));
      this.channel.resume();
    };
    this.#work = this.#work.then(answerAll).catch(() => {
      // A packet without a request number cannot be answered; sftp-server gives up here as well.
      this.channel.destroy();
    });
  }

  async #send(bytes: Buffer): Promise<void> {
    if (this.channel.writableEnded || this.channel.destroyed) return;
    if (this.channel.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        this.channel.off('drain', go);
        this.channel.off('close', go);
        resolve();
      };
      this.channel.on('drain', go);
      this.channel.on('close', go);
    });
  }

  async #answer(reader: PacketReader): Promise<Buffer> {
    const type = reader.byte();
    if (type === packetType.init) return this.#version();
    const id = reader.uint32();
    const answer = this.#answers[type];
    try {
      if (!answer) throw new SftpStatusError(statusCode.opUnsupported, 'Operation unsupported');
      return await answer(id, reader);
    } catch (error) {
      const { code, message } =
        error instanceof ShortPacketError
          ? new SftpStatusError(statusCode.badMessage, 'Bad message')
          : toStatusError(error);
      return status(id, code, message);
    }
  }

  #version(): Buffer {
    const pairs = extensions.flatMap(([name, version]) => [wireString(name), wireString(version)]);
    return packet(packetType.version, uint32(3), ...pairs);
  }

  readonly #answers: Readonly<Record<number, Answer>> = {
    [packetType.open]: async (id, r) =>
      handle(id, await this.#files.open(r.text(), r.uint32(), r.attributes())),
    [packetType.close]: (id, r) => done(id, this.#files.close(r.text())),
    [packetType.read]: async (id, r) => {
      const data = await this.#files.read(r.text(), r.uint64(), Math.min(r.uint32(), maxDataBytes));
      return packet(packetType.data, uint32(id), wireString(data));
    },
    [packetType.write]: (id, r) => done(id, this.#files.write(r.text(), r.uint64(), r.string())),
    [packetType.lstat]: async (id, r) => attrs(id, await this.#files.lstat(r.text())),
    [packetType.stat]: async (id, r) => attrs(id, await this.#files.stat(r.text())),
    [packetType.fstat]: async (id, r) => attrs(id, await this.#files.fstat(r.text())),
    [packetType.setstat]: (id, r) => done(id, this.#files.setstat(r.text(), r.attributes())),
    [packetType.fsetstat]: (id, r) => done(id, this.#files.fsetstat(r.text(), r.attributes())),
    [packetType.opendir]: async (id, r) => handle(id, await this.#files.openFolder(r.text())),
    [packetType.readdir]: async (id, r) => this.#names(id, await this.#files.list(r.text())),
    [packetType.remove]: (id, r) => done(id, this.#files.remove(r.text())),
    [packetType.mkdir]: (id, r) => done(id, this.#files.makeFolder(r.text(), r.attributes())),
    [packetType.rmdir]: (id, r) => done(id, this.#files.removeFolder(r.text())),
    [packetType.realpath]: async (id, r) => path(id, await this.#files.realpath(r.text())),
    [packetType.rename]: (id, r) =>
      done(id, this.#files.rename(r.text(), r.text(), { replaces: false })),
    [packetType.readlink]: async (id, r) => path(id, await this.#files.readlink(r.text())),
    // OpenSSH sends the target first, against the draft, and every server of note follows it.
    [packetType.symlink]: (id, r) => done(id, this.#files.symlink(r.text(), r.text())),
    [packetType.extended]: (id, r) => this.#extended(id, r),
  };

  async #extended(id: number, r: PacketReader): Promise<Buffer> {
    const name = r.text();
    switch (name) {
      case 'posix-rename@openssh.com':
        return done(id, this.#files.rename(r.text(), r.text(), { replaces: true }));
      case 'fsync@openssh.com':
        return done(id, this.#files.sync(r.text()));
      case 'hardlink@openssh.com':
        return done(id, this.#files.link(r.text(), r.text()));
      case 'lsetstat@openssh.com':
        return done(id, this.#files.setstat(r.text(), r.attributes(), { followsLink: false }));
      case 'expand-path@openssh.com':
        return path(id, await this.#files.realpath(this.#files.expandHome(r.text())));
      case 'limits@openssh.com': {
        const limits = [maxPacketBytes, maxDataBytes, maxDataBytes, maxHandles].map(uint64);
        return packet(packetType.extendedReply, uint32(id), ...limits);
      }
      case 'statvfs@openssh.com': {
        const numbers = (await this.#files.fileSystem(r.text())).map(uint64);
        return packet(packetType.extendedReply, uint32(id), ...numbers);
      }
      default:
        throw new SftpStatusError(statusCode.opUnsupported, 'Operation unsupported');
    }
  }

  #names(id: number, entries: readonly NamedStats[]): Buffer {
    if (entries.length === 0) return status(id, statusCode.eof, 'End of file');
    const fields = entries.flatMap(({ name, stats }) => [
      wireString(name),
      wireString(renderLongName(name, stats, this.options.user)),
      wireAttributes(toWireAttributes(stats)),
    ]);
    return packet(packetType.name, uint32(id), uint32(entries.length), ...fields);
  }
}

function status(id: number, code: number, message: string): Buffer {
  const fields = [uint32(id), uint32(code), wireString(message), wireString('')];
  return packet(packetType.status, ...fields);
}

async function done(id: number, work: Promise<void>): Promise<Buffer> {
  await work;
  return status(id, statusCode.ok, 'Success');
}

function handle(id: number, name: string): Buffer {
  return packet(packetType.handle, uint32(id), wireString(name));
}

function attrs(id: number, stats: NamedStats['stats']): Buffer {
  return packet(packetType.attrs, uint32(id), wireAttributes(toWireAttributes(stats)));
}

function path(id: number, text: string): Buffer {
  const fields = [uint32(id), uint32(1), wireString(text), wireString(text), wireAttributes({})];
  return packet(packetType.name, ...fields);
}
