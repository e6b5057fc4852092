// Host keys that are remembered: reads known_hosts text and gives a verdict. Knows nothing of connections.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { matchesAnyPattern } from './hostPattern';

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
  const fields = text.replace(/[\r\n]+$/, '').split(/[ \t]+/);
  if (fields[0] === '') fields.shift();
  if (fields[0]?.startsWith('#')) return undefined;
  let marker: KnownHostMarker | undefined;
  if (fields[0] === '@revoked' || fields[0] === '@cert-authority')
    marker = fields.shift() as KnownHostMarker;
  const [names, keyType, base64] = fields;
  if (!names || names.startsWith('@') || !keyType || !base64) return undefined;
  const key = keyFrom(keyType, base64);
  return key && { file, line, ...(marker && { marker }), names, keyType: keyTypeOf(key), key };
}

/** A public key as `type base64`; undefined when the one does not fit the other. */
function keyFrom(keyType: string, base64: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const key = Buffer.from(base64, 'base64');
  const type = keyTypeOf(key);
  // OpenSSH takes the names of RSA signatures for the name of the key, too.
  const isNamed = type === keyType || (type === 'ssh-rsa' && /^rsa-sha2-(256|512)$/.test(keyType));
  return isNamed && partsOf(key)?.length === PARTS_OF_TYPE[type] ? key : undefined;
}

/** How many fields a whole key of each type that OpenSSH knows has on the wire, its type name among them. */
const PARTS_OF_TYPE: Readonly<Record<string, number>> = {
  'ssh-ed25519': 2,
  'ssh-rsa': 3,
  'ssh-dss': 5,
  'ecdsa-sha2-nistp256': 3,
  'ecdsa-sha2-nistp384': 3,
  'ecdsa-sha2-nistp521': 3,
  'sk-ssh-ed25519@openssh.com': 3,
  'sk-ecdsa-sha2-nistp256@openssh.com': 4,
};

/** The fields of a wire-format key; undefined when they do not end where it ends. */
function partsOf(key: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 4 <= key.length) {
    const end = at + 4 + key.readUInt32BE(at);
    parts.push(key.subarray(at + 4, end));
    at = end;
  }
  return at === key.length ? parts : undefined;
}

/**
 * The keys of a RevokedHostKeys file, a plain list of public keys. Throws for the binary form (KRL) and for a line that
 * is no key: half a list of what to refuse would be worse than none.
 */
export function parseRevokedKeys(content: Buffer, file: string): KnownHost[] {
  if (content.subarray(0, 6).toString('latin1') === 'SSHKRL')
    throw new Error(
      `${file} is a binary revocation list (KRL), which only OpenSSH itself can read`,
    );
  return content
    .toString('utf8')
    .split('\n')
    .flatMap((text, index) => {
      const [keyType = '', base64 = ''] = text.trim().split(/[ \t]+/);
      if (keyType === '' || keyType.startsWith('#')) return [];
      const key = keyFrom(keyType, base64);
      if (!key) throw new Error(`${file} line ${String(index + 1)} is not a public key`);
      return { file, line: index + 1, marker: '@revoked', names: '*', keyType, key };
    });
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

/** True when the host field of a line covers `name` (`host` or `[host]:port`). */
export function matchesHost(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHashed(names, name);
  return matchesAnyPattern(names.toLowerCase().split(','), name.toLowerCase());
}

function matchesHashed(names: string, name: string): boolean {
  const [, salt] = /^\|1\|([^|]+)\|/.exec(names) ?? [];
  const bytes = Buffer.from(salt ?? '', 'base64');
  if (bytes.length !== 20) return false;
  const mac = createHmac('sha1', bytes).update(name).digest('base64');
  return names === `|1|${bytes.toString('base64')}|${mac}`;
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

/** Adds a key to our own trust file. */
export async function rememberHostKey(file: string, name: string, key: Buffer): Promise<void> {
  await rememberHostLine(file, `${name} ${keyTypeOf(key)} ${key.toString('base64')}`);
}

/** Adds a line to our own trust file unless it is there: mode 0600, temporary name then rename. */
export async function rememberHostLine(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const before = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  if (before.split('\n').includes(line)) return;
  const joint = before === '' || before.endsWith('\n') ? '' : '\n';
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(`${before}${joint}${line}\n`);
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
