// Moves the bytes of one file over an SFTP channel with many requests under way. Knows no names and no renaming.
import type { FileHandle } from 'node:fs/promises';
import type { Done, SftpSession } from './sftpSession';

/** What every SFTP server must take in one request. */
const CHUNK_BYTES = 32 * 1024;
/** 2 MiB under way fill OpenSSH's channel window; more brings nothing. */
const REQUESTS = 64;

/** Where the bytes of an upload come from: fills `buffer` from `offset`, returns how many there were. */
export type ByteSource = (buffer: Buffer, offset: number) => Promise<number>;

export interface TransferSteps {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface SendTarget {
  readonly handle: Buffer;
  readonly size: number;
  readonly source: ByteSource;
}

export interface ReceiveSource {
  readonly handle: Buffer;
  /** Where in the remote file to begin. */
  readonly offset: number;
  readonly size: number;
  /** Gets each part with its place counted from `offset`; parts come in any order. */
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

/** Sends `size` bytes; returns how many the source really had. */
export async function sendBytes(
  session: SftpSession,
  target: SendTarget,
  steps: TransferSteps,
): Promise<number> {
  let sent = 0;
  await inChunks(target.size, steps.signal, async (offset, length) => {
    const buffer = Buffer.allocUnsafe(length);
    const bytes = await target.source(buffer, offset);
    if (bytes > 0)
      await session.call((done: Done<undefined>) => {
        session.sftp.write(target.handle, buffer, 0, bytes, offset, (error) => {
          done(error, undefined);
        });
      });
    sent += bytes;
    steps.onBytes?.(bytes);
    return bytes === length;
  });
  return sent;
}

/** Receives up to `size` bytes and hands each part on; returns where the file really ended. */
export async function receiveBytes(
  session: SftpSession,
  source: ReceiveSource,
  steps: TransferSteps,
): Promise<number> {
  let end = source.size;
  await inChunks(source.size, steps.signal, async (offset, length) => {
    const part = await receiveChunk(session, source, { offset, length }, steps);
    if (part.length < length) end = Math.min(end, offset + part.length);
    if (part.length > 0) await source.take(part, offset);
    return part.length === length;
  });
  return end;
}

async function receiveChunk(
  session: SftpSession,
  source: ReceiveSource,
  chunk: { offset: number; length: number },
  steps: TransferSteps,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(chunk.length);
  let filled = 0;
  // A server may answer with less than was asked for at any time.
  while (filled < chunk.length) {
    steps.signal?.throwIfAborted();
    const left = chunk.length - filled;
    const at = source.offset + chunk.offset + filled;
    const bytes = await session.call((done: Done<number>) => {
      session.sftp.read(source.handle, buffer, filled, left, at, done);
    });
    if (bytes <= 0) break;
    filled += bytes;
    steps.onBytes?.(bytes);
  }
  return buffer.subarray(0, filled);
}

/** Calls `step` for every chunk, 64 at once; `false` from a step means that nothing comes after it. */
async function inChunks(
  size: number,
  signal: AbortSignal | undefined,
  step: (offset: number, length: number) => Promise<boolean>,
): Promise<void> {
  let next = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (next < size && !isOver) {
      signal?.throwIfAborted();
      const offset = next;
      next += CHUNK_BYTES;
      try {
        if (!(await step(offset, Math.min(CHUNK_BYTES, size - offset)))) isOver = true;
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  const count = Math.min(REQUESTS, Math.ceil(size / CHUNK_BYTES));
  const results = await Promise.allSettled(Array.from({ length: count }, lane));
  // Only when no request is under way may the caller close the handle.
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
