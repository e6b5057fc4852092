// The SFTP channels of one connection: one for all work, a second for the bytes of large files. Knows no files.
import type { Clock } from '../base/clock';
import { releaseOnClose, type ChannelSlots, type Slotted } from './channelSlots';
import type { Hop } from './hop';
import { SftpSession } from './sftpSession';

export interface SftpLine {
  readonly hop: Hop;
  readonly host: string;
  readonly slots: ChannelSlots;
  readonly clock: Clock;
}

/** Opens channels when they are first needed and forgets those that ended. */
export class SftpChannels {
  #main: Promise<SftpSession> | undefined;
  #second: Promise<SftpSession | undefined> | undefined;

  constructor(private readonly line: SftpLine) {
    line.slots.onDidStarve(() => {
      // Servers with one channel for all: an SFTP channel without work makes room for a command.
      for (const opening of [this.#main, this.#second])
        opening?.then(
          (session) => session?.retire(),
          () => undefined,
        );
    });
  }

  main(): Promise<SftpSession> {
    const forget = (): void => {
      if (this.#main === opening) this.#main = undefined;
    };
    const opening = (this.#main ??= this.line.slots
      .open(() => this.line.hop.openSftp())
      .then((held) => this.#session(held, forget)));
    opening.catch(forget);
    return opening;
  }

  /** Undefined where the server gives no further channel: one alone does the same, at its own window's speed. */
  second(): Promise<SftpSession | undefined> {
    const forget = (): void => {
      if (this.#second === opening) this.#second = undefined;
    };
    const opening = (this.#second ??= this.line.slots
      .openSpare(() => this.line.hop.openSftp())
      .then((held) => {
        if (!held) forget();
        return held && this.#session(held, forget);
      }));
    opening.catch(forget);
    return opening;
  }

  /** An operation or a request is under way on one of them. */
  async isBusy(): Promise<boolean> {
    for (const opening of [this.#main, this.#second]) {
      const session = await opening?.catch(() => undefined);
      if (session?.isBusy) return true;
    }
    return false;
  }

  #session(held: Slotted<Awaited<ReturnType<Hop['openSftp']>>>, forget: () => void): SftpSession {
    const { hop, host, clock } = this.line;
    const session = new SftpSession(held.channel, { hop, host, clock });
    const closesSoon = releaseOnClose(held, held.channel, this.line);
    session.onRetired(() => {
      forget();
      if (!session.isOpen) closesSoon();
    });
    return session;
  }
}
