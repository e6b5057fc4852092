// The shape of PJM's messages and the numbers that belong to each program. Knows no jobs.
// Source: Command Reference; numbers marked "guess" follow the pattern of the others.

/** Parts before the number; the dot of `ERR.` is real. */
export type MessageLevel = 'INFO' | 'NOTE' | 'WARN' | 'ERR.';

/** First number of each program's messages. pjwait, pjacl and pjshowrsc are guesses. */
export const codeBases: Readonly<Record<string, number>> = {
  pjsub: 0,
  pjdel: 100,
  pjstat: 200,
  pjhold: 300,
  pjrls: 400,
  pjalter: 500,
  pjwait: 600,
  pjsig: 700,
  pjacl: 800,
  pjshowrsc: 900,
};

/** "PJM daemon is not present." of each program. */
export const daemonErrorCodes: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(codeBases).map(([program, base]) => [program, base + 90]),
);

/** `[INFO] PJM 0000 pjsub Job 1996122 submitted.` with its line end. */
export function renderMessage(
  level: MessageLevel,
  code: number,
  program: string,
  text: string,
): string {
  return `[${level}] PJM ${String(code).padStart(4, '0')} ${program} ${text}\n`;
}

/** The second line of usage errors. */
export function renderUsageHint(program: string): string {
  return `Try \`${program} --help\` for more information.\n`;
}

/** Where a command writes; a {@link import('./pjmCommand').CommandCall} fits. */
export interface Answer {
  readonly program: string;
  stdout(text: string): void;
  stderr(text: string): void;
}

/** An error with the program's base added to the code; usage errors get their second line. Returns 1. */
export function refuse(call: Answer, code: number, text: string, isUsage = false): number {
  const base = codeBases[call.program] ?? 0;
  call.stderr(renderMessage('ERR.', base + code, call.program, text));
  if (isUsage) call.stderr(renderUsageHint(call.program));
  return 1;
}

/** An information line on standard output, numbered like {@link refuse}. */
export function inform(call: Answer, code: number, text: string): void {
  call.stdout(renderMessage('INFO', (codeBases[call.program] ?? 0) + code, call.program, text));
}
