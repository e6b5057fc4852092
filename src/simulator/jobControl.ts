// What pjdel, pjhold, pjrls, pjsig and pjalter do to one job, with the line that each prints.
// Which operation fits which state: End-user's Guide, appendix D.
import { isFinalState, type PjmState } from '../pjm/jobState';
import { isGiven, lastValue, splitKeyValues, type GivenOption } from './arguments';
import type { JobSignal } from './jobRunner';
import { inform, refuse } from './pjmText';
import type { CommandCall } from './pjmCommand';
import { readElapse, resourceAliases } from './pjsubResources';
import type { Scheduler } from './scheduler';
import { isParent, type JobSpec, type SimulatedJob } from './simulatedJob';

export interface ControlCall {
  readonly scheduler: Scheduler;
  readonly call: CommandCall;
  readonly options: readonly GivenOption[];
}

/** Ended jobs are refused by state for this long and "do not exist" afterwards (duration is a guess). */
const rememberedMs = 60_000;

/** The caller's job, unless it ended long ago. Other users' jobs "do not exist". */
function findOwn({ scheduler, call }: ControlCall, key: string): SimulatedJob | undefined {
  const job = scheduler.jobs.find(key);
  if (job?.spec.user !== call.user) return undefined;
  const { exitedAt } = job;
  const isLongGone = exitedAt !== undefined && scheduler.clock.now() - exitedAt > rememberedMs;
  return isLongGone ? undefined : job;
}

function missing({ call }: ControlCall, key: string): boolean {
  refuse(call, 12, `Job ${key} does not exist.`);
  return false;
}

function wrongState({ call }: ControlCall, key: string): boolean {
  refuse(call, 13, `Job ${key} is not in the state that ${call.program} can be accepted.`);
  return false;
}

/** The job itself, or the living members of a bulk or step job. */
function targets({ scheduler }: ControlCall, job: SimulatedJob): readonly SimulatedJob[] {
  if (!isParent(job)) return [job];
  return scheduler.jobs.members(job.jobId).filter(({ state }) => !isFinalState(state));
}

function reasonText({ call, options }: ControlCall): string {
  const reason = lastValue(options, 'reason');
  return reason === undefined ? '-' : `${call.user}:${reason}`;
}

function accepted({ call }: ControlCall, key: string): boolean {
  inform(call, 0, `Accepted job ${key}.`);
  return true;
}

function alreadyAccepted({ call }: ControlCall, key: string): boolean {
  inform(call, 19, `Already accepted job ${key}.`);
  return true;
}

const deletable: readonly PjmState[] = ['ACC', 'QUE', 'RNA', 'RUN', 'HLD', 'ERR', 'SPP', 'SPD'];

export function deleteJob(control: ControlCall, key: string): boolean {
  const job = findOwn(control, key);
  if (!job) return missing(control, key);
  const isEnforced = isGiven(control.options, 'enforce');
  const fits = ({ state }: SimulatedJob) =>
    deletable.includes(state) || (isEnforced && (state === 'RNP' || state === 'RNE'));
  const chosen = targets(control, job);
  if (!chosen.some(fits)) return wrongState(control, key);
  const fresh = chosen.filter((one) => fits(one) && one.deleteAskedAt === undefined);
  if (fresh.length === 0) return alreadyAccepted(control, key);
  const cause = { user: control.call.user, reason: reasonText(control) };
  for (const one of [...fresh, ...(isParent(job) ? [job] : [])]) leaveNoTrace(control, one);
  for (const one of fresh) control.scheduler.cancel(one, cause);
  return accepted(control, key);
}

/** `--no-stats`: no statistics file; `--no-history`: the ended job is not in `pjstat -H`. */
function leaveNoTrace({ options, scheduler }: ControlCall, job: SimulatedJob): void {
  if (isGiven(options, 'no-stats')) job.hasNoStatistics = true;
  if (isGiven(options, 'no-history')) job.hasNoHistory = true;
  scheduler.jobs.touch(job);
}

export function holdJob(control: ControlCall, key: string): boolean {
  const job = findOwn(control, key);
  if (!job) return missing(control, key);
  if (job.spec.isInteractive) {
    refuse(control.call, 14, `Job ${key} is an interactive job.`);
    return false;
  }
  const chosen = targets(control, job);
  const isAsked = ({ state, holdAsked }: SimulatedJob) => state === 'HLD' || holdAsked;
  if (chosen.length > 0 && chosen.every(isAsked)) return alreadyAccepted(control, key);
  // After pjdel was accepted the job only waits for its end.
  const fits = ({ state, spec, deleteAskedAt }: SimulatedJob) =>
    deleteAskedAt === undefined &&
    (state === 'QUE' || ((state === 'RNA' || state === 'RUN') && spec.isRestartable));
  const holdable = chosen.filter(fits);
  if (holdable.length === 0) return wrongState(control, key);
  const cause = { user: control.call.user, reason: reasonText(control) };
  for (const one of holdable) control.scheduler.hold(one, cause);
  return accepted(control, key);
}

