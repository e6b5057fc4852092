// What PJM prints while an answer takes long: a dot every three seconds. Knows no jobs.
import { sleep } from '../base/clock';
import type { CommandCall } from './pjmCommand';
import { codeBases } from './pjmText';
import type { Scheduler } from './scheduler';

const dotEveryMs = 3000;

/** Text around the dots, for the programs that print any; where the dots of 0181 stand is a guess. */
const texts: Readonly<Record<string, readonly [before: string, after: string]>> = {
  pjstat: ['Data loading', ''],
  pjdel: ['', 'done.'],
  pjhold: ['', 'done.'],
  pjrls: ['', 'done.'],
};

/** Waits as long as the fault says. A line on standard output appears only when that is more than three seconds. */
export async function delayAnswer({ clock, faults }: Scheduler, call: CommandCall): Promise<void> {
  const base = codeBases[call.program];
  if (faults.answerDelayMs <= 0 || base === undefined) return;
  const wait = (ms: number) => sleep(clock, ms, call.signal).catch(() => undefined);
  const [before, after] = texts[call.program] ?? [];
  let left = faults.answerDelayMs;
  if (left <= dotEveryMs || before === undefined) {
    await wait(left);
    return;
  }
  const code = String(base + 81).padStart(4, '0');
  for (let dots = 0; left > 0 && !call.signal.aborted; dots += 1, left -= dotEveryMs) {
    await wait(Math.min(left, dotEveryMs));
    if (left < dotEveryMs) break;
    call.stdout(dots === 0 ? `[INFO] PJM ${code} ${call.program} ${before}.` : '.');
  }
  call.stdout(`${after ?? ''}\n`);
}
