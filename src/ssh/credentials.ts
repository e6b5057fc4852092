// The keys that a login may offer, from an agent and from files, in OpenSSH's order. Knows no connection and no server.
import { sign as signWith, type KeyObject } from 'node:crypto';
import type { ParsedKey } from 'ssh2';
import { isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import { agentKeyTypes, agentPath, listAgent } from './agentKeys';
import type { Endpoint } from './endpoint';
import { detailOf, sshFailure, type SshFailureReason } from './failures';
import { hasCertificate, readPublicHalf } from './keyFile';
import type { AskPassphrase, KeyRing } from './keyRing';
import { fingerprintOf } from './knownHosts';

/** One key to offer. Only its public half is known until `sign` is called. */
export interface SigningKey {
  /** For the log: the file, or the fingerprint of a key in the agent, whose comment may name a person. */
  readonly label: string;
  readonly publicKey: ParsedKey;
  /** Throws `passphraseRefused` or `keyFileUnreadable`. */
  sign(data: Buffer, request: SignRequest): Promise<Buffer>;
}

export interface SignRequest {
  /** Set for RSA keys only, and always for them. */
  readonly hash: 'sha256' | 'sha512' | undefined;
  readonly askPassphrase: AskPassphrase;
  readonly signal: AbortSignal;
}

/** All that one login may offer, and why there may be less than a person expects. */
export interface KeyOffer {
  readonly keys: readonly SigningKey[];
  /** A credential that OpenSSH would use and ssh2 cannot; it explains a login that fails. */
  readonly unsupported: Failure<SshFailureReason> | undefined;
}

/** sshd closes the line after 6 refused keys (`MaxAuthTries`); OpenSSH's clients run into the same wall. */
const MAX_KEYS = 6;

/** Finds keys for one endpoint. */
export class Credentials {
  constructor(
    private readonly keyRing: KeyRing,
    private readonly log: Logger,
  ) {}

  /**
   * Agent keys named by files first, then file keys, then the other agent keys; at most six. Throws
   * `keyFileUnreadable` or its kin when there would be none because of a file.
   */
  async keysFor(endpoint: Endpoint): Promise<KeyOffer> {
    const [agentKeys, { keys: fileKeys, problem }] = await Promise.all([
      this.#agentKeys(endpoint),
      this.#fileKeys(endpoint.identityFiles),
    ]);
    const isIn = (keys: readonly SigningKey[], key: SigningKey): boolean =>
      keys.some((other) => other.publicKey.getPublicSSH().equals(key.publicKey.getPublicSSH()));
    const named = agentKeys.filter((key) => isIn(fileKeys, key));
    const others = endpoint.identitiesOnly ? [] : agentKeys.filter((key) => !isIn(fileKeys, key));
    const fromFiles = fileKeys.filter((key) => !isIn(named, key));
    const keys = [...named, ...fromFiles, ...others].slice(0, MAX_KEYS);
    if (keys.length === 0 && problem) throw problem;
    const unsupported = isUnsupported(problem) ? problem : await unsupportedBeside(endpoint);
    return { keys, unsupported };
  }

  async #agentKeys(endpoint: Endpoint): Promise<SigningKey[]> {
    const path = agentPath(endpoint);
    if (path === undefined) return [];
    try {
      const keys = await listAgent(path);
      return keys.map((key) => ({
        ...key,
        label: `agent ${fingerprintOf(key.publicKey.getPublicSSH())}`,
      }));
    } catch (error) {
      this.log.warn('ssh agent does not answer', detailOf(error));
      return [];
    }
  }

  async #fileKeys(
    files: readonly string[],
  ): Promise<{ keys: SigningKey[]; problem: Failure | undefined }> {
    const problems: Failure[] = [];
    const keys = await Promise.all(
      files.map(async (file) => {
        try {
          return await this.#fileKey(file);
        } catch (error) {
          const detail = detailOf(error);
          this.log.warn(`key file left out: ${file}`, detail);
          problems.push(
            isFailure(error) ? error : sshFailure('keyFileUnreadable', { file, detail }, error),
          );
          return undefined;
        }
      }),
    );
    return {
      keys: keys.filter((key) => key !== undefined),
      problem: problems.find(isUnsupported) ?? problems[0],
    };
  }

  async #fileKey(file: string): Promise<SigningKey> {
    const publicKey = await readPublicHalf(file);
    return {
      label: file,
      publicKey,
      sign: async (data, { hash, askPassphrase, signal }) => {
        const key = await this.keyRing.open(file, askPassphrase, signal);
        try {
          return signWith(hash ?? hashOf(key), data, key);
        } catch (error) {
          throw sshFailure('keyFileUnreadable', { file, detail: detailOf(error) }, error);
        }
      },
    };
  }
}

/** What OpenSSH would offer beside the keys that we can: certificates of key files, other keys of the agent. */
async function unsupportedBeside(
  endpoint: Endpoint,
): Promise<Failure<SshFailureReason> | undefined> {
  const certified = endpoint.identityFiles.find(hasCertificate);
  if (certified !== undefined) return sshFailure('certificateUnsupported', { file: certified });
  const path = agentPath(endpoint);
  if (path === undefined || endpoint.identitiesOnly) return undefined;
  const types = await agentKeyTypes(path);
  if (types.some((type) => type.includes('-cert-v01@')))
    return sshFailure('certificateUnsupported', { file: path });
  if (types.some((type) => type.startsWith('sk-')))
    return sshFailure('securityKeyUnsupported', { file: path });
  return undefined;
}

function isUnsupported(problem: Failure | undefined): problem is Failure<SshFailureReason> {
  return (
    isFailure(problem, 'certificateUnsupported') || isFailure(problem, 'securityKeyUnsupported')
  );
}

/** RFC 5656, 6.2.1: the hash follows the curve. Ed25519 has its own. */
function hashOf(key: KeyObject): string | null {
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case 'prime256v1':
      return 'sha256';
    case 'secp384r1':
      return 'sha384';
    case 'secp521r1':
      return 'sha512';
    default:
      return null;
  }
}
