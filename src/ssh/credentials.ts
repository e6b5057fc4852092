// The keys that a login may offer, from an agent and from files, in OpenSSH's order. Knows no connection and no server.
import { readFile } from 'node:fs/promises';
import { createAgent, utils, type BaseAgent, type ParsedKey } from 'ssh2';
import { isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import type { Endpoint } from './endpoint';
import { detailOf, sshFailure } from './failures';
import { keyTypeOf } from './knownHosts';

/** One key to offer. Only its public half is known until `sign` is called. */
export interface SigningKey {
  /** For the log: the file, or the agent's comment. */
  readonly label: string;
  readonly publicKey: ParsedKey;
  /** Throws `passphraseRefused` or `keyFileUnreadable`. `hash` is set for RSA keys only. */
  sign(data: Buffer, hash: 'sha256' | 'sha512' | undefined, signal: AbortSignal): Promise<Buffer>;
}

/** The private part of {@link SshPrompts} that key files need. */
export type AskPassphrase = (file: string, signal: AbortSignal) => Promise<string | undefined>;

/** Wrong passphrases that are asked again before the file is given up; OpenSSH asks three times too. */
const PASSPHRASE_TRIES = 3;
/** sshd closes the line after 6 refused keys (`MaxAuthTries`); OpenSSH's clients run into the same wall. */
const MAX_KEYS = 6;

/**
 * Reads keys for one endpoint. Unlocked keys stay in memory, so that a reconnect asks nothing; nothing is written.
 * Parsing an encrypted key blocks this thread for a second or more, once, which is the price of ssh2's key parser.
 */
export class Credentials {
  readonly #unlocked = new Map<string, ParsedKey>();

  constructor(
    private readonly askPassphrase: AskPassphrase,
    private readonly log: Logger,
  ) {}

  /**
   * Agent keys named by files first, then file keys, then the other agent keys; at most six. Throws
   * `keyFileUnreadable` when there would be none because of a file.
   */
  async keysFor(endpoint: Endpoint): Promise<SigningKey[]> {
    const [agentKeys, { keys: fileKeys, problem }] = await Promise.all([
      this.#agentKeys(endpoint),
      this.#fileKeys(endpoint.identityFiles),
    ]);
    const isIn = (keys: readonly SigningKey[], key: SigningKey): boolean =>
      keys.some((other) => other.publicKey.getPublicSSH().equals(key.publicKey.getPublicSSH()));
    const named = agentKeys.filter((key) => isIn(fileKeys, key));
    const others = endpoint.identitiesOnly ? [] : agentKeys.filter((key) => !isIn(fileKeys, key));
    const fromFiles = fileKeys.filter((key) => !isIn(named, key));
    const all = [...named, ...fromFiles, ...others];
    if (all.length === 0 && problem) throw problem;
    return all.slice(0, MAX_KEYS);
  }

  async #agentKeys(endpoint: Endpoint): Promise<SigningKey[]> {
    const path = agentPath(endpoint);
    if (path === undefined) return [];
    try {
      const agent = createAgent(path);
      const keys = await listAgent(agent);
      return keys.map((publicKey) => ({
        label: `agent ${publicKey.comment}`,
        publicKey,
        sign: (data, hash) => signWithAgent(agent, publicKey, data, hash),
      }));
    } catch (error) {
      this.log.warn('ssh agent does not answer', detailOf(error));
      return [];
    }
  }

  async #fileKeys(
    files: readonly string[],
  ): Promise<{ keys: SigningKey[]; problem: Failure | undefined }> {
    let problem: Failure | undefined;
    const keys = await Promise.all(
      files.map(async (file) => {
        try {
          return await this.#fileKey(file);
        } catch (error) {
          const detail = detailOf(error);
          this.log.warn(`key file left out: ${file}`, detail);
          problem ??= isFailure(error)
            ? error
            : sshFailure('keyFileUnreadable', { file, detail }, error);
          return undefined;
        }
      }),
    );
    return { keys: keys.filter((key) => key !== undefined), problem };
  }

  async #fileKey(file: string): Promise<SigningKey> {
    const publicKey = await readPublicHalf(file);
    return {
      label: file,
      publicKey,
      sign: async (data, hash, signal) => {
        const key = this.#unlocked.get(file) ?? (await this.#unlock(file, signal));
        // ssh2 returns an error instead of throwing it, which its types do not tell.
        const signature: unknown = key.sign(data, hash);
        if (Buffer.isBuffer(signature)) return signature;
        throw sshFailure('keyFileUnreadable', { file, detail: detailOf(signature) }, signature);
      },
    };
  }

  async #unlock(file: string, signal: AbortSignal): Promise<ParsedKey> {
    const text = await readKeyFile(file);
    let parsed = parsePrivate(text);
    for (let tries = 0; parsed === 'locked' && tries < PASSPHRASE_TRIES; tries++) {
      const passphrase = await this.askPassphrase(file, signal);
      signal.throwIfAborted();
      if (passphrase === undefined) break;
      parsed = parsePrivate(text, passphrase);
    }
    if (parsed === 'locked') throw sshFailure('passphraseRefused', { file });
    if (parsed instanceof Error)
      throw sshFailure('keyFileUnreadable', { file, detail: detailOf(parsed) }, parsed);
    this.#unlocked.set(file, parsed);
    return parsed;
  }
}

