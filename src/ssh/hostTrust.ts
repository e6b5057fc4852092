// Decides about the key that a server shows, from known_hosts files, our own trust file and a person. Fail closed.
import { readFile } from 'node:fs/promises';
import type { Logger } from '../base/log';
import { knownHostsName, type Endpoint } from './endpoint';
import { detailOf, sshFailure, type SshFailureReason } from './failures';
import { isFailure, type Failure } from '../base/failure';
import {
  fingerprintOf,
  judgeHostKey,
  keyTypeOf,
  knownKeyTypes,
  parseRevokedKeys,
  readKnownHosts,
  rememberHostKey,
  type HostKeyVerdict,
  type KnownHost,
} from './knownHosts';
import type { HostKeyQuestion } from './prompts';

/** All host key algorithms that we accept, best first. `ssh-rsa` signatures (SHA-1) and certificates are left out. */
const HOST_KEY_ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

export type HostKeyAlgorithm = (typeof HOST_KEY_ALGORITHMS)[number];

export interface HostTrustOptions {
  readonly endpoint: Endpoint;
  /** Our own file of confirmed keys, in known_hosts format; the only one that is written. */
  readonly trustFile: string;
  /** Throws `personNeeded` where nobody is there to be asked. */
  readonly confirm: (question: HostKeyQuestion) => Promise<boolean>;
  /** Aborts when the attempt is over: an answer that comes later is not remembered. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** The trust of one endpoint for one connection attempt; files are read once, before anything is sent. */
export class HostTrust {
  readonly #name: string;
  /** The key that this attempt has accepted; the server shows it again whenever it renews the session keys. */
  #accepted: Buffer | undefined;

  private constructor(
    private readonly options: HostTrustOptions,
    private readonly hosts: readonly KnownHost[],
  ) {
    this.#name = knownHostsName(options.endpoint);
  }

  /** Throws `hostKeyUnchecked` when a file exists but cannot be read, or a list of revoked keys cannot be honoured. */
  static async read(options: HostTrustOptions): Promise<HostTrust> {
    const { endpoint, trustFile } = options;
    const files = [...endpoint.knownHostsFiles, trustFile].filter((file) => file !== 'none');
    try {
      const [revoked, known] = await Promise.all([
        readRevokedKeys(endpoint.revokedKeysFile),
        readKnownHosts(files),
      ]);
      return new HostTrust(options, [...revoked, ...known]);
    } catch (error) {
      throw sshFailure('hostKeyUnchecked', { host: endpoint.host, detail: detailOf(error) }, error);
    }
  }

  /** Types known for this host come first, as in OpenSSH; else a host known by RSA only would look changed. */
  algorithms(): HostKeyAlgorithm[] {
    const known = new Set(
      knownKeyTypes(this.hosts, this.#name).flatMap((type) =>
        type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type],
      ),
    );
    const first = HOST_KEY_ALGORITHMS.filter((name) => known.has(name));
    return [...first, ...HOST_KEY_ALGORITHMS.filter((name) => !known.has(name))];
  }

  /** True for the very key that this attempt has accepted before. */
  hasAccepted(key: Buffer): boolean {
    return this.#accepted?.equals(key) ?? false;
  }

  /** Undefined when the key may be used; else the reason to refuse it. Never throws. */
  async verdict(key: Buffer): Promise<Failure<SshFailureReason> | undefined> {
    const { host, port } = this.options.endpoint;
    try {
      const refusal = await this.#judge(key);
      if (!refusal) this.#accepted = key;
      return refusal;
    } catch (error) {
      if (isFailure(error, 'personNeeded')) return error;
      this.options.log.error(`host key of ${host}:${port} could not be checked`, detailOf(error));
      return sshFailure('hostKeyUnchecked', { host, detail: detailOf(error) }, error);
    }
  }

  async #judge(key: Buffer): Promise<Failure<SshFailureReason> | undefined> {
    const { host, port } = this.options.endpoint;
    const fingerprint = fingerprintOf(key);
    const shown = { host, port, name: this.#name, keyType: keyTypeOf(key), fingerprint };
    const verdict = this.#lookUp(key);
    switch (verdict.kind) {
      case 'known':
        return undefined;
      case 'changed':
      case 'revoked': {
        const reason = verdict.kind === 'changed' ? 'hostKeyChanged' : 'hostKeyRevoked';
        return sshFailure(reason, { ...shown, file: verdict.file, line: verdict.line });
      }
      case 'unknown':
      case 'unknownType': {
        if (this.options.endpoint.strictHostKeys === 'yes')
          return sshFailure('hostKeyUnknown', shown);
        if (!(await this.#mayRemember(verdict, shown))) return sshFailure('hostKeyRejected', shown);
        await rememberHostKey(this.options.trustFile, this.#name, key);
        this.options.log.info(`host key of ${host}:${port} remembered: ${fingerprint}`);
        return undefined;
      }
    }
  }

  /** As OpenSSH, a machine on another port may show the key that is known for its plain name. */
  #lookUp(key: Buffer): HostKeyVerdict {
    const { host, port, hostKeyAlias } = this.options.endpoint;
    const verdict = judgeHostKey(this.hosts, this.#name, key);
    if (port === 22 || hostKeyAlias !== undefined || verdict.kind !== 'unknown') return verdict;
    const plain = judgeHostKey(this.hosts, host.toLowerCase(), key);
    return plain.kind === 'known' || plain.kind === 'revoked' ? plain : verdict;
  }

  /** Without a question only for a host that is wholly new: another type for a known one is a reason to look. */
  async #mayRemember(
    verdict: HostKeyVerdict,
    shown: Omit<HostKeyQuestion, 'storedIn' | 'known'>,
  ): Promise<boolean> {
    const { endpoint, trustFile, confirm, signal } = this.options;
    if (endpoint.strictHostKeys === 'accept-new' && verdict.kind === 'unknown') return true;
    const known = verdict.kind === 'unknownType' && {
      known: { file: verdict.file, line: verdict.line },
    };
    const isConfirmed: unknown = await confirm({ ...shown, ...known, storedIn: trustFile });
    return isConfirmed === true && !signal.aborted;
  }
}

async function readRevokedKeys(file: string | undefined): Promise<KnownHost[]> {
  return file === undefined ? [] : parseRevokedKeys(await readFile(file), file);
}
