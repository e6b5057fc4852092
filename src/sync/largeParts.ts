// Large files on their way: each waits under a name made of its content until all of a plan has come. Renames nothing.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { joinRemote } from '../ssh/remote';
import { decoded, runScript, scriptText } from '../ssh/remoteScript';
import type { HashedFile } from './plan';
import { inPool } from './pool';
import { STAGING_FOLDER, type RemoteListing } from './remoteListing';
import type { SyncOptions } from './syncOptions';

export interface Part {
  /** In {@link STAGING_FOLDER}. */
  readonly name: string;
  readonly file: HashedFile;
}

/** One file fills two channels; a few more fill the pauses between files. */
const AT_ONCE = 4;
const BLOCK_BYTES = 8 * 1024 * 1024;
const HASH_TIMEOUT_MS = 30 * 60_000;

/** The hash of every block of a file. Arguments: project folder, path below it. */
const BLOCK_HASHES = scriptText(
  decoded('r', 2),
  decoded('p', 3),
  `cd "$r" && split -b ${String(BLOCK_BYTES)} --filter=sha256sum -- "$p" 2>/dev/null;`,
);

/** Two files of one content need two parts. */
export function nameParts(files: readonly HashedFile[]): Part[] {
  const seen = new Map<string, number>();
  return files.map((file) => {
    const copies = seen.get(file.sha256) ?? 0;
    seen.set(file.sha256, copies + 1);
    return { file, name: `part-${file.sha256}${copies === 0 ? '' : `.${String(copies)}`}` };
  });
}

/** Sends what is missing of each part. After a cut, what came whole is not sent again. */
export async function sendParts(
  options: SyncOptions,
  parts: readonly Part[],
  known: {
    readonly staged: RemoteListing['staged'];
    readonly onBytes: (bytes: number, file: HashedFile) => void;
  },
): Promise<void> {
  if (parts.length === 0) return;
  const { files, remoteFolder, signal } = options;
  await files.makeFolder(joinRemote(remoteFolder, STAGING_FOLDER), signal);
  await inPool(parts, AT_ONCE, signal, async ({ name, file }) => {
    const waiting = known.staged.get(name);
    const isUseful = waiting?.kind === 'file' && waiting.size <= file.size;
    const path = `${STAGING_FOLDER}/${name}`;
    const offset = isUseful ? await goodBytes(options, path, file) : 0;
    known.onBytes(offset, file);
    if (offset === file.size && waiting) return;
    await files.uploadPart(file.localPath, joinRemote(remoteFolder, path), {
      offset,
      mode: file.mode,
      ...(signal && { signal }),
      onBytes: (bytes) => {
        known.onBytes(bytes, file);
      },
    });
  });
}

/** How far the part is the file, in whole blocks. */
async function goodBytes(options: SyncOptions, path: string, file: HashedFile): Promise<number> {
  const { exec, remoteFolder, signal } = options;
  if (!exec) return 0;
  const answer = await runScript(
    exec,
    { script: BLOCK_HASHES, args: [remoteFolder, path] },
    { timeoutMs: HASH_TIMEOUT_MS, ...(signal && { signal }) },
  );
  const there = (answer?.toString('latin1') ?? '').match(/^[0-9a-f]{64}/gm) ?? [];
  const local = await open(file.localPath, 'r');
  try {
    const buffer = Buffer.allocUnsafe(BLOCK_BYTES);
    for (const [index, hash] of there.entries()) {
      signal?.throwIfAborted();
      const at = index * BLOCK_BYTES;
      const { bytesRead } = await local.read(buffer, 0, BLOCK_BYTES, at);
      const here = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
      if (bytesRead === 0 || here !== hash) return Math.min(at, file.size);
    }
    return Math.min(there.length * BLOCK_BYTES, file.size);
  } finally {
    await local.close();
  }
}
