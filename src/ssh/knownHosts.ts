// Host keys that are remembered: reads known_hosts text and gives a verdict. Knows nothing of connections.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export type KnownHostMarker = '@revoked' | '@cert-authority';

/** One usable line of a known_hosts file. `line` counts from 1. */
export interface KnownHost {
  readonly file: string;
  readonly line: number;
  readonly marker?: KnownHostMarker;
  /** The host field as written: a comma list of patterns, or one hashed name. */
  readonly names: string;
  readonly keyType: string;
  /** The key as it goes over the wire. */
  readonly key: Buffer;
}

/** What is known about a key that a server showed. */
export type HostKeyVerdict =
  | { readonly kind: 'unknown' }
  | {
      /** `unknownType`: the host is known, but only by keys of other types. */
      readonly kind: 'known' | 'changed' | 'revoked' | 'unknownType';
      readonly file: string;
      readonly line: number;
    };

/** Reads the text of a known_hosts file; lines that OpenSSH would not use are left out. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split('\n').flatMap((line, index) => parseLine(line, file, index + 1) ?? []);
}

function parseLine(text: string, file: string, line: number): KnownHost | undefined {
  const fields = text.replace(/\r$/, '').split(/[ \t]+/);
  if (fields[0] === '') fields.shift();
  let marker: KnownHostMarker | undefined;
  if (fields[0] === '@revoked' || fields[0] === '@cert-authority')
    marker = fields.shift() as KnownHostMarker;
  const [names, keyType, base64] = fields;
  if (!names || names.startsWith('#') || names.startsWith('@') || !keyType || !base64)
    return undefined;
  const key = Buffer.from(base64, 'base64');
  if (keyTypeOf(key) !== keyType) return undefined;
  return { file, line, ...(marker && { marker }), names, keyType, key };
}

/** The type that a wire-format key names itself; empty when it is no key. */
export function keyTypeOf(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length <= 64 && length + 4 <= key.length ? key.toString('latin1', 4, 4 + length) : '';
}

/** `SHA256:...` as OpenSSH prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** True when the host field of a line covers `name` (`host` or `[host]:port`, lower case). */
export function matchesHost(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHashed(names, name);
  let isMatch = false;
  for (const item of names.split(',')) {
    const isNegated = item.startsWith('!');
    if (!matchesPattern((isNegated ? item.slice(1) : item).toLowerCase(), name)) continue;
    if (isNegated) return false;
    isMatch = true;
  }
  return isMatch;
}

function matchesHashed(names: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(names) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const mac = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64');
  return mac === hash;
}

/** `*` and `?` as in OpenSSH's match_pattern; linear in practice, no regular expression from foreign text. */
function matchesPattern(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      starAt = p++;
      resumeAt = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (starAt >= 0) {
      p = starAt + 1;
      t = ++resumeAt;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Revoked wins over everything; any exact match accepts; certificate authorities never match a plain key. */
export function judgeHostKey(
  hosts: readonly KnownHost[],
  name: string,
  key: Buffer,
): HostKeyVerdict {
  const mine = hosts.filter((host) => matchesHost(host.names, name));
  const verdict = (kind: 'known' | 'changed' | 'revoked' | 'unknownType', host?: KnownHost) =>
    host && { kind, file: host.file, line: host.line };
  const plain = mine.filter((host) => host.marker === undefined);
  const isSame = (host: KnownHost): boolean => host.key.equals(key);
  const keyType = keyTypeOf(key);
  return (
    verdict(
      'revoked',
      mine.find((host) => host.marker === '@revoked' && isSame(host)),
    ) ??
    verdict('known', plain.find(isSame)) ??
    verdict(
      'changed',
      plain.find((host) => host.keyType === keyType),
    ) ??
    verdict('unknownType', plain[0]) ?? { kind: 'unknown' }
  );
}

/** Key types known for a host, so that the handshake can ask for those first. */
export function knownKeyTypes(hosts: readonly KnownHost[], name: string): string[] {
  const mine = hosts.filter((host) => host.marker === undefined && matchesHost(host.names, name));
  return [...new Set(mine.map((host) => host.keyType))];
}

/** Reads several files; a missing one counts as empty, an unreadable one throws (fail closed). */
export async function readKnownHosts(files: readonly string[]): Promise<KnownHost[]> {
  const parts = await Promise.all(
    files.map(async (file) => {
      try {
        return parseKnownHosts(await readFile(file, 'utf8'), file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    }),
  );
  return parts.flat();
}

/** Adds a key to our own trust file: mode 0600, temporary name then rename. */
export async function rememberHostKey(file: string, name: string, key: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const before = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  const joint = before === '' || before.endsWith('\n') ? '' : '\n';
  const line = `${name} ${keyTypeOf(key)} ${key.toString('base64')}\n`;
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(`${before}${joint}${line}`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await chmod(file, 0o600);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
