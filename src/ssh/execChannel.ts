// An open channel that runs a command. Knows when the command ended, not what is done with its output.
import type { ClientChannel } from 'ssh2';

/** What ssh2 1.17 keeps in a channel and does not declare. */
interface OpenChannel {
  readonly incoming: { readonly state: string };
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _client: {
    readonly _protocol: { signal(channel: number, name: string): void };
  };
}

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

  /** Asks sshd to end the command. ssh2 drops signals after the end of input, though SSH allows them (RFC 4254, 6.9). */
  terminate(): void {
    const { outgoing, _client: client } = this.#inner;
    if (outgoing.state === 'open' || outgoing.state === 'eof')
      client._protocol.signal(outgoing.id, 'TERM');
  }

  /** Undefined until the server has told how the command ended. */
  get exit():
    { readonly code: number | undefined; readonly signal: string | undefined } | undefined {
    return this.#exit;
  }

  /** As far as was told, the command runs and reads and writes. */
  get isOpen(): boolean {
    const { incoming, outgoing } = this.#inner;
    return !this.#exit && incoming.state === 'open' && outgoing.state === 'open';
  }

  get #inner(): OpenChannel {
    return this.channel as unknown as OpenChannel;
  }
}
