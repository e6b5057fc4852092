// The bytes of SFTP version 3 (draft-ietf-secsh-filexfer-02): numbers and strings in, packets out.
// Knows no files and no connection.

/** Packet numbers of the draft; `extended` carries OpenSSH's additions by name. */
export const packetType = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const;

/** Status codes of version 3. */
export const statusCode = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  opUnsupported: 8,
} as const;

export type StatusCode = (typeof statusCode)[keyof typeof statusCode];

/** Attributes as version 3 carries them; an absent field is not on the wire. Times in whole seconds. */
export interface WireAttributes {
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

const attributeFlag = {
  size: 0x1,
  owner: 0x2,
  permissions: 0x4,
  times: 0x8,
  extended: 0x80000000,
} as const;

/** A packet ended before its fields did. */
export class ShortPacketError extends Error {
  override readonly name = 'ShortPacketError';
}

/** Reads the fields of one packet from its start. Throws {@link ShortPacketError} past the end. */
export class PacketReader {
  #offset = 0;

  constructor(readonly bytes: Buffer) {}

  byte(): number {
    return this.#take(1).readUInt8(0);
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0);
  }

  /** Exact up to 2^53; no file here is larger. */
  uint64(): number {
    return Number(this.#take(8).readBigUInt64BE(0));
  }

  string(): Buffer {
    return this.#take(this.uint32());
  }

  text(): string {
    return this.string().toString('utf8');
  }

  attributes(): WireAttributes {
    const flags = this.uint32();
    const size = flags & attributeFlag.size ? { size: this.uint64() } : {};
    const owner = flags & attributeFlag.owner ? { uid: this.uint32(), gid: this.uint32() } : {};
    const mode = flags & attributeFlag.permissions ? { mode: this.uint32() } : {};
    const times = flags & attributeFlag.times ? { atime: this.uint32(), mtime: this.uint32() } : {};
    const extended = (flags & attributeFlag.extended) >>> 0 !== 0 ? this.uint32() : 0;
    for (let pair = 0; pair < extended; pair++) {
      this.string();
      this.string();
    }
    return { ...size, ...owner, ...mode, ...times };
  }

  #take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.bytes.length) throw new ShortPacketError();
    const part = this.bytes.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function wireString(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

export function wireAttributes(attributes: WireAttributes): Buffer {
  const { size, uid, gid, mode, atime, mtime } = attributes;
  const parts: Buffer[] = [];
  let flags = 0;
  if (size !== undefined) {
    flags |= attributeFlag.size;
    parts.push(uint64(size));
  }
  if (uid !== undefined && gid !== undefined) {
    flags |= attributeFlag.owner;
    parts.push(uint32(uid), uint32(gid));
  }
  if (mode !== undefined) {
    flags |= attributeFlag.permissions;
    parts.push(uint32(mode));
  }
  if (atime !== undefined && mtime !== undefined) {
    flags |= attributeFlag.times;
    parts.push(uint32(atime), uint32(mtime));
  }
  return Buffer.concat([uint32(flags), ...parts]);
}

/** One whole packet: length, type, fields. */
export function packet(type: number, ...fields: readonly Buffer[]): Buffer {
  const length = 1 + fields.reduce((sum, field) => sum + field.length, 0);
  return Buffer.concat([uint32(length), Buffer.from([type]), ...fields]);
}

/** Cuts a byte stream into packets; keeps the unfinished rest. */
export class PacketSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Whole packets without their length field. Throws when one is longer than `maxLength` bytes. */
  push(chunk: Buffer, maxLength: number): Buffer[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const packets: Buffer[] = [];
    while (bytes.length >= 4) {
      const length = bytes.readUInt32BE(0);
      if (length === 0 || length > maxLength) throw new RangeError(`packet of ${String(length)}`);
      if (bytes.length < 4 + length) break;
      packets.push(bytes.subarray(4, 4 + length));
      bytes = bytes.subarray(4 + length);
    }
    this.#rest = bytes;
    return packets;
  }
}
