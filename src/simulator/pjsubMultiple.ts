// Bulk and step jobs of pjsub: one call, many sub-jobs. Knows no processes.
import { acceptJobs, refuseJob, writeCopy, type ReadyScript } from './pjsubAccept';
import { scriptCopyPath } from './jobFiles';
import type { CommandCall } from './pjmCommand';
import type { Refusal } from './pjsubOptions';
import type { Scheduler } from './scheduler';
import type { SimulatedJob } from './simulatedJob';
import { parseStepRule } from './stepRules';

const maxBulkNumber = 999_999;
const maxStepNumber = 65_534;

/** `--bulk --sparam "0-9"`: one sub-job for each number, all of the same script. */
export function submitBulk(scheduler: Scheduler, call: CommandCall, script: ReadyScript): number {
  const range = readBulkRange(script.merged.value('sparam'));
  if ('code' in range) return refuseJob(call, range);
  const { first, last } = range;
  const { subJobLimit } = scheduler.options;
  if (last - first + 1 + scheduler.jobs.countLive(call.user).subJobs > subJobLimit) {
    const text = 'Job exceeded the accept limit: ru-accept-bulksubjob.';
    return refuseJob(call, { code: 72, text });
  }
  const jobId = scheduler.jobs.reserveId();
  const scriptPath = writeCopy(call, script.text, scriptCopyPath(call.folder, jobId));
  if (typeof scriptPath !== 'string') return refuseJob(call, scriptPath);
  const now = scheduler.clock.now();
  const { spec } = script;
  const part = { kind: 'bulkParent', first, last } as const;
  const parent = scheduler.jobs.add({ jobId, part, spec, scriptPath }, now);
  parent.state = 'QUE';
  const jobs: SimulatedJob[] = [];
  for (let number = first; number <= last; number += 1)
    jobs.push(scheduler.jobs.add({ jobId, part: { kind: 'bulk', number }, spec, scriptPath }, now));
  acceptJobs(scheduler, call, { script, jobs, shown: [parent] });
  return 0;
}

function readBulkRange(text: string | undefined): { first: number; last: number } | Refusal {
  if (text === undefined)
    return { code: 2, text: 'Invalid combination: --bulk without --sparam.', isUsage: true };
  const match = /^(\d+)-(\d+)$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (!match || first > last)
    return { code: 4, text: `Invalid option argument: --sparam ${text}.`, isUsage: true };
  if (last > maxBulkNumber)
    return { code: 46, text: `Option argument is out of range (0-${maxBulkNumber}): --sparam.` };
  return { first, last };
}

interface StepParameters {
  readonly jobId?: number;
  readonly jobName?: string;
  readonly number?: number;
  readonly dependency: string;
}

/** `--step`: each script becomes the next step of a new or a joined step job. */
export function submitSteps(
  scheduler: Scheduler,
  call: CommandCall,
  scripts: readonly ReadyScript[],
): number {
  const [script] = scripts;
  if (!script) return 1;
  const parameters = readStepParameters(script.merged.value('sparam'));
  if ('code' in parameters) return refuseJob(call, parameters);
  const joined = findParent(scheduler, call, parameters);
  if (joined && 'code' in joined) return refuseJob(call, joined);
  const jobId = joined?.jobId ?? scheduler.jobs.reserveId();
  const firstNumber = parameters.number ?? scheduler.jobs.nextStep(jobId);
  const numbers = scripts.map((_, index) => firstNumber + index);
  if (numbers.some((number) => number > maxStepNumber))
    return refuseJob(call, { code: 60, text: 'Step number overflowed.' });
  const isTaken = (number: number) =>
    scheduler.jobs.hasPart(jobId, { kind: 'step', number, dependency: '' });
  if (numbers.some(isTaken))
    return refuseJob(call, {
      code: 4,
      text: `Invalid option argument: --sparam sn=${firstNumber}.`,
      isUsage: true,
    });
  const jobs = addSteps(scheduler, call, { scripts, parameters, joined, jobId, firstNumber });
  if ('code' in jobs) return refuseJob(call, jobs);
  acceptJobs(scheduler, call, { script, jobs, shown: jobs });
  return 0;
}

interface NewSteps {
  readonly scripts: readonly ReadyScript[];
  readonly parameters: StepParameters;
  readonly joined: SimulatedJob | undefined;
  readonly jobId: number;
  readonly firstNumber: number;
}

function addSteps(
  scheduler: Scheduler,
  call: CommandCall,
  { scripts, parameters, joined, jobId, firstNumber }: NewSteps,
): SimulatedJob[] | Refusal {
  const now = scheduler.clock.now();
  const paths: string[] = [];
  for (const [index, { text }] of scripts.entries()) {
    const copy = scriptCopyPath(call.folder, jobId, firstNumber + index);
    const path = writeCopy(call, text, copy);
    if (typeof path !== 'string') return path;
    paths.push(path);
  }
  const firstSpec = scripts[0]?.spec;
  if (!joined && firstSpec) {
    const name = parameters.jobName ?? firstSpec.name;
    const spec = { ...firstSpec, name };
    const identity = { jobId, part: { kind: 'stepParent' }, spec, scriptPath: '' } as const;
    scheduler.jobs.add(identity, now).state = 'QUE';
  }
  return scripts.map(({ spec }, index) => {
    const number = firstNumber + index;
    const part = { kind: 'step', number, dependency: parameters.dependency } as const;
    return scheduler.jobs.add({ jobId, part, spec, scriptPath: paths[index] ?? '' }, now);
  });
}

/** The step job that `jid=` or `jnam=` names; a new name begins a new step job. */
function findParent(
  { jobs }: Scheduler,
  call: CommandCall,
  { jobId, jobName }: StepParameters,
): SimulatedJob | Refusal | undefined {
  if (jobName !== undefined) return jobs.findStepParent(jobName, call.user);
  if (jobId === undefined) return undefined;
  const parent = jobs.find(String(jobId));
  const isJoinable =
    parent?.part.kind === 'stepParent' &&
    parent.spec.user === call.user &&
    parent.exitedAt === undefined;
  return isJoinable ? parent : { code: 12, text: `Job ${jobId} does not exist.` };
}

/** `jid=`, `jnam=`, `sn=` and `sd=`; commas inside `sd=ec==1,3` belong to its list of values. */
function readStepParameters(text = ''): StepParameters | Refusal {
  const invalid = (): Refusal => ({
    code: 4,
    text: `Invalid option argument: --sparam ${text}.`,
    isUsage: true,
  });
  const fields = new Map<string, string>();
  for (const part of text.split(/,(?=(?:jid|jnam|sn|sd)=)/).filter((item) => item !== '')) {
    const match = /^(jid|jnam|sn|sd)=(.+)$/.exec(part);
    if (!match) return invalid();
    fields.set(match[1] ?? '', match[2] ?? '');
  }
  const isNumber = (key: string) => /^\d+$/.test(fields.get(key) ?? '0');
  if (!isNumber('jid') || !isNumber('sn')) return invalid();
  if (fields.has('jid') && fields.has('jnam'))
    return { code: 2, text: 'Invalid combination: jid and jnam.', isUsage: true };
  const dependency = fields.get('sd') ?? 'NONE';
  if (!parseStepRule(dependency)) return invalid();
  const jobName = fields.get('jnam');
  return {
    dependency,
    ...(fields.has('jid') && { jobId: Number(fields.get('jid')) }),
    ...(fields.has('sn') && { number: Number(fields.get('sn')) }),
    ...(jobName !== undefined && { jobName }),
  };
}
