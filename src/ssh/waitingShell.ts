// A shell that waits for its command, so that the command starts one round trip later and not three. Knows no command.
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { releaseOnClose, type ChannelSlots, type Slotted } from './channelSlots';
import type { ExecChannel } from './execChannel';
import type { Hop } from './hop';
import type { ExecOptions } from './remote';
import { withSignal } from './withSignal';

type Shell = Slotted<ExecChannel>;

/** Nobody needs one that waits longer; it sees the start-up files of the login as they were when it was opened. */
const WAIT_MS = 60_000;
/** `read` takes single bytes from what it cannot seek in, so that all after the line is left for the command. */
const WAITER = `exec /bin/sh -c 'IFS= read -r c && eval "$c"'`;
/** sh, in whatever login shell: `remoteScript.ts` and `shellQuote.ts` write such lines. */
const ONE_LINE_FOR_SH = /^exec \/bin\/sh [^\n]*$/;

/** At most one on each connection; its slot is for whoever needs it more. */
export class WaitingShell {
  #waiting: Promise<Shell | undefined> | undefined;
  #limit: Disposable | undefined;

  constructor(
    private readonly line: {
      readonly hop: Hop;
      readonly slots: ChannelSlots;
      readonly clock: Clock;
    },
  ) {
    line.slots.onDidStarve(() => {
      this.#retire();
    });
    line.hop.onDidEnd(() => {
      this.#retire();
    });
  }

  /** A channel in which the command runs: that of the shell that waits, where every shell reads it alike, or a new one. */
  async open(
    command: string,
    { isFollowed, signal }: Pick<ExecOptions, 'isFollowed' | 'signal'>,
  ): Promise<Shell> {
    const { hop, slots } = this.line;
    const shell = ONE_LINE_FOR_SH.test(command) ? await this.#ready(signal) : undefined;
    if (shell) {
      shell.channel.channel.write(`${command}\n`);
      if (isFollowed) this.#prepare();
      return shell;
    }
    const start = (): Promise<ExecChannel> => {
      const opening = hop.openExec(command);
      // Behind it: a server with one channel for all gives it to the command.
      if (isFollowed) this.#prepare();
      return opening;
    };
    return slots.open(start, signal);
  }

  /** Opens one in the background, where that takes no channel from anybody. */
  #prepare(): void {
    const { hop, slots, clock } = this.line;
    if (this.#waiting || hop.endReason) return;
    this.#waiting = slots.openSpare(() => hop.openExec(WAITER)).catch(() => undefined);
    this.#limit = clock.after(WAIT_MS, () => {
      this.#retire();
    });
  }

  /** The shell that waits, if it still does. */
  async #ready(signal: AbortSignal | undefined): Promise<Shell | undefined> {
    const taken = this.#take();
    const shell = await withSignal(taken, signal).catch((error: unknown) => {
      this.#letGo(taken);
      throw error;
    });
    if (shell?.channel.isOpen) return shell;
    this.#letGo(taken);
    return undefined;
  }

  #take(): Promise<Shell | undefined> {
    const waiting = this.#waiting ?? Promise.resolve(undefined);
    this.#waiting = undefined;
    this.#limit?.dispose();
    return waiting;
  }

  #retire(): void {
    this.#letGo(this.#take());
  }

  /** It ends at the end of its input. Its slot is free when the server has closed the channel. */
  #letGo(taken: Promise<Shell | undefined>): void {
    void taken.then((shell) => {
      if (!shell) return;
      const { channel } = shell.channel;
      releaseOnClose(shell, channel, this.line)();
      channel.resume();
      channel.stderr.resume();
      channel.destroy();
    });
  }
}
