// Passes a log on and remembers its last lines, for a report. Keeps nothing on disk.
import type { Logger } from '../base/log';

const limit = 200;

export class RecentLog implements Logger {
  readonly #target: Logger;
  readonly #lines: string[] = [];

  constructor(target: Logger) {
    this.#target = target;
  }

  /** The last lines, oldest first; unredacted. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  debug(message: string, ...details: unknown[]): void {
    this.#target.debug(message, ...details);
  }

  info(message: string, ...details: unknown[]): void {
    this.#keep('info', message, details);
    this.#target.info(message, ...details);
  }

  warn(message: string, ...details: unknown[]): void {
    this.#keep('warning', message, details);
    this.#target.warn(message, ...details);
  }

  error(message: string | Error, ...details: unknown[]): void {
    this.#keep('error', message instanceof Error ? (message.stack ?? message.message) : message, details); // prettier-ignore
    this.#target.error(message, ...details);
  }

  #keep(level: string, message: string, details: readonly unknown[]): void {
    const time = new Date().toISOString();
    this.#lines.push([time, `[${level}]`, message, ...details.map(String)].join(' '));
    if (this.#lines.length > limit) this.#lines.shift();
  }
}