export function releaseJob(control: ControlCall, key: string): boolean {
  const job = findOwn(control, key);
  if (!job) return missing(control, key);
  const held = targets(control, job).filter(({ state }) => state === 'HLD');
  if (held.length === 0) {
    refuse(control.call, 13, `Job ${key} status is not hold.`);
    return false;
  }
  for (const one of held) control.scheduler.release(one);
  inform(control.call, 0, `Job ${key} released.`);
  return true;
}

const signals: Readonly<Record<string, JobSignal>> = {
  SIGINT: 'SIGINT',
  SIGKILL: 'SIGKILL',
  SIGUSR1: 'SIGUSR1',
  SIGUSR2: 'SIGUSR2',
  SIGTERM: 'SIGTERM',
  SIGXCPU: 'SIGXCPU',
};
const signalNumbers: Readonly<Record<string, string>> = {
  2: 'SIGINT',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  12: 'SIGUSR2',
  15: 'SIGTERM',
  24: 'SIGXCPU',
};

export function signalJob(control: ControlCall, key: string): boolean {
  const asked = lastValue(control.options, 'signal') ?? 'SIGTERM';
  const name = signalNumbers[asked] ?? (asked.startsWith('SIG') ? asked : `SIG${asked}`);
  const signal = signals[name];
  if (signal === undefined) {
    refuse(control.call, 4, `Invalid option argument: -s ${asked}.`, true);
    return false;
  }
  const job = findOwn(control, key);
  if (!job) return missing(control, key);
  const reached = targets(control, job).filter((one) =>
    control.scheduler.course(one)?.signal(signal),
  );
  if (reached.length > 0) return accepted(control, key);
  refuse(control.call, 13, `Job ${key} status is not running.`);
  return false;
}

const alterable: readonly PjmState[] = ['QUE', 'HLD', 'ERR'];

export function alterJob(control: ControlCall, key: string): boolean {
  const job = findOwn(control, key);
  if (!job) return missing(control, key);
  const chosen = targets(control, job).filter(({ state }) => alterable.includes(state));
  if (chosen.length === 0 || job.spec.isInteractive) return wrongState(control, key);
  for (const option of control.options) {
    const change = option.id === 'p' ? readPriority(option) : readLimits(control, job, option);
    if ('code' in change) {
      refuse(control.call, change.code, change.text);
      return false;
    }
    for (const one of chosen) one.spec = { ...one.spec, ...change };
    inform(control.call, 0, `Job ${key} is accepted ${option.flag} ${option.value}.`);
  }
  for (const one of chosen) control.scheduler.reconsider(one);
  return true;
}

interface Problem {
  readonly code: number;
  readonly text: string;
}

function readPriority({ value }: GivenOption): Partial<JobSpec> | Problem {
  if (!/^\d+$/.test(value) || Number(value) > 255)
    return { code: 46, text: 'Option argument is out of range (0-255): -p.' };
  return { priority: Number(value), isPriorityDefault: false };
}

/** Only the elapse time and the group of a waiting job can be altered here. */
function readLimits(
  { scheduler }: ControlCall,
  job: SimulatedJob,
  { value }: GivenOption,
): Partial<JobSpec> | Problem {
  let name = job.spec.resourceGroup;
  let elapse: string | undefined;
  for (const { key, value: text } of splitKeyValues(value)) {
    const known = resourceAliases[key] ?? key;
    if (known === 'rscgrp') name = text;
    else if (known === 'elapse') elapse = text;
    else return { code: 3, text: `Unknown option argument: -L ${key}=${text}.` };
  }
  const group = scheduler.options.groups.find((candidate) => candidate.name === name);
  if (!group) return { code: 58, text: `rscgrp=${name} does not exist.` };
  const { nodes, isShared } = job.spec;
  if (group.isShared !== isShared || nodes < group.minNodes || nodes > group.maxNodes)
    return { code: 57, text: `node=${nodes} is greater than the upper limit (${group.maxNodes}).` };
  const limit = readElapse(elapse ?? String(job.spec.elapseSeconds ?? 'unlimited'), group);
  if ('code' in limit) return limit;
  return { resourceGroup: name, elapseSeconds: limit.seconds };
}
