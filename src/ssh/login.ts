// The order of one login: which method is offered next. Speaks ssh2's authentication callbacks; opens nothing.
import {
  BaseAgent,
  type AnyAuthMethod,
  type IdentityCallback,
  type KeyboardInteractiveCallback,
  type ParsedKey,
  type Prompt,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import { isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import type { Credentials, SigningKey } from './credentials';
import type { Endpoint } from './endpoint';
import { detailOf, sshFailure, type SshFailureReason } from './failures';
import type { SshPrompts } from './prompts';

export interface LoginOptions {
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  readonly prompts: Pick<SshPrompts, 'askKeyboard'>;
  readonly log: Logger;
  /** Aborts when the attempt is over; open questions should close. */
  readonly signal: AbortSignal;
}

type Next = (method: AnyAuthMethod | false) => void;

/** A keyboard-interactive login may be refused and offered again; three rounds as in OpenSSH. */
const KEYBOARD_TRIES = 3;

/**
 * One login. Methods are tried as OpenSSH does: `none` to learn what is allowed, then each key by itself, then
 * keyboard-interactive. A key whose signature was taken without ending the login means that a second factor follows.
 */
export class Login {
  #keys: SigningKey[] | undefined;
  #isSecondStep = false;
  #keyboardTries = 0;
  #offered = 0;
  #firstProblem: Failure | undefined;
  #hasGivenUp = false;
  #isStarted = false;

  constructor(private readonly options: LoginOptions) {}

  /** True once a credential was offered, so that an end from now on is about the login. */
  get hasOffered(): boolean {
    return this.#offered > 0;
  }

  /** ssh2's `authHandler`. */
  readonly handler = (
    methodsLeft: readonly string[] | null,
    _partial: boolean | null,
    next: Next,
  ): void => {
    this.#nextMethod(methodsLeft)
      .catch((error: unknown): false => {
        this.options.log.error('login method failed', detailOf(error));
        return false;
      })
      .then((method) => {
        if (!this.options.signal.aborted) next(method);
      })
      .catch((error: unknown) => {
        this.options.log.error('login could not go on', detailOf(error));
      });
  };

  /** Why no method was left. */
  failure(): Failure<SshFailureReason> {
    const { host, user } = this.options.endpoint;
    if (this.#firstProblem) return this.#firstProblem as Failure<SshFailureReason>;
    if (this.#offered === 0) return sshFailure('noKey', { host, user });
    return sshFailure('authenticationFailed', { host, user, tried: this.#offered });
  }

  async #nextMethod(methodsLeft: readonly string[] | null): Promise<AnyAuthMethod | false> {
    const username = this.options.endpoint.user;
    if (!this.#isStarted) {
      this.#isStarted = true;
      return { type: 'none', username };
    }
    const allows = (name: string): boolean => methodsLeft?.includes(name) ?? false;
    if (!this.#isSecondStep && allows('publickey')) {
      this.#keys ??= await this.#readKeys();
      const key = this.#keys.shift();
      if (key) return { type: 'agent', username, agent: this.#offer(key) };
    }
    return this.#isSecondStep || allows('keyboard-interactive') ? this.#keyboard() : false;
  }

  /** A key file that cannot be read is the cause to name, but a keyboard login may still follow. */
  async #readKeys(): Promise<SigningKey[]> {
    try {
      return await this.options.credentials.keysFor(this.options.endpoint);
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#firstProblem ??= error;
      return [];
    }
  }

  #offer(key: SigningKey): OneKeyAgent {
    this.#offered += 1;
    this.options.log.debug(`offering key ${key.label}`);
    return new OneKeyAgent(key, this.options.signal, {
      onSigned: () => (this.#isSecondStep = true),
      onFailed: (error) => {
        if (isFailure(error)) this.#firstProblem ??= error;
        this.options.log.warn(`key ${key.label} could not sign`, detailOf(error));
      },
    });
  }

  #keyboard(): AnyAuthMethod | false {
    if (this.#hasGivenUp || this.#keyboardTries >= KEYBOARD_TRIES) return false;
    this.#keyboardTries += 1;
    this.#offered += 1;
    return {
      type: 'keyboard-interactive',
      username: this.options.endpoint.user,
      prompt: (...[title, instructions, , prompts, finish]) => {
        void this.#ask({ title, instructions, prompts }, finish);
      },
    };
  }

  async #ask(
    round: { title: string; instructions: string; prompts: readonly Prompt[] },
    finish: KeyboardInteractiveCallback,
  ): Promise<void> {
    const { endpoint, prompts, signal, log } = this.options;
    const questions = {
      host: endpoint.host,
      user: endpoint.user,
      title: round.title,
      instructions: round.instructions,
      prompts: round.prompts.map((prompt) => ({
        text: prompt.prompt,
        echo: prompt.echo ?? false,
      })),
    };
    const answers = await prompts.askKeyboard(questions, signal).catch((error: unknown) => {
      log.error('keyboard questions failed', detailOf(error));
      return undefined;
    });
    if (signal.aborted) return;
    if (answers === undefined) this.#hasGivenUp = true;
    finish(round.prompts.map((_, index) => answers?.[index] ?? ''));
  }
}

/** An agent of exactly one key: its private half is unlocked only when the server has accepted the public half. */
class OneKeyAgent extends BaseAgent<ParsedKey> {
  constructor(
    private readonly key: SigningKey,
    private readonly signal: AbortSignal,
    private readonly events: { onSigned: () => void; onFailed: (error: unknown) => void },
  ) {
    super();
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    callback(undefined, [this.key.publicKey]);
  }

  override sign(
    _publicKey: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const done = typeof options === 'function' ? options : callback;
    const hash = typeof options === 'function' ? undefined : options.hash;
    const known = hash === 'sha256' || hash === 'sha512' ? hash : undefined;
    this.key.sign(data, known, this.signal).then(
      (signature) => {
        if (this.signal.aborted) return;
        this.events.onSigned();
        done?.(undefined, signature);
      },
      (error: unknown) => {
        this.events.onFailed(error);
        if (!this.signal.aborted)
          done?.(error instanceof Error ? error : new Error('no signature'));
      },
    );
  }
}
