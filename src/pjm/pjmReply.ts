// What the PJM commands answer: message lines, wherever they stand among a site's own lines.
// Source: Command Reference, messages; recorded answers in test/fixtures/pjm.

export interface PjmMessage {
  readonly level: 'INFO' | 'NOTE' | 'WARN' | 'ERR';
  /** Four digits, for example `0057`. */
  readonly code: string;
  /** Everything after the code, command word included. */
  readonly text: string;
}

const messagePattern = /^\[(INFO|NOTE|WARN|ERR)\.?\] PJM (\d{4}) (.*)$/;
const submittedPattern = /^pjsub Job (\d+(?:_\d+)?) submitted\.?$/;

/** All message lines of an answer, in order; other lines are skipped. */
export function parseMessages(output: string): readonly PjmMessage[] {
  return output.split(/\r?\n/).flatMap((line) => {
    const match = messagePattern.exec(line.trimEnd());
    if (!match) return [];
    const [, level, code = '', text = ''] = match;
    return [{ level: level as PjmMessage['level'], code, text }];
  });
}

/** What came of a `pjsub`. `text` is pjsub's own words, for the person. */
export type SubmitReply =
  | { readonly kind: 'accepted'; readonly pjmId: string }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string }
  /** Neither an acceptance nor an error line: the outcome has to be found out. */
  | { readonly kind: 'unclear'; readonly text: string };

/** Reads both streams of a `pjsub`: the accept line with its id decides, not the exit status alone. */
export function parseSubmitReply(stdout: string, stderr: string): SubmitReply {
  const messages = [...parseMessages(stdout), ...parseMessages(stderr)];
  const accepted = messages.find(({ level, code }) => level === 'INFO' && code === '0000');
  const pjmId = accepted && submittedPattern.exec(accepted.text)?.[1];
  if (pjmId !== undefined) return { kind: 'accepted', pjmId };
  const text = joinText(stderr, stdout);
  const refusal = messages.find(({ level }) => level === 'ERR');
  return refusal ? { kind: 'refused', code: refusal.code, text } : { kind: 'unclear', text };
}

/** What came of a `pjdel` of one job. */
export type DeleteReply =
  /** Deletion is asynchronous: the state becomes CCL later. */
  | { readonly kind: 'accepted' }
  /** PJM does not know the job (any more), or it belongs to somebody else. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly code: string; readonly text: string };

export function parseDeleteReply(stdout: string, stderr: string): DeleteReply {
  const messages = [...parseMessages(stdout), ...parseMessages(stderr)];
  if (messages.some(({ code }) => code === '0100' || code === '0119')) return { kind: 'accepted' };
  if (messages.some(({ code }) => code === '0112')) return { kind: 'gone' };
  const code = messages.find(({ level }) => level === 'ERR')?.code ?? '';
  return { kind: 'refused', code, text: joinText(stderr, stdout) };
}

function joinText(...parts: readonly string[]): string {
  return parts
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('\n');
}
