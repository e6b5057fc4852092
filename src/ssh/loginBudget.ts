// At most so many logins in so much time, counted over all windows of this computer by one small file. Knows no
// connection. Sites ban addresses that log in too often, and a campus may share one address.
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import { detailOf, sshFailure } from './failures';

export interface LoginBudgetOptions {
  /** In a folder that all windows share; without one only this process is counted. */
  readonly file?: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One login that was allowed. */
export interface AllowedLogin {
  /** Takes it out of the count: nobody tried to log in. */
  giveBack(): Promise<void>;
}

export interface LoginTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

const LIMIT = 6;
const PERIOD_MS = 10 * 60_000;
/** Lines that count no more are dropped when the file is longer. */
const MAX_LINES = 500;

/**
 * Each window appends a line, which the operating system does in one piece, and then reads all of them: the order of
 * the lines is the same for everybody, so everybody agrees which logins are within the limit. There is no lock, so a
 * crash leaves none behind.
 */
export class LoginBudget {
  #ownLines: string[] = [];

  constructor(private readonly options: LoginBudgetOptions) {}

  /** Throws `tooManyLogins` with the wait in seconds. */
  async take(target: LoginTarget): Promise<AllowedLogin> {
    const now = this.options.clock.now();
    const id = randomBytes(6).toString('hex');
    const name = `${target.user}@${target.host}:${target.port}`;
    const giveBack = (): Promise<void> => this.#append(`- ${id}`);
    await this.#append(`${now} ${id} ${name}`);
    const lines = await this.#lines();
    await this.#shorten(lines, now);
    const before = allowedLogins(lines, name).filter((login) => isNear(login.atMs, now));
    if (before.some((login) => login.id === id)) return { giveBack };
    await giveBack();
    const waitMs = (before.at(-LIMIT)?.atMs ?? now) + PERIOD_MS - now;
    throw sshFailure('tooManyLogins', {
      host: target.host,
      limit: LIMIT,
      minutes: PERIOD_MS / 60_000,
      seconds: Math.max(1, Math.ceil(waitMs / 1000)),
    });
  }

  async #append(line: string): Promise<void> {
    const { file, log } = this.options;
    this.#ownLines.push(line);
    if (file === undefined) return;
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await appendFile(file, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      log.warn('logins of other windows are not counted', detailOf(error));
    }
  }

  /** Lines of this process that the file lost, by a full disk or by another window's {@link #shorten}, still count. */
  async #lines(): Promise<string[]> {
    const { file } = this.options;
    const text = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '');
    const shared = text.split('\n').filter(Boolean);
    const isShared = new Set(shared);
    return [...shared, ...this.#ownLines.filter((line) => !isShared.has(line))];
  }

  async #shorten(lines: readonly string[], now: number): Promise<void> {
    const { file, log } = this.options;
    if (lines.length <= MAX_LINES) return;
    const givenBack = idsGivenBack(lines);
    const isCounted = (entry: Entry | undefined): boolean =>
      isNear(entry?.atMs, now) && !givenBack.has(entry?.id);
    const recent = lines.filter((line) => isCounted(entryOf(line))).slice(-MAX_LINES / 2);
    this.#ownLines = this.#ownLines.filter((line) => recent.includes(line));
    if (file === undefined) return;
    try {
      const temporary = `${file}.${randomBytes(4).toString('hex')}`;
      await writeFile(temporary, recent.map((line) => `${line}\n`).join(''), { mode: 0o600 });
      await rename(temporary, file);
    } catch (error) {
      log.warn('the list of logins could not be shortened', detailOf(error));
    }
  }
}

interface Entry {
  readonly atMs: number;
  readonly id: string;
  readonly name: string;
}

/** Logins to one target that stayed within the limit, oldest first. */
function allowedLogins(lines: readonly string[], name: string): Entry[] {
  const givenBack = idsGivenBack(lines);
  const allowed: Entry[] = [];
  for (const entry of lines.map(entryOf)) {
    if (entry?.name !== name || givenBack.has(entry.id)) continue;
    if (allowed.filter((other) => isNear(other.atMs, entry.atMs)).length < LIMIT)
      allowed.push(entry);
  }
  return allowed;
}

function idsGivenBack(lines: readonly string[]): ReadonlySet<string | undefined> {
  return new Set(lines.map((line) => /^- (\w+)$/.exec(line)?.[1]).filter(Boolean));
}

/** A line that a crash or another program tore is no entry. */
function entryOf(line: string): Entry | undefined {
  const [, at, id = '', name = ''] = /^(\d{1,15}) (\w+) (\S+)$/.exec(line) ?? [];
  return at === undefined ? undefined : { atMs: Number(at), id, name };
}

/** In both directions, so that a clock that was set back locks nobody out for long. */
function isNear(atMs: number | undefined, now: number): boolean {
  return atMs !== undefined && Math.abs(now - atMs) < PERIOD_MS;
}
