// What OpenSSH itself says about one host: runs `ssh -G` and reads its answer. Knows no endpoint.
import { execFile, type ExecFileException } from 'node:child_process';
import { existsSync } from 'node:fs';
import { accountHome } from './configFile';
import type { Target } from './endpoint';
import { detailOf, sshFailure } from './failures';

/** Values by lower-case keyword as `ssh -G` prints them, but one entry for each path of a list. */
export type HostConfig = ReadonlyMap<string, readonly string[]>;

/** A host with what a command line would add to it; that wins over every file. */
export interface ConfigQuestion extends Target {
  /** Jump hosts as behind `ssh -J`. */
  readonly jump?: string;
}

export interface AskOptions {
  readonly signal?: AbortSignal;
  /** The OpenSSH client; `ssh` from PATH by default. */
  readonly sshProgram?: string;
  /** Read instead of the usual files, as `ssh -F` does. */
  readonly configFile?: string;
  /** Tests shorten it; default 15 s. */
  readonly timeoutMs?: number;
}

/** `Match exec` lines run for real; one that hangs must not hold the connection for ever. */
const TIMEOUT_MS = 15_000;

/**
 * Asks `ssh -G`; undefined where there is no OpenSSH, or one too old to be asked. Throws `sshConfigUnusable` when ssh
 * itself refuses the configuration, `sshConfigUnanswered` when it does not come to an answer. Runs the `Match exec`
 * lines of the user's own configuration, so ask only for hosts from user settings, never for a name found in a
 * workspace. The names must have been checked.
 */
export async function askOpenSsh(
  question: ConfigQuestion,
  options: AskOptions = {},
): Promise<HostConfig | undefined> {
  const { signal, sshProgram = 'ssh', timeoutMs = TIMEOUT_MS } = options;
  const { host } = question;
  const limits = { timeout: timeoutMs, maxBuffer: 1 << 20, windowsHide: true, cwd: accountHome() };
  const said = await new Promise<{
    error: ExecFileException | null;
    stdout: string;
    stderr: string;
  }>((settle) => {
    execFile(
      sshProgram,
      commandLine(question, options.configFile),
      { ...limits, ...(signal && { signal }) },
      (error, stdout, stderr) => {
        settle({ error, stdout, stderr });
      },
    );
  });
  signal?.throwIfAborted();
  const config = said.error === null ? parseAnswer(said.stdout) : new Map<string, string[]>();
  if (config.has('hostname')) return config;
  const passing = passingDetail(said.error, timeoutMs);
  if (passing !== undefined)
    throw sshFailure('sshConfigUnanswered', { host, detail: passing }, said.error);
  const isAnswer = typeof (said.error as { code?: unknown } | null)?.code !== 'string';
  const isTooOld = /(unknown|illegal|invalid|unrecognized) option|usage:/i.test(said.stderr);
  if (said.error === null || !isAnswer || isTooOld) return undefined;
  const detail = said.stderr.trim() === '' ? detailOf(said.error) : detailOf(said.stderr.trim());
  // CanonicalizeHostname asks for names, which nobody answers without a network.
  if (/could not resolve host/i.test(detail))
    throw sshFailure('hostNotFound', { host }, said.error);
  const reason = detail.includes('jumphost loop') ? 'jumpLoop' : 'sshConfigUnusable';
  throw sshFailure(reason, { host, detail }, said.error);
}

/** This computer cannot start a program at the moment. */
const SHORT_OF = new Set(['EAGAIN', 'EMFILE', 'ENFILE']);

/** Where nothing is wrong with the configuration: ssh did not start, or was ended before it answered. */
function passingDetail(error: ExecFileException | null, limitMs: number): string | undefined {
  if (!error) return undefined;
  const { code, killed, signal } = error;
  if (typeof code === 'string') return SHORT_OF.has(code) ? code : undefined;
  if (killed) return `no answer within ${String(limitMs / 1000)} s`;
  return signal ?? undefined;
}

function commandLine({ host, user, port, jump }: ConfigQuestion, file?: string): string[] {
  return [
    ...(file === undefined ? [] : ['-F', file]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(jump === undefined ? [] : ['-J', jump]),
    '-G',
    '--',
    host,
  ];
}

/** Reads the `keyword value` lines of `ssh -G`. */
export function parseAnswer(answer: string): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const line of answer.split('\n')) {
    const [, keyword, value] = /^(\S+) (.*)$/.exec(line.replace(/\r$/, '')) ?? [];
    if (keyword === undefined || value === undefined) continue;
    const values = /^(user|global)knownhostsfile$/.test(keyword) ? splitPaths(value) : [value];
    all.set(keyword.toLowerCase(), [...(all.get(keyword.toLowerCase()) ?? []), ...values]);
  }
  return all;
}

/**
 * `ssh -G` prints several paths with a blank between and no quotes, so a path with a blank can be told only by looking:
 * the longest that exists, else up to the next word that starts like a whole path.
 */
function splitPaths(value: string): string[] {
  const words = value.split(' ');
  const paths: string[] = [];
  for (let start = 0; start < words.length;) {
    const lengths = words.slice(start).map((_, index) => index + 1);
    const joined = (length: number): string => words.slice(start, start + length).join(' ');
    const isEnd = (length: number): boolean =>
      start + length === words.length || isWholePath(words[start + length] ?? '');
    const found = lengths.reverse().find((length) => existsSync(joined(length)));
    const isWhole = isWholePath(words[start] ?? '');
    const length = found ?? (isWhole ? (lengths.reverse().find(isEnd) ?? 1) : 1);
    paths.push(joined(length));
    start += length;
  }
  return paths.filter((path) => path !== '');
}

function isWholePath(word: string): boolean {
  return /^(\/|~|\\\\|[A-Za-z]:[\\/]|none$|__PROGRAMDATA__)/.test(word);
}
