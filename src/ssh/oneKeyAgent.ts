// One key as an agent of its own, which is how ssh2 takes keys that are opened late. Knows no login.
import {
  BaseAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';

type Hash = 'sha256' | 'sha512' | undefined;

/** An agent of exactly one key: its private half is unlocked only when the server has accepted the public half. */
export class OneKeyAgent extends BaseAgent<ParsedKey> {
  constructor(
    private readonly publicKey: ParsedKey,
    private readonly signWith: (data: Buffer, hash: Hash) => Promise<Buffer>,
    private readonly signal: AbortSignal,
  ) {
    super();
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    callback(undefined, [this.publicKey]);
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
    this.signWith(data, known).then(
      (signature) => {
        if (!this.signal.aborted) done?.(undefined, signature);
      },
      (error: unknown) => {
        if (!this.signal.aborted)
          done?.(error instanceof Error ? error : new Error('no signature'));
      },
    );
  }
}
