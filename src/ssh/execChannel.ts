// An open channel that runs a command. Knows when the command ended, not what is done with its output.
import type { ClientChannel } from 'ssh2';

/**
 * A channel with a command in it. The end of a short command can arrive in the same packet as its start, before any
 * promise has resolved, so it is noted from the first moment.
 */
export class ExecChannel {
  #exit: { readonly code: number | undefined; readonly signal: string | undefined } | undefined;

  constructor(readonly channel: ClientChannel) {
    channel.on('exit', (code: number | null, signal?: string) => {
      this.#exit = { code: code ?? undefined, signal };
    });
  }

  /** Lets the channel go, whatever runs in it. */
  end(): void {
    this.channel.close();
  }

  /** Undefined until the server has told how the command ended. */
  get exit():
    { readonly code: number | undefined; readonly signal: string | undefined } | undefined {
    return this.#exit;
  }
}
