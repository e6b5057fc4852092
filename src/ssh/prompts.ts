// What only a person can answer while a connection opens. Knows no editor: ui/ and cli/ fit these ports.

/** A host key that no file remembers, or of a type that no file remembers for this host. */
export interface HostKeyQuestion {
  readonly host: string;
  readonly port: number;
  /** As on the wire, for example `ssh-ed25519`. */
  readonly keyType: string;
  /** `SHA256:...` as OpenSSH prints it. */
  readonly fingerprint: string;
  /** Where a yes will be stored, and under which name. */
  readonly storedIn: string;
  readonly name: string;
  /** Where a key of another type is remembered for this host: then this is no first contact. */
  readonly known?: { readonly file: string; readonly line: number };
}

/** One field of a keyboard-interactive round; the text is the server's own. */
export interface KeyboardPrompt {
  readonly text: string;
  /** False for secrets. */
  readonly echo: boolean;
}

/** One round of questions that the server asks; there may be several rounds. */
export interface KeyboardQuestions {
  readonly host: string;
  readonly user: string;
  readonly title: string;
  readonly instructions: string;
  readonly prompts: readonly KeyboardPrompt[];
}

/** A private key file that has a passphrase. */
export interface PassphraseQuestion {
  readonly file: string;
  /** The last answer did not fit. */
  readonly isAgain: boolean;
  /** There is a place where the passphrase may be kept if the person wishes. */
  readonly canBeKept: boolean;
}

export interface PassphraseAnswer {
  readonly passphrase: string;
  /** The person wishes not to be asked in later sessions. */
  readonly isKept: boolean;
}

/** The account's own password; asked only where the server takes no key. */
export interface PasswordQuestion {
  readonly host: string;
  readonly user: string;
  /** The last one was refused. */
  readonly isAgain: boolean;
}

/**
 * The questions of one login. Each may take as long as a person needs; the deadline of the attempt stands still
 * meanwhile. A `signal` aborts when the answer is no longer needed.
 */
export interface SshPrompts {
  /** True only when the person has compared the fingerprint and trusts it. */
  confirmHostKey(question: HostKeyQuestion, signal: AbortSignal): Promise<boolean>;
  /** Undefined when the person gives none. */
  askPassphrase(
    question: PassphraseQuestion,
    signal: AbortSignal,
  ): Promise<PassphraseAnswer | undefined>;
  /** Undefined gives the login up. Never stored. */
  askPassword(question: PasswordQuestion, signal: AbortSignal): Promise<string | undefined>;
  /** One answer for each prompt; undefined gives the login up. Never stored. */
  askKeyboard(
    questions: KeyboardQuestions,
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined>;
}
