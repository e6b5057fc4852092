// Files as one tar stream (POSIX ustar, pax headers for long and non-ASCII names). Knows no connection and no gzip.
import { isFailure } from '../base/failure';
import { sshFailure, detailOf } from '../ssh/failures';
import { readWhole } from './contents';

/** One member of the archive; its content is small, as whole files are held in memory. */
export interface TarMember {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly content: Buffer | { readonly localPath: string; readonly size: number };
}

const BLOCK = 512;
/** Files read at once, while as many before them are sent. */
const READ_AHEAD = 32;

/** The archive in parts. `mtimeSeconds` is the time of every member. Throws when a file is not as long as was said. */
export async function* tarParts(
  members: Iterable<TarMember>,
  mtimeSeconds: number,
): AsyncGenerator<Buffer> {
  for await (const group of readAhead(members)) {
    const parts = group.flatMap(({ member, content }) => [
      ...headers(member, content.length, mtimeSeconds),
      content,
      padding(content.length),
    ]);
    yield Buffer.concat(parts);
  }
  yield Buffer.alloc(2 * BLOCK);
}

async function* readAhead(
  members: Iterable<TarMember>,
): AsyncGenerator<readonly { member: TarMember; content: Buffer }[]> {
  let group: Promise<{ member: TarMember; content: Buffer }>[] = [];
  let next: typeof group = [];
  const read = async (member: TarMember) => ({ member, content: await readMember(member) });
  for (const member of members) {
    const reading = read(member);
    // It is awaited in its turn; until then a failure is no unhandled one.
    reading.catch(() => undefined);
    next.push(reading);
    if (next.length < READ_AHEAD) continue;
    if (group.length > 0) yield await Promise.all(group);
    group = next;
    next = [];
  }
  yield await Promise.all([...group, ...next]);
}

async function readMember({ content }: TarMember): Promise<Buffer> {
  if (Buffer.isBuffer(content)) return content;
  const { localPath: path, size } = content;
  return readWhole(path, size).catch((error: unknown) => {
    if (isFailure(error)) throw error;
    throw sshFailure('localFileFailed', { path, detail: detailOf(error) }, error);
  });
}

function headers(member: TarMember, size: number, mtimeSeconds: number): Buffer[] {
  const { path, mode } = member;
  const plain = { name: path, mode, size, mtimeSeconds, type: '0' };

  if (Buffer.byteLength(path) <= 100 && /^[\x20-\x7e]*$/.test(path)) return [header(plain)];
  const record = Buffer.from(paxRecord('path', path));
  const pax = { ...plain, name: 'pax', size: record.length, type: 'x' };
  return [header(pax), record, padding(record.length), header({ ...plain, name: 'file' })];
}

interface HeaderFields {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly type: string;
}

function header({ name, mode, size, mtimeSeconds, type }: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  };
  block.write(name, 0, 100, 'latin1');
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(mtimeSeconds, 136, 11);
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** `<length> key=value\n`, the length counting its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return `${String(length)} ${key}=${value}\n`;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
