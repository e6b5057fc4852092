// pjwait: waits for jobs to end and prints their codes; with `-w waitnone` it only looks. Knows no processes.
import { sleep } from '../base/clock';
import { isFinalState } from '../pjm/jobState';
import { isGiven, lastValue, splitArguments, type OptionRule } from './arguments';
import { listKeys, parseJobSelection } from './jobIds';
import { refuse } from './pjmText';
import type { CommandCall } from './pjmCommand';
import type { Scheduler } from './scheduler';
import { isParent, type SimulatedJob } from './simulatedJob';
import { usageOf } from './usageTexts';

const rules: readonly OptionRule[] = [
  { id: 'help', flags: ['--help'], value: 'none' },
  { id: 'wait', flags: ['-w'], value: 'required' },
  { id: 'z', flags: ['-z'], value: 'required' },
];

/** How often a waiting call looks again. */
const lookEveryMs = 1000;
const mostIds = 10_000;

export async function runPjwait(scheduler: Scheduler, call: CommandCall): Promise<number> {
  const { options, operands, bad } = splitArguments(call.arguments, rules);
  if (isGiven(options, 'help')) {
    call.stdout(usageOf('pjwait'));
    return 0;
  }
  if (bad !== undefined)
    return refuse(call, 1, `Unknown option or no option argument: ${bad}.`, true);
  const how = lastValue(options, 'wait') ?? 'waitall';
  if (!['waitall', 'waitany', 'waitnone'].includes(how))
    return refuse(call, 3, `Unknown option argument: -w ${how}.`, true);
  if (operands.length === 0) return refuse(call, 10, 'No jobid(s) specified.', true);
  const keys: string[] = [];
  let status = 0;
  for (const operand of operands) {
    const selection = parseJobSelection(operand);
    if (selection) keys.push(...listKeys(selection, mostIds));
    else status = refuse(call, 11, `Invalid jobid: ${operand}.`);
  }
  // Unknown and rejected jobs get no line at all.
  const jobs = keys.flatMap((key) => scheduler.jobs.find(key) ?? []);
  const own = jobs.filter(({ spec, state }) => spec.user === call.user && state !== 'RJT');
  const isDone = () => {
    if (how === 'waitnone' || own.length === 0) return true;
    const ended = own.filter(({ state }) => isFinalState(state) || state === 'ERR').length;
    return how === 'waitany' ? ended > 0 : ended === own.length;
  };
  while (!isDone() && !call.signal.aborted)
    await sleep(scheduler.clock, lookEveryMs, call.signal).catch(() => undefined);
  for (const job of own) call.stdout(`${renderResult(scheduler, job)}\n`);
  return status;
}

/** `jobid PJMcode exitcode signal`. */
function renderResult(scheduler: Scheduler, job: SimulatedJob): string {
  const state = scheduler.jobs.stateOf(job);
  if (!isFinalState(state)) {
    const code = state === 'ERR' ? 'E' : state === 'HLD' ? 'H' : 'X';
    return `${job.key} ${code} - -`;
  }
  if (isParent(job)) return `${job.key} - - -`;
  return `${job.key} ${job.pjmCode} ${job.exitCode} ${job.signal ?? '-'}`;
}
