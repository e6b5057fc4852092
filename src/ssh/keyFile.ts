// Private key files on this computer: their public half without a passphrase, their private half with one. Asks nobody.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { utils, type ParsedKey } from 'ssh2';
import { detailOf, sshFailure, toError } from './failures';
import { keyTypeOf } from './knownHosts';

/** Throws `keyFileUnreadable`. */
export async function readKeyFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw sshFailure('keyFileUnreadable', { file, detail: detailOf(error) }, error);
  }
}

/**
 * The public half without a passphrase: from the private file itself, or from `<file>.pub` beside it. Throws
 * `keyFileUnreadable`, or `securityKeyUnsupported` and `certificateUnsupported` for what ssh2 cannot use.
 */
export async function readPublicHalf(file: string): Promise<ParsedKey> {
  const text = await readKeyFile(file);
  const blob = publicBlobOf(text.toString('latin1'));
  refuseUnsupported(file, blob ? keyTypeOf(blob) : firstWord(text.toString('latin1')));
  const own = parse(text);
  if (!(own instanceof Error)) return own;
  const line = blob
    ? `${keyTypeOf(blob)} ${blob.toString('base64')}`
    : await readFile(`${file}.pub`).catch((error: unknown) => {
        throw sshFailure('keyFileUnreadable', { file, detail: detailOf(own) }, error);
      });
  const parsed = parse(line);
  if (parsed instanceof Error)
    throw sshFailure('keyFileUnreadable', { file, detail: detailOf(own) }, own);
  return parsed;
}

/** True when OpenSSH would offer this key together with a certificate. */
export function hasCertificate(file: string): boolean {
  return existsSync(`${file}-cert.pub`);
}

/** The private half of a file without a passphrase; `locked` when it has one; an Error when it is no key. */
export function openPlainKey(text: Buffer): KeyObject | Error | 'locked' {
  const parsed = parse(text);
  if (parsed instanceof Error) return isLocked(parsed.message) ? 'locked' : parsed;
  return privateHalf(parsed.getPrivatePEM());
}

/**
 * The private half of an encrypted file; `locked` when the passphrase does not fit. Runs in a thread of its own, since
 * ssh2 computes for seconds at a stretch. Rejects with the signal's reason when that comes first.
 */
export function openLockedKey(
  text: Buffer,
  passphrase: string,
  signal: AbortSignal,
): Promise<KeyObject | Error | 'locked'> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(__dirname, 'keyWorker.js'), {
      workerData: { text, passphrase },
      env: {},
      execArgv: [],
    });
    const onAbort = (): void => {
      reject(signal.reason as Error);
      void worker.terminate();
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    worker.once('message', ({ pem, error = '' }: { pem?: string; error?: string }) => {
      if (pem !== undefined) resolve(privateHalf(pem));
      // Deciphered with a wrong passphrase, bytes are broken in any way that there is.
      else resolve(/unsupported/i.test(error) ? new Error(error) : 'locked');
    });
    worker.once('error', (error) => {
      resolve(toError(error));
    });
    worker.once('exit', () => {
      signal.removeEventListener('abort', onAbort);
      resolve(new Error('the key could not be opened'));
    });
  });
}

function privateHalf(pem: string | null): KeyObject | Error {
  try {
    return pem === null ? new Error('no private key in it') : createPrivateKey(pem);
  } catch (error) {
    return toError(error);
  }
}

function parse(text: Buffer | string): ParsedKey | Error {
  // ssh2 returns an error instead of throwing it.
  return utils.parseKey(text);
}

function isLocked(message: string): boolean {
  return /passphrase|encrypted|integrity check|bad decrypt|malformed OpenSSH private key/i.test(
    message,
  );
}

function firstWord(text: string): string {
  return /^\s*(\S{1,80})/.exec(text)?.[1] ?? '';
}

function refuseUnsupported(file: string, keyType: string): void {
  if (keyType.includes('-cert-v01@')) throw sshFailure('certificateUnsupported', { file });
  if (keyType.startsWith('sk-')) throw sshFailure('securityKeyUnsupported', { file });
}

/** OpenSSH's key format keeps the public key in the clear (PROTOCOL.key): magic, 3 strings, a count, the key. */
function publicBlobOf(text: string): Buffer | undefined {
  const match =
    /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]*)-----END OPENSSH PRIVATE KEY-----/.exec(
      text,
    );
  const bytes = Buffer.from(match?.[1] ?? '', 'base64');
  let at = 'openssh-key-v1\0'.length;
  const next = (): Buffer | undefined => {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + bytes.readUInt32BE(at);
    const part = end <= bytes.length ? bytes.subarray(at + 4, end) : undefined;
    at = end;
    return part;
  };
  if (!next() || !next() || !next()) return undefined;
  at += 4;
  return next();
}
