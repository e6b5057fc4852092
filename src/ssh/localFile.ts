// Files of this computer as sources and targets of a transfer. Knows no connection.
import { open, type FileHandle } from 'node:fs/promises';
import { isFailure } from '../base/failure';
import { detailOf, sshFailure } from './failures';
import type { LocalFacts } from './remote';
import { fileBytes, type ByteSource } from './transfer';

/** What other people of this computer must not read either. */
const FILE_MODE = 0o600;

/** What is sent: bytes and how many they are. */
export interface Content {
  readonly size: number;
  readonly source: ByteSource;
  /** Throws when the source is not what it was at the beginning. */
  readonly check?: () => Promise<void>;
}

/** The bytes of a local file with a check that it stayed what it was, and is what it is `expected` to be. */
export function withLocalContent(
  path: string,
  work: (content: Content) => Promise<void>,
  expected?: LocalFacts,
): Promise<void> {
  return withLocalFile(path, 'r', async (file) => {
    const before = await file.stat();
    const checkSame = (found: LocalFacts, facts: LocalFacts): void => {
      const isSameTime = facts.mtimeMs === 0 || found.mtimeMs === facts.mtimeMs;
      if (found.size !== facts.size || !isSameTime) throw sshFailure('localFileChanged', { path });
    };
    if (expected) checkSame(before, expected);
    const check = async (): Promise<void> => {
      checkSame(await file.stat(), before);
    };
    const source = fileBytes(file, (error) => localFailure(path, error));
    await work({ size: before.size, source, check });
  }).catch((error: unknown) => {
    const isGone =
      expected && isFailure(error, 'localFileFailed') && codeOf(error.cause) === 'ENOENT';
    throw isGone ? sshFailure('localFileChanged', { path }, error) : error;
  });
}

function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

export async function withLocalFile(
  path: string,
  flags: 'r' | 'wx',
  work: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await localStep(path, open(path, flags, FILE_MODE));
  try {
    await work(file);
  } finally {
    await file.close();
  }
}

export async function localStep<T>(path: string, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw localFailure(path, error);
  }
}

function localFailure(path: string, error: unknown): Error {
  return sshFailure('localFileFailed', { path, detail: detailOf(error) }, error);
}
