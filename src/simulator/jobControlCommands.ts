// pjdel, pjhold, pjrls, pjsig, pjwait and pjalter: the words of each and the table that tells them apart.
import { isGiven, lastValue, splitArguments, type OptionRule } from './arguments';
import {
  alterJob,
  deleteJob,
  holdJob,
  releaseJob,
  signalJob,
  type ControlCall,
} from './jobControl';
import { listKeys, parseJobSelection } from './jobIds';
import { refuse } from './pjmText';
import type { CommandCall } from './pjmCommand';
import { runPjwait } from './pjwaitCommand';
import type { Scheduler } from './scheduler';
import { usageOf } from './usageTexts';

interface ControlProgram {
  readonly rules: readonly OptionRule[];
  /** Acts on one job and prints its line; true when it was accepted. */
  act(control: ControlCall, key: string): boolean;
}

const help: OptionRule = { id: 'help', flags: ['--help'], value: 'none' };
const reason: OptionRule = { id: 'reason', flags: ['-R', '--reason'], value: 'required' };

function plain(id: string): OptionRule {
  return { id, flags: [`--${id}`], value: 'none' };
}

const programs: Readonly<Record<string, ControlProgram>> = {
  pjdel: {
    rules: [help, reason, plain('enforce'), plain('no-stats'), plain('no-history')],
    act: deleteJob,
  },
  pjhold: { rules: [help, reason], act: holdJob },
  pjrls: { rules: [help], act: releaseJob },
  pjsig: {
    rules: [help, { id: 'signal', flags: ['-s', '--signal'], value: 'required' }],
    act: signalJob,
  },
  pjalter: {
    rules: [
      help,
      { id: 'rsc-list', flags: ['-L', '--rsc-list'], value: 'required' },
      { id: 'p', flags: ['-p'], value: 'required' },
    ],
    act: alterJob,
  },
};

/** Bounds the work of `pjdel 1-9999999999`. */
const mostIds = 10_000;
/** `--reason` takes fewer than 64 alphanumerics. */
const reasonPattern = /^[A-Za-z0-9_ .-]{1,63}$/;

export async function runJobControl(scheduler: Scheduler, call: CommandCall): Promise<number> {
  if (call.program === 'pjwait') return runPjwait(scheduler, call);
  const program = programs[call.program];
  if (!program) return refuse(call, 91, `Internal error: no program ${call.program}.`);
  const { options, operands, bad } = splitArguments(call.arguments, program.rules);
  if (isGiven(options, 'help')) {
    call.stdout(usageOf(call.program));
    return 0;
  }
  if (bad !== undefined)
    return refuse(call, 1, `Unknown option or no option argument: ${bad}.`, true);
  const given = lastValue(options, 'reason');
  if (given !== undefined && !reasonPattern.test(given))
    return refuse(call, 4, `Invalid option argument: --reason ${given}.`, true);
  if (operands.length === 0) return refuse(call, 10, 'No jobid(s) specified.', true);
  let isEveryAccepted = true;
  for (const operand of operands) {
    const selection = parseJobSelection(operand);
    if (!selection) {
      refuse(call, 11, `Invalid jobid: ${operand}.`);
      isEveryAccepted = false;
      continue;
    }
    for (const key of listKeys(selection, mostIds))
      if (!program.act({ scheduler, call, options }, key)) isEveryAccepted = false;
  }
  return isEveryAccepted ? 0 : 1;
}
