// Files of this computer as sources and targets of a transfer. Knows no connection.
import { open, type FileHandle } from 'node:fs/promises';
import { detailOf, sshFailure } from './failures';
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

/** The bytes of a local file with a check that it stayed what it was. */
export function withLocalContent(
  path: string,
  work: (content: Content) => Promise<void>,
): Promise<void> {
  return withLocalFile(path, 'r', async (file) => {
    const before = await file.stat();
    const check = async (): Promise<void> => {
      const after = await file.stat();
      if (after.size !== before.size || after.mtimeMs !== before.mtimeMs)
        throw sshFailure('localFileChanged', { path });
    };
    const source = fileBytes(file, (error) => localFailure(path, error));
    await work({ size: before.size, source, check });
  });
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
