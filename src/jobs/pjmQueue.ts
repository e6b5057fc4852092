// PJM as a Queue: its commands sent over a Remote, its answers read by pjm/. Knows no job records.
import type { Logger } from '../base/log';
import { pjdelWords, pjstatTableWords, pjstatWords, pjsubWords } from '../pjm/pjmCommands';
import { parseDeleteReply, parseSubmitReply } from '../pjm/pjmReply';
import { hasHeader, parsePjstat, type QueueEntry } from '../pjm/pjstat';
import type { ExecResult, Remote } from '../ssh/remote';
import { shellQuote, shellScript } from '../ssh/shellQuote';
import { jobFailure } from './failures';
import type { Queue, Submission } from './queue';

/** Exit codes of the scripts below, apart from those of the PJM commands (0 and 1). */
const exitCodes = {
  commandMissing: 69,
  claimAbsent: 70,
  folderMissing: 71,
  cannotWrite: 73,
  noAnswer: 75,
};

/** Pjsub answers within seconds; a stuck one is given this long before its outcome counts as open. */
const claimWaitSeconds = 60;

export class PjmQueue implements Queue {
  readonly #remote: Pick<Remote, 'exec'>;
  readonly #log: Logger;

  constructor(remote: Pick<Remote, 'exec'>, log: Logger) {
    this.#remote = remote;
    this.#log = log;
  }

  async submit(submission: Submission, signal?: AbortSignal): Promise<string> {
    const result = await this.#run(submitScript(submission, 'claim'), signal);
    return this.#readSubmitted(submission, result);
  }

  async findSubmitted(submission: Submission, signal?: AbortSignal): Promise<string | undefined> {
    const result = await this.#run(submitScript(submission, 'look'), signal);
    if (result.exitCode === exitCodes.claimAbsent) return undefined;
    return this.#readSubmitted(submission, result);
  }

  async list(
    pjmIds: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, QueueEntry>> {
    const entries = new Map<string, QueueEntry>();
    for (const which of ['live', 'ended'] as const) {
      const missing = pjmIds.filter((pjmId) => !entries.has(pjmId));
      if (missing.length === 0) break;
      for (const entry of await this.#ask(missing, which, signal))
        if (missing.includes(entry.pjmId)) entries.set(entry.pjmId, entry);
    }
    return entries;
  }

  async cancel(pjmId: string, signal?: AbortSignal): Promise<'accepted' | 'gone'> {
    const result = await this.#run(requireCommand('pjdel') + words(pjdelWords(pjmId)), signal);
    this.#checkCommand(result, 'pjdel');
    const reply = parseDeleteReply(result.stdout, result.stderr);
    if (reply.kind === 'refused')
      throw jobFailure('cancelRefused', { pjmId, code: reply.code, text: reply.text });
    return reply.kind;
  }

  async #ask(
    pjmIds: readonly string[],
    which: 'live' | 'ended',
    signal?: AbortSignal,
  ): Promise<readonly QueueEntry[]> {
    const script = requireCommand('pjstat') + words(pjstatWords(pjmIds, which));
    const result = await this.#run(script, signal);
    this.#checkCommand(result, 'pjstat');
    if (result.exitCode === 0) return parsePjstat(result.stdout);
    const table = await this.#run(words(pjstatTableWords(which)), signal);
    if (table.exitCode !== 0 || !hasHeader(table.stdout))
      throw jobFailure('commandFailed', { command: 'pjstat', text: textOf(result) });
    return parsePjstat(table.stdout);
  }

  #readSubmitted(submission: Submission, result: ExecResult): string {
    this.#checkCommand(result, 'pjsub');
    if (result.exitCode === exitCodes.folderMissing || result.exitCode === exitCodes.cannotWrite)
      throw jobFailure('remoteFolderUnusable', {
        folder: submission.folder,
        detail: textOf(result),
      });
    const reply = parseSubmitReply(result.stdout, result.stderr);
    this.#log.info(`pjsub ${submission.scriptName}: ${textOf(result)}`);
    if (reply.kind === 'accepted') return reply.pjmId;
    if (reply.kind === 'refused')
      throw jobFailure('submitRefused', { code: reply.code, text: reply.text });
    throw jobFailure('submitUnclear', { text: reply.text });
  }

  #checkCommand(result: ExecResult, command: string): void {
    if (result.exitCode !== exitCodes.commandMissing) return;
    throw jobFailure('commandMissing', { command, path: result.stderr.trim() });
  }

  #run(script: string, signal?: AbortSignal): Promise<ExecResult> {
    const { command, stdin } = shellScript(`${script}\n`);
    const timeoutMs = (claimWaitSeconds + 30) * 1000;
    return this.#remote.exec(command, { stdin, timeoutMs, ...(signal && { signal }) });
  }
}

function words(list: readonly string[]): string {
  return list.map(shellQuote).join(' ');
}

function textOf(result: ExecResult): string {
  return [result.stderr, result.stdout]
    .map((text) => text.trim())
    .join('\n')
    .trim()
    .slice(0, 2000);
}

/** The login shell may lack the site's PATH, so a missing command is told apart from its own errors. */
function requireCommand(name: string): string {
  const { commandMissing } = exitCodes;
  return `command -v ${name} >/dev/null 2>&1 || { printf %s "$PATH" >&2; exit ${commandMissing}; }\n`;
}

/**
 * Runs pjsub once for each claim: whoever makes the claim folder submits, and the answer is kept there, whole or not at
 * all (rename). Sent again after a lost connection the script only reads that answer. `look` makes a claim that nobody
 * made, so that a submission still under way can never get through after it was called absent.
 */
function submitScript(submission: Submission, mode: 'claim' | 'look'): string {
  const claims = shellQuote(submission.claimsFolder);
  const claim = shellQuote(`${submission.claimsFolder}/${submission.jobId}`);
  const { claimAbsent, folderMissing, cannotWrite, noAnswer } = exitCodes;
  const keep = (code: string) =>
    `echo ${code} >${claim}/code.tmp && mv ${claim}/code.tmp ${claim}/code`;
  const submit = [
    requireCommand('pjsub').trimEnd(),
    `cd ${shellQuote(submission.folder)} || exit ${folderMissing}`,
    // What we keep is for its owner alone; the job gets the person's own umask.
    `own=$(umask); umask 077; mkdir -p ${claims} || exit ${cannotWrite}`,
    `if mkdir ${claim} 2>/dev/null; then`,
    `  reply=$(umask "$own"; ${words(pjsubWords(submission.scriptName, submission.variables))} 2>&1 </dev/null); code=$?`,
    `  printf '%s\\n' "$reply" >${claim}/reply && ${keep('$code')}`,
    // Printed from memory: the answer is not lost when the disk cannot hold it.
    `  printf '%s\\n' "$reply"; exit $code`,
    'fi',
  ];
  const look = [
    `umask 077; mkdir -p ${claims} || exit ${cannotWrite}`,
    `if mkdir ${claim} 2>/dev/null; then ${keep(String(claimAbsent))}; exit ${claimAbsent}; fi`,
  ];
  return [
    ...(mode === 'claim' ? submit : look),
    `[ -d ${claim} ] || exit ${cannotWrite}`,
    'waited=0',
    `while [ ! -f ${claim}/code ] && [ $waited -lt ${claimWaitSeconds} ]; do sleep 1; waited=$((waited + 1)); done`,
    `cat ${claim}/reply 2>/dev/null`,
    `[ -f ${claim}/code ] || exit ${noAnswer}`,
    `exit "$(cat ${claim}/code)"`,
  ].join('\n');
}
