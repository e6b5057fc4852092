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

/**
 * The questions of one login. Each may take as long as a person needs; the deadline of the attempt stands still
 * meanwhile. A `signal` aborts when the answer is no longer needed.
 */
export interface SshPrompts {
  /** True only when the person has compared the fingerprint and trusts it. */
  confirmHostKey(question: HostKeyQuestion, signal: AbortSignal): Promise<boolean>;
  /** The passphrase of a private key file; undefined when the person gives none. Never stored here. */
  askPassphrase(file: string, signal: AbortSignal): Promise<string | undefined>;
  /** One answer for each prompt; undefined gives the login up. Never stored. */
  askKeyboard(
    questions: KeyboardQuestions,
    signal: AbortSignal,
  ): Promise<readonly string[] | undefined>;
}
