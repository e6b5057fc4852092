// `furo check`: tests each step of the connection and prints what it found, step by step as it goes.
import { isSound } from '../jobs/checkResult';
import { stepLines, summaryText, type CheckLine, type CheckLineKind } from '../words/checkText';
import type { Context } from './commands';
import { harmless, paint } from './terminal';

const usualWidth = 100;

/** True when nothing failed. */
export async function runCheck({
  session,
  screen,
  translate: t,
  signal,
}: Context): Promise<boolean> {
  const width = Math.min(screen.columns ?? usualWidth, usualWidth);
  const write = ({ kind, text }: CheckLine) => {
    const line = harmless(text);
    screen.write(`${kind === 'plain' ? line : paint(screen, colourOf(kind), line)}\n`);
  };
  const report = await session.check({
    signal,
    onStep: (_step, result) => {
      if (result) for (const line of stepLines(result, t, width)) write(line);
    },
  });
  screen.write(`\n${paint(screen, 'bold', summaryText({ ...report, course: 'done' }, t))}\n`);
  return isSound(report);
}

function colourOf(kind: CheckLineKind): 'green' | 'red' | 'cyan' | 'dim' {
  switch (kind) {
    case 'ok':
      return 'green';
    case 'failed':
      return 'red';
    case 'warning':
    case 'remedy':
      return 'cyan';
    default:
      return 'dim';
  }
}
