// Everything that can go wrong with a login node, switched on by a test or a person. Knows no connection.
import { Emitter } from '../base/emitter';

/** Which key the server shows: its own, another one, or none because no key exchange can be agreed. */
export type HostKeyFault = 'own' | 'other' | 'refuse';

/** The switches and their harmless values. New values hold for new packets, commands and connections. */
export interface FaultSettings {
  hostKey: HostKeyFault;
  /** Milliseconds that each packet waits, in each direction. */
  delayMs: number;
  /** The connection is destroyed after so many bytes to the client; counted anew per connection. */
  cutAfterBytes: number | undefined;
  /** The connection stays open, but nothing is read or written any more. */
  isHalfOpen: boolean;
  isDiskFull: boolean;
  /** Every PJM command answers that its daemon is not present. */
  isDaemonDown: boolean;
  /** Lines that the site prints on standard output around every answer of a command. */
  linesBefore: readonly string[];
  linesAfter: readonly string[];
  /** Seconds that every job stays queued at least. */
  queueDelaySeconds: number;
  /** Text of the site's submit check; pjsub then refuses with 0079. */
  submitRefusal: string | undefined;
  /** Jobs that are about to start are stopped by a system error (state ERR). */
  breaksJobs: boolean;
  /** Resource groups that take no jobs; pjsub then refuses with 0059. */
  closedGroups: readonly string[];
  /** Seconds that every PJM command takes to answer; above three it prints dots. */
  answerDelaySeconds: number;
  isExecRefused: boolean;
  isSftpRefused: boolean;
}

const harmless: FaultSettings = {
  hostKey: 'own',
  delayMs: 0,
  cutAfterBytes: undefined,
  isHalfOpen: false,
  isDiskFull: false,
  isDaemonDown: false,
  linesBefore: [],
  linesAfter: [],
  queueDelaySeconds: 0,
  submitRefusal: undefined,
  breaksJobs: false,
  closedGroups: [],
  answerDelaySeconds: 0,
  isExecRefused: false,
  isSftpRefused: false,
};

/** The faults of one simulated Furo. */
export class Faults {
  #settings: FaultSettings = { ...harmless };
  readonly #changed = new Emitter<FaultSettings>();
  readonly #cut = new Emitter<undefined>();
  readonly onDidChange = this.#changed.event;
  /** Asks all open connections to die at once. */
  readonly onCut = this.#cut.event;

  get settings(): Readonly<FaultSettings> {
    return this.#settings;
  }

  set(changes: Partial<FaultSettings>): void {
    this.#settings = { ...this.#settings, ...changes };
    this.#changed.fire(this.#settings);
  }

  /** Back to a machine without faults. */
  clear(): void {
    this.set(harmless);
  }

  /** Destroys every open connection, as a pulled cable that is noticed at once. */
  cutConnections(): void {
    this.#cut.fire(undefined);
  }
}
