// Moves the bytes of one file over one or two SFTP channels with many requests under way. Knows no names, no renaming.
import type { FileHandle } from 'node:fs/promises';
import type { Done, SftpSession } from './sftpSession';

/** OpenSSH's channel window is 2 MiB; a little more under way keeps it full, and memory stays flat. */
const UNDER_WAY_BYTES = 4 * 1024 * 1024;
const MAX_REQUESTS = 64;
/** From here on a second channel, with a window of its own, is worth its round trips. */
export const TWO_CHANNELS_FROM_BYTES = 4 * 1024 * 1024;

/** The open file on one channel. */
export interface Lane {
  readonly session: SftpSession;
  readonly handle: Buffer;
}

/** The second joins when it is open; it may end early, as when its channel is needed for a command. */
export interface Lanes {
  readonly main: Lane;
  readonly second?: Promise<Lane | undefined>;
}

/** Where the bytes of an upload come from: fills `buffer` from `offset`, returns how many there were. */
export type ByteSource = (buffer: Buffer, offset: number) => Promise<number>;

export interface TransferSteps {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface SendPart {
  /** Where in both files to begin. */
  readonly offset?: number;
  /** Bytes of the whole source. */
  readonly size: number;
  readonly source: ByteSource;
}

export interface ReceivePart {
  /** Where in the remote file to begin. */
  readonly offset: number;
  readonly size: number;
  /** Gets each part with its place counted from `offset`, in any order; the bytes are its own until it has ended. */
  readonly take: (bytes: Buffer, at: number) => Promise<void>;
}

/** The bytes of a value in memory. */
export function bytesOf(content: Buffer): ByteSource {
  return (buffer, offset) => Promise.resolve(content.copy(buffer, 0, offset));
}

/** The bytes of an open local file; `toError` names what goes wrong while reading. */
export function fileBytes(file: FileHandle, toError: (error: unknown) => Error): ByteSource {
  return async (buffer, offset) => {
    let filled = 0;
    while (filled < buffer.length) {
      const left = buffer.length - filled;
      const { bytesRead } = await file
        .read(buffer, filled, left, offset + filled)
        .catch((error: unknown) => {
          throw toError(error);
        });
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  };
}

/** Sends what is left from `offset`; returns how many bytes the source really had there. */
export async function sendBytes(
  lanes: Lanes,
  part: SendPart,
  steps: TransferSteps,
): Promise<number> {
  let sent = 0;
  const range = { from: part.offset ?? 0, to: part.size };
  await inChunks(lanes, range, steps.signal, async ({ session, handle }, { offset, buffer }) => {
    const bytes = await part.source(buffer, offset);
    if (bytes > 0)
      await session.call((done: Done<undefined>) => {
        session.sftp.write(handle, buffer, 0, bytes, offset, (error) => {
          done(error, undefined);
        });
      });
    sent += bytes;
    steps.onBytes?.(bytes);
    return bytes === buffer.length;
  });
  return sent;
}

/** Receives up to `size` bytes and hands each part on; returns where the file really ended. */
export async function receiveBytes(
  lanes: Lanes,
  part: ReceivePart,
  steps: TransferSteps,
): Promise<number> {
  let end = part.size;
  const range = { from: 0, to: part.size };
  await inChunks(lanes, range, steps.signal, async (lane, { offset, buffer }) => {
    const bytes = await receiveChunk(lane, { offset: part.offset + offset, buffer }, steps);
    if (bytes.length < buffer.length) end = Math.min(end, offset + bytes.length);
    if (bytes.length > 0) await part.take(bytes, offset);
    return bytes.length === buffer.length;
  });
  return end;
}

interface Chunk {
  readonly offset: number;
  /** As long as the chunk. Used again for the next one, so that a large file leaves little to collect. */
  readonly buffer: Buffer;
}

async function receiveChunk(
  lane: Lane,
  { offset, buffer }: Chunk,
  steps: TransferSteps,
): Promise<Buffer> {
  let filled = 0;
  // A server may answer with less than was asked for at any time.
  while (filled < buffer.length) {
    steps.signal?.throwIfAborted();
    const left = buffer.length - filled;
    lane.session.widenWindow();
    const bytes = await lane.session.call((done: Done<number>) => {
      lane.session.sftp.read(lane.handle, buffer, filled, left, offset + filled, done);
    });
    if (bytes <= 0) break;
    filled += bytes;
    steps.onBytes?.(bytes);
  }
  return buffer.subarray(0, filled);
}

/** Calls `step` for every chunk, many at once; `false` from a step means that nothing comes after it. */
async function inChunks(
  lanes: Lanes,
  range: { readonly from: number; readonly to: number },
  signal: AbortSignal | undefined,
  step: (lane: Lane, chunk: Chunk) => Promise<boolean>,
): Promise<void> {
  let next = range.from;
  let isOver = false;
  const requestLoop = async (lane: Lane, isWanted: () => boolean): Promise<void> => {
    const chunkBytes = lane.session.chunkBytes;
    let space: Buffer | undefined;
    while (next < range.to && !isOver && isWanted()) {
      const offset = next;
      next += chunkBytes;
      try {
        signal?.throwIfAborted();
        const length = Math.min(chunkBytes, range.to - offset);
        // Only the last chunk of a file is shorter than the ones before it.
        space ??= Buffer.allocUnsafe(length);
        if (!(await step(lane, { offset, buffer: space.subarray(0, length) }))) isOver = true;
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  const work = async (lane: Lane, isWanted: () => boolean): Promise<void> => {
    const { chunkBytes } = lane.session;
    const left = Math.ceil((range.to - next) / chunkBytes);
    const count = Math.min(MAX_REQUESTS, Math.ceil(UNDER_WAY_BYTES / chunkBytes), left);
    const loops = Array.from({ length: Math.max(0, count) }, () => requestLoop(lane, isWanted));
    // Only when no request is under way may the caller close the handle.
    for (const result of await Promise.allSettled(loops))
      if (result.status === 'rejected') throw result.reason;
  };
  let isMainDone = false;
  const joined: Promise<void>[] = [];
  void lanes.second?.then((lane) => {
    if (!lane || isMainDone) return;
    const beside = work(lane, () => !lane.session.isRetired);
    // Looked at when the first lane is done.
    beside.catch(() => undefined);
    joined.push(beside);
  });
  const [main] = await Promise.allSettled([work(lanes.main, () => true)]);
  isMainDone = true;
  for (const result of [main, ...(await Promise.allSettled(joined))])
    if (result.status === 'rejected') throw result.reason;
}
