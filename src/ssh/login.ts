// The order of one login: which method is offered next. Speaks ssh2's authentication callbacks; opens nothing.
import type { AnyAuthMethod, KeyboardInteractiveCallback, Prompt } from 'ssh2';
import { isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import type { Credentials, SigningKey } from './credentials';
import type { Deadline } from './deadline';
import type { Endpoint } from './endpoint';
import { detailOf, sshFailure, type SshFailureReason } from './failures';
import type { AskPassphrase } from './keyRing';
import { OneKeyAgent } from './oneKeyAgent';
import type { SshPrompts } from './prompts';
import type { ServerTalk } from './serverTalk';

export interface LoginOptions {
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  readonly prompts: Pick<SshPrompts, 'askKeyboard' | 'askPassphrase' | 'askPassword'>;
  /** Nobody waits for this login: questions are not asked. */
  readonly isUnattended: boolean;
  readonly talk: ServerTalk;
  readonly log: Logger;
  /** Stands still while a person or a security device thinks. */
  readonly deadline: Deadline;
  /** Aborts when the attempt is over; open questions should close. */
  readonly signal: AbortSignal;
}

type Next = (method: AnyAuthMethod | false) => void;

/** A typed answer may be refused and asked again, three times as in OpenSSH: each time a person decides. */
const TYPED_TRIES = 3;
/** The ways to log in that we know, in OpenSSH's order. */
const KNOWN_METHODS = ['publickey', 'keyboard-interactive', 'password'] as const;

/**
 * One login. Methods are tried as OpenSSH does: `none` to learn what is allowed, then each key by itself, then
 * keyboard-interactive, then the password. What the server still wants after a step decides about the next one.
 */
export class Login {
  #keys: SigningKey[] | undefined;
  #keyboardTries = 0;
  #passwordTries = 0;
  /** The server has asked at least one round; one that never does has nothing to ask (PAM). */
  #hasAsked = false;
  #offered = 0;
  #keysOffered = 0;
  #answersSent = 0;
  #awaited = 0;
  #unsupported: Failure<SshFailureReason> | undefined;
  #firstProblem: Failure | undefined;
  #givenUp: Failure<SshFailureReason> | undefined;
  #onGivenUp: (failure: Failure<SshFailureReason>) => void = () => undefined;
  #isStarted = false;

  constructor(private readonly options: LoginOptions) {}

  /** True once a credential was offered, so that an end from now on is about the login. */
  get hasOffered(): boolean {
    return this.#offered > 0;
  }

  /** True while a person or a security device has not answered yet. */
  get isAwaiting(): boolean {
    return this.#awaited > 0;
  }

  /** Calls back when the connection should end instead of sending an answer that cannot be right. */
  onGivenUp(callback: (failure: Failure<SshFailureReason>) => void): void {
    this.#onGivenUp = callback;
  }

  /** ssh2's `authHandler`. */
  readonly handler = (
    methodsLeft: readonly string[] | null,
    _partial: boolean | null,
    next: Next,
  ): void => {
    this.#nextMethod(this.options.talk.methods ?? methodsLeft ?? [])
      .catch((error: unknown): false => {
        this.options.log.error('login method failed', detailOf(error));
        return false;
      })
      .then((method) => {
        if (!this.options.signal.aborted && !this.#givenUp) next(method);
      })
      .catch((error: unknown) => {
        this.options.log.error('login could not go on', detailOf(error));
      });
  };

  /** ssh2's `change password`: an answer would have to be typed twice, which a terminal does better. */
  readonly refusePasswordChange = (): void => {
    this.#giveUp(sshFailure('passwordExpired', { host: this.options.endpoint.host }));
  };

  /** Why no method was left. */
  failure(): Failure<SshFailureReason> {
    const { host, user } = this.options.endpoint;
    const { methods = [] } = this.options.talk;
    if (this.#givenUp) return this.#givenUp;
    // The server does not wait for ever (LoginGraceTime).
    if (this.isAwaiting)
      return sshFailure(this.options.isUnattended ? 'personNeeded' : 'answerTooLate', { host });
    if (this.#firstProblem) return this.#firstProblem as Failure<SshFailureReason>;
    if (this.#unsupported) return this.#unsupported;
    if (methods.length > 0 && !KNOWN_METHODS.some((method) => methods.includes(method)))
      return sshFailure('methodUnsupported', { host, methods: methods.join(', ').slice(0, 100) });
    const [keys, answers] = [this.#keysOffered, this.#answersSent];
    if (keys + answers === 0) return sshFailure('noKey', { host, user });
    return sshFailure('authenticationFailed', { host, user, keys, answers });
  }

  async #nextMethod(allowed: readonly string[]): Promise<AnyAuthMethod | false> {
    const username = this.options.endpoint.user;
    if (!this.#isStarted) {
      this.#isStarted = true;
      return { type: 'none', username };
    }
    if (allowed.includes('publickey')) {
      this.#keys ??= await this.#readKeys();
      const key = this.#keys.shift();
      if (key) return { type: 'agent', username, agent: this.#offer(key) };
    }
    const keyboardTries = this.#hasAsked ? TYPED_TRIES : 1;
    if (allowed.includes('keyboard-interactive') && this.#keyboardTries < keyboardTries)
      return this.#isAnybodyThere() && this.#keyboard();
    if (allowed.includes('password') && this.#passwordTries < TYPED_TRIES)
      return this.#isAnybodyThere() && this.#password();
    return false;
  }

  /** A key file that cannot be read is the cause to name, but a typed login may still follow. */
  async #readKeys(): Promise<SigningKey[]> {
    try {
      const { keys, unsupported } = await this.options.credentials.keysFor(this.options.endpoint);
      this.#unsupported = unsupported;
      return [...keys];
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#firstProblem ??= error;
      return [];
    }
  }

  #offer(key: SigningKey): OneKeyAgent {
    this.#offered += 1;
    this.#keysOffered += 1;
    const { log, prompts, isUnattended, signal, endpoint } = this.options;
    const { host } = endpoint;
    log.debug(`offering key ${key.label}`);
    const askPassphrase: AskPassphrase = (question, asked) =>
      isUnattended
        ? Promise.reject(sshFailure('personNeeded', { host }))
        : prompts.askPassphrase(question, asked);
    return new OneKeyAgent(
      key.publicKey,
      async (data, hash) => {
        try {
          if (key.publicKey.type === 'ssh-rsa' && !hash)
            throw sshFailure('signatureTooWeak', { host });
          return await this.#awaitAnswer(() => key.sign(data, { hash, askPassphrase, signal }));
        } catch (error) {
          if (!signal.aborted) this.#firstProblem ??= this.#signatureProblem(error);
          log.warn(`key ${key.label} could not sign`, detailOf(error));
          throw error;
        }
      },
      signal,
    );
  }

  /** Key files say themselves what is wrong; what else goes wrong is the agent's. */
  #signatureProblem(error: unknown): Failure {
    const { isUnattended, endpoint } = this.options;
    const { host } = endpoint;
    if (isFailure(error)) return error;
    // It may have asked a person who is not there.
    if (isUnattended) return sshFailure('personNeeded', { host }, error);
    return sshFailure('agentRefused', { host, detail: detailOf(error) }, error);
  }

  /** The deadline stands still, except where nobody is there to answer. */
  async #awaitAnswer<T>(work: () => Promise<T>): Promise<T> {
    const { isUnattended, deadline } = this.options;
    this.#awaited += 1;
    try {
      return await (isUnattended ? work() : deadline.pausedFor(work));
    } finally {
      this.#awaited -= 1;
    }
  }

  /** An automatic reconnect must neither wake a person at night nor send anything in their place. */
  #isAnybodyThere(): boolean {
    const { isUnattended, endpoint } = this.options;
    if (isUnattended) this.#firstProblem = sshFailure('personNeeded', { host: endpoint.host });
    return !isUnattended;
  }

  #keyboard(): AnyAuthMethod {
    this.#keyboardTries += 1;
    this.#offered += 1;
    return {
      type: 'keyboard-interactive',
      username: this.options.endpoint.user,
      prompt: (...[title, instructions, , prompts, finish]) => {
        this.#hasAsked = true;
        void this.#askKeyboard({ title, instructions, prompts }, finish);
      },
    };
  }

  async #askKeyboard(
    round: { title: string; instructions: string; prompts: readonly Prompt[] },
    finish: KeyboardInteractiveCallback,
  ): Promise<void> {
    const { endpoint, prompts, signal } = this.options;
    const questions = {
      host: endpoint.host,
      user: endpoint.user,
      title: round.title,
      instructions: round.instructions,
      prompts: round.prompts.map(({ prompt, echo = false }) => ({ text: prompt, echo })),
    };
    const answers = await this.#typed(() => prompts.askKeyboard(questions, signal));
    if (!answers) return;
    if (questions.prompts.length > 0) this.#answersSent += 1;
    finish(round.prompts.map((_, index) => answers[index] ?? ''));
  }

  async #password(): Promise<AnyAuthMethod | false> {
    const { endpoint, prompts, signal } = this.options;
    const { host, user } = endpoint;
    const isAgain = this.#passwordTries > 0;
    this.#passwordTries += 1;
    const password = await this.#typed(() => prompts.askPassword({ host, user, isAgain }, signal));
    if (password === undefined) return false;
    this.#offered += 1;
    this.#answersSent += 1;
    return { type: 'password', username: user, password };
  }

  /** What a person typed; without an answer the login is given up. */
  async #typed<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
    const { log, signal, endpoint } = this.options;
    const answer = await this.#awaitAnswer(ask).catch((error: unknown) => {
      log.error('a question of the login failed', detailOf(error));
      return undefined;
    });
    if (signal.aborted) return undefined;
    if (answer === undefined) this.#giveUp(sshFailure('loginGivenUp', { host: endpoint.host }));
    return answer;
  }

  #giveUp(failure: Failure<SshFailureReason>): void {
    this.#givenUp ??= failure;
    this.#onGivenUp(this.#givenUp);
  }
}
