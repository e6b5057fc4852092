// What this extension put into a remote project folder, as text and back. Knows no connection.
import { syncFailure } from './failures';

/** Where the manifest lies, below the remote project folder. */
export const MANIFEST_PATH = '.furo/manifest.json';

const VERSION = 1;

/**
 * What we put there is this much older than the machine's time when the sync began to act, so that an edit there in the same second has another
 * time, as long as the clock of its file system is less than that behind. A build there must be so much older, too.
 */
export const SENT_AGE_SECONDS = 2;

/** One file that we put there. */
export interface ManifestFile {
  /** Bytes, on both sides. */
  readonly size: number;
  /** Lower-case hex of the content. */
  readonly sha256: string;
  /** Permission bits that we gave. */
  readonly mode: number;
  /** Milliseconds since 1970 of the local file when it was hashed; 0 when that moment was too close to be sure. */
  readonly localMtimeMs: number;
  /** Seconds since 1970 as the server says; undefined while an upload is under way or was cut. */
  readonly remoteMtimeSeconds?: number;
  /** The rules of a later sync left it out: it lies there as we left it, is not removed, and belongs to no run. */
  readonly isLeftOut?: true | undefined;
}

export interface Manifest {
  /** By path below the project folder, `/` between parts, NFC. */
  readonly files: ReadonlyMap<string, ManifestFile>;
  /**
   * Uploads that were announced before they began. After a cut, a remote file may be the old one of `files`
   * or the new one of this list; both are ours.
   */
  readonly pending: ReadonlyMap<string, ManifestFile>;
}

export const EMPTY_MANIFEST: Manifest = { files: new Map(), pending: new Map() };

/** Stable order and one file per line, so that a person can read it. */
export function renderManifest(manifest: Manifest): string {
  const lines = (files: ReadonlyMap<string, ManifestFile>): string =>
    [...files]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, file]) => `    ${JSON.stringify(path)}: ${JSON.stringify(file)}`)
      .join(',\n');
  return [
    '{',
    `  "version": ${VERSION},`,
    '  "files": {',
    lines(manifest.files),
    '  },',
    '  "pending": {',
    lines(manifest.pending),
    '  }',
    '}',
    '',
  ].join('\n');
}

/** True when both record the same. */
export function isSameManifest(a: Manifest, b: Manifest): boolean {
  return areSameFiles(a.files, b.files) && areSameFiles(a.pending, b.pending);
}

function areSameFiles(
  a: ReadonlyMap<string, ManifestFile>,
  b: ReadonlyMap<string, ManifestFile>,
): boolean {
  const isSame = ([path, file]: [string, ManifestFile]): boolean => {
    const other = b.get(path);
    return (
      file.sha256 === other?.sha256 &&
      file.size === other.size &&
      file.mode === other.mode &&
      file.localMtimeMs === other.localMtimeMs &&
      file.remoteMtimeSeconds === other.remoteMtimeSeconds &&
      file.isLeftOut === other.isLeftOut
    );
  };
  return a.size === b.size && [...a].every(isSame);
}

/**
 * Reads a manifest. Text that is no manifest throws `manifestUnreadable`: guessing would let us delete or
 * overwrite files that are not ours.
 */
export function parseManifest(text: string, path: string): Manifest {
  const bad = (detail: string): Error => syncFailure('manifestUnreadable', { path, detail });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad('not JSON');
  }
  if (!isRecord(value)) throw bad('not an object');
  if (value['version'] !== VERSION) throw bad(`version ${JSON.stringify(value['version'])}`);
  const files = readFiles(value['files']);
  const pending = readFiles(value['pending']);
  if (!files || !pending) throw bad('not the expected shape');
  return { files, pending };
}

function readFiles(value: unknown): Map<string, ManifestFile> | undefined {
  if (!isRecord(value)) return undefined;
  const files = new Map<string, ManifestFile>();
  for (const [path, file] of Object.entries(value)) {
    if (!isSafePath(path) || !isManifestFile(file)) return undefined;
    files.set(path, file);
  }
  return files;
}

/** A path that stays below the project folder. A manifest must never make us touch anything else. */
export function isSafePath(path: string): boolean {
  return (
    path !== '' &&
    !path.includes('\0') &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

function isManifestFile(value: unknown): value is ManifestFile {
  if (!isRecord(value)) return false;
  const { size, sha256, mode, localMtimeMs, remoteMtimeSeconds, isLeftOut } = value;
  return (
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    [size, mode, localMtimeMs].every((n) => typeof n === 'number' && n >= 0) &&
    (remoteMtimeSeconds === undefined || typeof remoteMtimeSeconds === 'number') &&
    (isLeftOut === undefined || isLeftOut === true)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
