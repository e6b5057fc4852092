// Our own small reading of the ssh configuration, for computers without OpenSSH: Host, Include, and Match on names.
// Runs nothing: a Match on anything else than names (exec, network, tags) counts as not met.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { accountHome, readConfigFiles, type ConfigFiles, type ConfigLine } from './configFile';
import { expandPercent } from './configTokens';
import { matchesAnyPattern } from './hostPattern';
import type { ConfigQuestion, HostConfig } from './hostConfig';

const DEFAULT_KEYS = ['id_rsa', 'id_ecdsa', 'id_ed25519'];
const FLAGS: Readonly<Record<string, string>> = { yes: 'yes', true: 'yes', no: 'no', false: 'no' };
const STRICT: Readonly<Record<string, string>> = {
  ...{ yes: 'true', true: 'true', no: 'false', false: 'false', off: 'false' },
  ...{ ask: 'ask', 'accept-new': 'accept-new' },
};

/** How the words of a keyword become its value; a throw means that ssh would refuse the line. */
const READERS: Readonly<Record<string, (line: ConfigLine) => readonly string[]>> = {
  hostname: oneWord,
  user: oneWord,
  hostkeyalias: oneWord,
  identityagent: oneWord,
  identityfile: oneWord,
  revokedhostkeys: oneWord,
  proxycommand: ({ rest }) => [rest],
  proxyjump: ({ rest }) => [rest.replace(/[ \t]*#.*/, '')],
  userknownhostsfile: someWords,
  globalknownhostsfile: someWords,
  identitiesonly: (line) => [fromTable(FLAGS, line)],
  proxyusefdpass: (line) => [fromTable(FLAGS, line)],
  stricthostkeychecking: (line) => [fromTable(STRICT, line)],
  port: (line) => [wholeNumber(line)],
  serveralivecountmax: (line) => [wholeNumber(line)],
  serveraliveinterval: (line) => [seconds(line)],
  connecttimeout: (line) => (oneWord(line)[0] === 'none' ? ['none'] : [seconds(line)]),
};

/** The same keywords and values that `ssh -G` would print, as far as {@link READERS} knows them. Throws on bad lines. */
export async function readOwnConfig(
  question: ConfigQuestion,
  files: ConfigFiles,
): Promise<HostConfig> {
  refuseForeignFile(files.user);
  const reading = new Reading(question);
  for (const lines of await readConfigFiles(files)) reading.take(lines, true, true);
  return reading.finished();
}

class Reading {
  readonly #values = new Map<string, readonly string[]>();

  constructor(private readonly question: ConfigQuestion) {
    const { user, port, jump } = question;
    if (user !== undefined) this.#values.set('user', [user]);
    if (port !== undefined) this.#values.set('port', [String(port)]);
    if (jump !== undefined) this.#values.set('proxyjump', [jump]);
  }

  /** `mayMatch` is false inside an Include of a block that does not apply: nothing in it ever does. */
  take(lines: readonly ConfigLine[], startsActive: boolean, mayMatch: boolean): void {
    let isActive = startsActive;
    for (const line of lines) {
      if (line.keyword === 'host')
        isActive = mayMatch && matchesAnyPattern(wordsOf(line), this.question.host);
      else if (line.keyword === 'match') isActive = mayMatch && this.#matches(line);
      else if (line.keyword === 'include')
        for (const included of line.included) this.take(included, isActive, isActive && mayMatch);
      else if (isActive) this.#set(line);
    }
  }

  #set(line: ConfigLine): void {
    const { keyword } = line;
    const read = Object.hasOwn(READERS, keyword) ? READERS[keyword] : undefined;
    if (!read) return;
    const before = this.#values.get(keyword) ?? [];
    if (keyword === 'identityfile') {
      const files = [...before, ...read(line)];
      this.#values.set(keyword, [...new Set(files)]);
      return;
    }
    // The first of the two decides, but a ProxyJump of `none` only forbids further jumps.
    const jump = this.#values.get('proxyjump')?.[0];
    const isTaken =
      (keyword === 'proxyjump' && this.#values.has('proxycommand')) ||
      (keyword === 'proxycommand' && jump !== undefined && jump !== 'none');
    if (!isTaken && !this.#values.has(keyword)) this.#values.set(keyword, read(line));
  }

  #matches(line: ConfigLine): boolean {
    const words = wordsOf(line).flatMap((word) => /^([^=]+)=(.+)$/s.exec(word)?.slice(1) ?? [word]);
    let isMet = words.length > 0;
    for (let at = 0; at < words.length; at++) {
      const isNegated = words[at]?.startsWith('!') ?? false;
      const criterion = words[at]?.slice(isNegated ? 1 : 0).toLowerCase();
      if (criterion === 'all') {
        isMet &&= !isNegated;
        continue;
      }
      const text = this.#textFor(criterion);
      // Not ours to decide: `exec` would have to be run, `final` needs a second pass.
      if (text === undefined) return false;
      const patterns = (words[++at] ?? '').split(',');
      if (matchesAnyPattern(patterns, text) === isNegated) isMet = false;
    }
    return isMet;
  }

  #textFor(criterion: string | undefined): string | undefined {
    if (criterion === 'host') return this.#hostName();
    if (criterion === 'originalhost') return this.question.host;
    if (criterion === 'user') return this.#values.get('user')?.[0] ?? userInfo().username;
    return criterion === 'localuser' ? userInfo().username : undefined;
  }

  #hostName(): string {
    const { host } = this.question;
    return expandPercent(this.#values.get('hostname')?.[0] ?? '%h', { h: host });
  }

  finished(): HostConfig {
    const all = new Map(this.#values);
    const fill = (keyword: string, values: readonly string[]): void => {
      if (!all.has(keyword)) all.set(keyword, values);
    };
    const folder = join(accountHome(), '.ssh');
    all.set('hostname', [this.#hostName().toLowerCase()]);
    fill('port', ['22']);
    fill('stricthostkeychecking', ['ask']);
    fill('serveralivecountmax', ['3']);
    fill('user', [userInfo().username]);
    fill(
      'identityfile',
      DEFAULT_KEYS.map((name) => join(folder, name)),
    );
    fill(
      'userknownhostsfile',
      ['known_hosts', 'known_hosts2'].map((name) => join(folder, name)),
    );
    if (process.platform !== 'win32')
      fill('globalknownhostsfile', ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']);
    return all;
  }
}

/** As OpenSSH: whoever may write this file decides which commands run, so it must be the user's alone. */
function refuseForeignFile(file: string): void {
  const entry = statSync(file, { throwIfNoEntry: false });
  if (!entry || process.getuid === undefined) return;
  const isOwn = entry.uid === 0 || entry.uid === process.getuid();
  if (!isOwn || (entry.mode & 0o022) !== 0) throw new Error(`bad owner or permissions on ${file}`);
}

function refused({ file, line, keyword, rest }: ConfigLine): Error {
  return new Error(`${file} line ${String(line)}: bad value of ${keyword}: "${rest}"`);
}

function wordsOf(line: ConfigLine): readonly string[] {
  if (line.args === undefined) throw refused(line);
  return line.args;
}

function someWords(line: ConfigLine): readonly string[] {
  const words = wordsOf(line);
  if (words.length === 0 || words.includes('')) throw refused(line);
  return words;
}

function oneWord(line: ConfigLine): readonly string[] {
  const words = someWords(line);
  if (words.length !== 1) throw refused(line);
  return words;
}

function fromTable(table: Readonly<Record<string, string>>, line: ConfigLine): string {
  const word = oneWord(line)[0]?.toLowerCase() ?? '';
  const value = Object.hasOwn(table, word) ? table[word] : undefined;
  if (value === undefined) throw refused(line);
  return value;
}

function wholeNumber(line: ConfigLine): string {
  const [word = ''] = oneWord(line);
  if (!/^\d{1,9}$/.test(word)) throw refused(line);
  return String(Number(word));
}

/** `90`, `1m30s`, as ssh's time formats. */
function seconds(line: ConfigLine): string {
  const [word = ''] = oneWord(line);
  if (!/^(\d{1,9}[smhdw]?)+$/i.test(word)) throw refused(line);
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  const parts = word.match(/\d+[a-z]?/gi) ?? [];
  const total = parts.reduce((sum, part) => {
    const unit = /[a-z]$/i.exec(part)?.[0].toLowerCase() ?? 's';
    return sum + Number.parseInt(part, 10) * (units[unit] ?? 1);
  }, 0);
  return String(total);
}
