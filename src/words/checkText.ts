// A connection check as lines of text, the same in a document and in a terminal. Knows no colours.
import { checkSteps, type CheckedStep, type CheckState, type CheckStep } from '../jobs/checkResult';
import { checkedStepText, stepTitle } from './checkWords';
import type { Translate } from './translate';
import { wrap } from './wrap';

/** A check that may still be under way. */
export interface CheckProgress {
  /** The steps that are done, in their order. */
  readonly steps: readonly CheckedStep[];
  /** `running`: more steps follow. */
  readonly course: 'running' | 'done' | 'cancelled';
}

/** `plain`: a line that belongs to no step's state. */
export type CheckLineKind = CheckState | 'pending' | 'plain' | 'remedy';

export interface CheckLine {
  readonly kind: CheckLineKind;
  readonly text: string;
}

/** Each stands at the beginning of the line that names its step. */
export const checkMarks: Readonly<Record<CheckState | 'pending', string>> = {
  ok: '✓',
  warning: '!',
  failed: '✗',
  skipped: '–',
  notReached: '·',
  pending: '…',
};

const indent = '  ';

/** All lines of a check: each step with its state, one sentence, and what to do. */
export function checkLines(
  progress: CheckProgress,
  t: Translate,
  width: number,
): readonly CheckLine[] {
  const lines: CheckLine[] = wrap(summaryText(progress, t), width).map(plain);
  lines.push(plain(''));
  for (const step of checkSteps) {
    const result = progress.steps.find((done) => done.step === step);
    if (result) lines.push(...stepLines(result, t, width));
    else if (progress.course === 'running') lines.push(stepLine(step, 'pending', t));
  }
  return lines;
}

/** The lines of one step that is done. */
export function stepLines(result: CheckedStep, t: Translate, width: number): readonly CheckLine[] {
  const { text, remedy } = checkedStepText(result, t);
  if (text === '') return [stepLine(result.step, result.state, t)];
  const inner = width - indent.length;
  return [
    stepLine(result.step, result.state, t),
    ...wrap(text, inner).map((line) => plain(indent + line)),
    ...(remedy === undefined ? [] : remedyLines(remedy, inner)).map((line): CheckLine => ({
      kind: 'remedy',
      text: indent + line,
    })),
  ];
}

/** A command after a colon and two blanks gets a line of its own and is not broken, so that it can be copied. */
function remedyLines(remedy: string, width: number): readonly string[] {
  const [sentence = '', ...commands] = remedy.split(/(?<=:) {2}/);
  return [...wrap(`→ ${sentence}`, width), ...commands.map((command) => indent + command)];
}

function stepLine(step: CheckStep, state: CheckState | 'pending', t: Translate): CheckLine {
  const end = state === 'notReached' ? ` – ${t('not reached')}` : '';
  return { kind: state, text: `${checkMarks[state]} ${stepTitle(step, t)}${end}` };
}

function plain(text: string): CheckLine {
  return { kind: 'plain', text };
}

/** The outcome in one sentence. */
export function summaryText({ steps, course }: CheckProgress, t: Translate): string {
  if (course === 'running') return t('The connection is being checked.');
  if (course === 'cancelled') return t('The check was cancelled.');
  const titles = (state: CheckState) =>
    steps.filter((step) => step.state === state).map(({ step }) => stepTitle(step, t));
  const [failed, warned] = [titles('failed'), titles('warning')];
  if (failed.length > 0) return t('This does not work yet: {0}', failed.join(', '));
  if (warned.length > 0) return t('Everything works; worth a look: {0}', warned.join(', '));
  return t('Everything works.');
}
