// The private keys of one window, opened once and then kept in memory. Knows no server; nothing is written but what a
// person wished to keep.
import { createHash, type KeyObject } from 'node:crypto';
import type { Logger } from '../base/log';
import { isFailure } from '../base/failure';
import { detailOf, sshFailure } from './failures';
import { KeptPassphrases, type SecretStore } from './keptPassphrases';
import { openLockedKey, openPlainKey, readKeyFile } from './keyFile';
import type { SshPrompts } from './prompts';

/** Asks for one passphrase; the private part of {@link SshPrompts} that key files need. */
export type AskPassphrase = SshPrompts['askPassphrase'];

export interface KeyRingOptions {
  readonly log: Logger;
  /** Without one, no passphrase can be kept. */
  readonly secrets?: SecretStore;
}

/** Wrong passphrases that are asked again before the file is given up; OpenSSH asks three times too. */
const PASSPHRASE_TRIES = 3;

export class KeyRing {
  readonly #kept: KeptPassphrases | undefined;
  readonly #opened = new Map<string, KeyObject>();
  readonly #opening = new Map<string, Promise<KeyObject>>();

  constructor(options: KeyRingOptions) {
    this.#kept = options.secrets && new KeptPassphrases(options.secrets, options.log);
  }

  /**
   * The private half of a key file. Several callers at once ask one question. Throws `keyFileUnreadable`,
   * `passphraseRefused`, or the signal's reason.
   */
  async open(file: string, ask: AskPassphrase, signal: AbortSignal): Promise<KeyObject> {
    const text = await readKeyFile(file);
    // A file that was replaced is another key.
    const id = `${file} ${createHash('sha256').update(text).digest('hex')}`;
    for (;;) {
      signal.throwIfAborted();
      const opened = this.#opened.get(id);
      if (opened) return opened;
      const running = this.#opening.get(id);
      if (!running) return await this.#start(id, this.#unlock({ file, text, ask, signal }));
      await running.catch((error: unknown) => {
        // A person answered for all who wait. An attempt that was only cancelled answered nothing.
        if (isFailure(error)) throw error;
      });
    }
  }

  /** Forgets opened keys and kept passphrases. */
  async forget(): Promise<void> {
    this.#opened.clear();
    await this.#kept?.forgetAll();
  }

  async #start(id: string, opening: Promise<KeyObject>): Promise<KeyObject> {
    this.#opening.set(id, opening);
    try {
      const key = await opening;
      this.#opened.set(id, key);
      return key;
    } finally {
      this.#opening.delete(id);
    }
  }

  async #unlock(work: Unlock): Promise<KeyObject> {
    const { file, text } = work;
    let key = openPlainKey(text);
    if (key === 'locked') key = await this.#byKeptPassphrase(work);
    if (key === 'locked') key = await this.#byAsking(work);
    if (key === 'locked') throw sshFailure('passphraseRefused', { file });
    if (key instanceof Error)
      throw sshFailure('keyFileUnreadable', { file, detail: detailOf(key) }, key);
    return key;
  }

  /** A kept passphrase that fits no longer is deleted. */
  async #byKeptPassphrase({ file, text, signal }: Unlock): Promise<KeyObject | Error | 'locked'> {
    const kept = await this.#kept?.get(file);
    if (kept === undefined) return 'locked';
    const key = await openLockedKey(text, kept, signal);
    if (key === 'locked') await this.#kept?.drop(file);
    return key;
  }

  async #byAsking({ file, text, ask, signal }: Unlock): Promise<KeyObject | Error | 'locked'> {
    const canBeKept = this.#kept !== undefined;
    for (let tries = 0; tries < PASSPHRASE_TRIES; tries++) {
      const answer = await ask({ file, isAgain: tries > 0, canBeKept }, signal);
      signal.throwIfAborted();
      if (answer === undefined) break;
      const key = await openLockedKey(text, answer.passphrase, signal);
      if (key === 'locked') continue;
      if (answer.isKept) await this.#kept?.keep(file, answer.passphrase);
      return key;
    }
    return 'locked';
  }
}

interface Unlock {
  readonly file: string;
  readonly text: Buffer;
  readonly ask: AskPassphrase;
  readonly signal: AbortSignal;
}
