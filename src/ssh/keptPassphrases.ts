// Passphrases that a person wished to keep, in the secret store of the editor. Knows no keys and asks nobody.
import type { Logger } from '../base/log';
import { detailOf } from './failures';

/** Where secrets may lie. `vscode.SecretStorage` fits it as it is. */
export interface SecretStore {
  get(key: string): PromiseLike<string | undefined>;
  store(key: string, value: string): PromiseLike<void>;
  delete(key: string): PromiseLike<void>;
}

/** One entry for all files, so that all of them can be forgotten without a list of names elsewhere. */
const STORE_KEY = 'furo.passphrases';

/** By key file. A store that fails is as good as an empty one: the person is asked instead. */
export class KeptPassphrases {
  constructor(
    private readonly secrets: SecretStore,
    private readonly log: Logger,
  ) {}

  async get(file: string): Promise<string | undefined> {
    return (await this.#read()).get(file);
  }

  async keep(file: string, passphrase: string): Promise<void> {
    await this.#write((await this.#read()).set(file, passphrase));
  }

  async drop(file: string): Promise<void> {
    const all = await this.#read();
    if (all.delete(file)) await this.#write(all);
  }

  /** Rejects when the store does: a person who forgets a secret must learn that it is still there. */
  async forgetAll(): Promise<void> {
    await this.secrets.delete(STORE_KEY);
  }

  async #read(): Promise<Map<string, string>> {
    try {
      const text = (await this.secrets.get(STORE_KEY)) ?? '{}';
      return new Map(Object.entries(JSON.parse(text) as Record<string, string>));
    } catch (error) {
      // The error of a broken JSON text quotes it.
      const detail = error instanceof SyntaxError ? 'not readable' : detailOf(error);
      this.log.warn('kept passphrases cannot be read', detail);
      return new Map();
    }
  }

  async #write(all: ReadonlyMap<string, string>): Promise<void> {
    try {
      if (all.size === 0) await this.secrets.delete(STORE_KEY);
      else await this.secrets.store(STORE_KEY, JSON.stringify(Object.fromEntries(all)));
    } catch (error) {
      this.log.warn('passphrases cannot be kept', detailOf(error));
    }
  }
}