/** `none` switches the agent off; Windows has one well-known pipe; elsewhere `SSH_AUTH_SOCK` names it. */
function agentPath(endpoint: Endpoint): string | undefined {
  if (endpoint.identityAgent === 'none') return undefined;
  const path = endpoint.identityAgent ?? process.env['SSH_AUTH_SOCK'];
  if (path !== undefined && path !== '') return path;
  return process.platform === 'win32' ? '\\\\.\\pipe\\openssh-ssh-agent' : undefined;
}

function listAgent(agent: BaseAgent): Promise<ParsedKey[]> {
  return new Promise((resolve, reject) => {
    agent.getIdentities((error, keys) => {
      if (error) reject(error);
      else resolve((keys ?? []).map(toParsedKey).filter((key) => key !== undefined));
    });
  });
}

function toParsedKey(key: unknown): ParsedKey | undefined {
  const parsed: unknown = utils.parseKey(key as Buffer);
  return parsed instanceof Error ? undefined : (parsed as ParsedKey);
}

function signWithAgent(
  agent: BaseAgent,
  key: ParsedKey,
  data: Buffer,
  hash: 'sha256' | 'sha512' | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    agent.sign(key, data, hash === undefined ? {} : { hash }, (error, signature) => {
      if (error) reject(error);
      else if (Buffer.isBuffer(signature)) resolve(signature);
      else reject(new Error('the agent gave no signature'));
    });
  });
}

async function readKeyFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw sshFailure('keyFileUnreadable', { file, detail: detailOf(error) }, error);
  }
}

function parsePrivate(text: Buffer, passphrase?: string): ParsedKey | Error | 'locked' {
  const parsed: unknown = utils.parseKey(text, passphrase);
  if (!(parsed instanceof Error)) return parsed as ParsedKey;
  return /passphrase|encrypted|integrity check|bad decrypt|malformed OpenSSH private key/i.test(
    parsed.message,
  )
    ? 'locked'
    : parsed;
}

/** The public half without a passphrase: from the private file itself, or from `<file>.pub` beside it. */
async function readPublicHalf(file: string): Promise<ParsedKey> {
  const text = await readKeyFile(file);
  const own = parsePrivate(text);
  if (own !== 'locked' && !(own instanceof Error)) return own;
  const blob = publicBlobOf(text.toString('latin1'));
  const line = blob
    ? `${keyTypeOf(blob)} ${blob.toString('base64')}`
    : await readFile(`${file}.pub`).catch((error: unknown) => {
        const detail = own instanceof Error ? detailOf(own) : 'no private key';
        throw sshFailure('keyFileUnreadable', { file, detail }, error);
      });
  const parsed: unknown = utils.parseKey(line);
  if (parsed instanceof Error) throw own instanceof Error ? own : parsed;
  return parsed as ParsedKey;
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
