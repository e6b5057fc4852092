// Decides about the key that a server shows, from known_hosts files, our own trust file and a person. Fail closed.
import type { Logger } from '../base/log';
import { knownHostsName, type Endpoint } from './endpoint';
import { detailOf, sshFailure, type SshFailureReason } from './failures';
import type { Failure } from '../base/failure';
import {
  fingerprintOf,
  judgeHostKey,
  keyTypeOf,
  knownKeyTypes,
  readKnownHosts,
  rememberHostKey,
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
  readonly confirm: (question: HostKeyQuestion) => Promise<boolean>;
  readonly log: Logger;
}

/** The trust of one endpoint for one connection attempt; files are read once, before anything is sent. */
export class HostTrust {
  readonly #name: string;

  private constructor(
    private readonly options: HostTrustOptions,
    private readonly hosts: readonly KnownHost[],
  ) {
    this.#name = knownHostsName(options.endpoint);
  }

  /** Throws `hostKeyUnchecked` when a file exists but cannot be read. */
  static async read(options: HostTrustOptions): Promise<HostTrust> {
    const { endpoint, trustFile } = options;
    try {
      return new HostTrust(
        options,
        await readKnownHosts([...endpoint.knownHostsFiles, trustFile].filter((f) => f !== 'none')),
      );
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

  /** Undefined when the key may be used; else the reason to refuse it. Never throws. */
  async verdict(key: Buffer): Promise<Failure<SshFailureReason> | undefined> {
    const { host, port } = this.options.endpoint;
    try {
      return await this.#judge(key);
    } catch (error) {
      this.options.log.error(`host key of ${host}:${port} could not be checked`, detailOf(error));
      return sshFailure('hostKeyUnchecked', { host, detail: detailOf(error) }, error);
    }
  }

  async #judge(key: Buffer): Promise<Failure<SshFailureReason> | undefined> {
    const { host, port } = this.options.endpoint;
    const shown = { host, port, keyType: keyTypeOf(key), fingerprint: fingerprintOf(key) };
    const verdict = judgeHostKey(this.hosts, this.#name, key);
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
        const isConfirmed: unknown = await this.options.confirm(shown);
        if (isConfirmed !== true) return sshFailure('hostKeyRejected', shown);
        await rememberHostKey(this.options.trustFile, this.#name, key);
        this.options.log.info(`host key of ${host}:${port} confirmed: ${shown.fingerprint}`);
        return undefined;
      }
    }
  }
}
