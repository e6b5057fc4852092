// The key pairs of the simulated login node and its user: made once, then kept. Knows no connection.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ssh2 from 'ssh2';

export interface KeyPair {
  /** OpenSSH format, readable by ssh and by ssh2; mode 0600. */
  readonly privateFile: string;
  readonly privateText: string;
  /** `ssh-ed25519 AAAA... comment`. */
  readonly publicLine: string;
}

/** Reads the pair `<folder>/<name>`, `.pub`, or makes it at the first time. */
export function keepKeyPair(folder: string, name: string): KeyPair {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const privateFile = join(folder, name);
  if (!existsSync(privateFile)) {
    const pair = generatePair(name);
    writeFileSync(`${privateFile}.pub`, `${pair.public}\n`);
    writeFileSync(privateFile, pair.private, { mode: 0o600 });
  }
  chmodSync(privateFile, 0o600);
  return {
    privateFile,
    privateText: readFileSync(privateFile, 'utf8'),
    publicLine: readFileSync(`${privateFile}.pub`, 'utf8').trim(),
  };
}

/** ssh2 1.17 drops a leading zero byte of about one public key in 256, which nobody can read then. */
function generatePair(comment: string): { private: string; public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    const isReadable = [pair.private, pair.public].every(
      (text) => !(ssh2.utils.parseKey(text) instanceof Error),
    );
    if (isReadable) return pair;
  }
}

/** The fingerprint as `ssh-keygen -l` prints it: `SHA256:` and unpadded base64. */
export function fingerprintOf(publicLine: string): string {
  const key = Buffer.from(publicLine.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The line that known_hosts needs for this server. */
export function knownHostsLine(port: number, publicLine: string): string {
  const [type = '', key = ''] = publicLine.split(' ');
  return `[127.0.0.1]:${String(port)} ${type} ${key}`;
}
