// Options of pjsub -> what the job is. Knows no files and no queue.
import type { Statistics } from '../pjm/jobRequest';
import { resolvePath } from './jobFiles';
import type { LocalTime } from './localTime';
import type { CommandCall } from './pjmCommand';
import type { MergedOptions, Refusal } from './pjsubOptions';
import { readResources, resourceAliases } from './pjsubResources';
import type { SchedulerOptions } from './schedulerOptions';
import type { JobSpec } from './simulatedJob';

export interface SpecInput {
  readonly call: CommandCall;
  readonly merged: MergedOptions;
  /** File name of the script, or STDIN. */
  readonly scriptName: string;
  readonly scriptText: string;
  readonly options: SchedulerOptions;
  readonly localTime: LocalTime;
  readonly now: number;
}

const defaultPriority = 127;
const maxNameBytes = 63;
const submitVariables = ['HOME', 'LANG', 'LOGNAME', 'MAIL', 'PATH', 'SHELL', 'TZ'] as const;

/** Lengths in bytes of free texts, from the Command Reference. */
const textLimits: readonly (readonly [id: string, flag: string, most: number])[] = [
  ['comment', '--comment', 255],
  ['appname', '--appname', 63],
  ['fs', '--fs', 63],
];

/** A whole job, or the first reason for refusing it. */
export function readJobSpec(input: SpecInput): JobSpec | Refusal {
  const { merged, call, options } = input;
  const name = merged.value('name') ?? input.scriptName.slice(0, maxNameBytes);
  const isNameGiven = merged.has('name');
  if (isNameGiven && (!/^[A-Za-z][^/]*$/.test(name) || byteLength(name) > maxNameBytes))
    return { code: 18, text: `Job name is mismatch: ${name}.` };
  const values = checkValues(merged);
  if (values) return values;
  const given = readPolicies(merged);
  if ('code' in given) return given;
  const at = readAt(input);
  if (typeof at === 'object') return at;
  const group = merged.value('gname') ?? call.group;
  if (group !== call.group && !options.projectGroups.includes(group))
    return { code: 71, text: `Group not authorized to submit a job: ${group}(59999)` };
  const isInteractive = merged.has('interact');
  const resources = readResources(merged.keys('rsc-list', resourceAliases), isInteractive, options);
  if ('code' in resources) return resources;
  const mpi = readProcesses(merged, resources.nodes);
  if ('code' in mpi) return mpi;
  return {
    name,
    user: call.user,
    group,
    hostName: call.hostName,
    isInteractive,
    ...resources,
    ...mpi,
    submitFolder: call.folder,
    shell: shellOf(input.scriptText, call.environment['SHELL']),
    ...readOutput(merged, call.folder),
    asGiven: { ...given.policies, ...(merged.has('at') && { PJM_AT: merged.value('at') ?? '' }) },
    priority: Number(merged.value('p') ?? defaultPriority),
    isPriorityDefault: !merged.has('p'),
    notBefore: isInteractive ? undefined : at,
    isRestartable: !isInteractive && merged.winner('restart', 'norestart') !== 'norestart',
    ...readMail(merged, call.user),
    comment: merged.value('comment') ?? call.environment['PJM_COMMENT'] ?? '',
    applicationName: merged.value('appname') ?? call.environment['PJM_APPNAME'] ?? '',
    fileSystem: merged.value('fs') ?? call.environment['PJM_FSNAME'] ?? '',
    // -X is accepted and has no effect: Furo's FAQ says that it is not provided.
    variables: readVariables(merged),
    submitEnvironment: Object.fromEntries(
      submitVariables.flatMap((key) => {
        const value = call.environment[key];
        return value === undefined ? [] : [[`PJM_O_${key}`, value]];
      }),
    ),
  };
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** `#!` of the script, else the login shell. */
function shellOf(script: string, loginShell = '/bin/bash'): string {
  return /^#!\s*(\S+)/.exec(script)?.[1] ?? loginShell;
}

/** Values of `-P`, and the variable that carries each into the job. */
const policies: readonly (readonly [key: string, variable: string, values: RegExp])[] = [
  ['vn-policy', 'PJM_VN_POLICY', /^(abs-pack|pack|(abs-)?unpack(=[1-9]\d*)?)$/],
  ['exec-policy', 'PJM_EXEC_POLICY', /^(simplex|share)$/],
];

function readPolicies(
  merged: MergedOptions,
): { readonly policies: Readonly<Record<string, string>> } | Refusal {
  const given: Record<string, string> = {};
  for (const [key, value] of merged.keys('P')) {
    const policy = policies.find(([name]) => name === key);
    if (!policy?.[2].test(value)) return unknown('-P', `${key}=${value}`);
    given[policy[1]] = value;
  }
  return { policies: given };
}

function checkValues(merged: MergedOptions): Refusal | undefined {
  // Furo Type II has no layered storage.
  if (merged.has('llio'))
    return { code: 50, text: 'The option --llio cannot used in this resource unit.' };
  const priority = merged.value('p');
  if (priority !== undefined) {
    if (!/^-?\d+$/.test(priority)) return invalid('-p', priority);
    if (Number(priority) < 0 || Number(priority) > 255)
      return { code: 46, text: 'Option argument is out of range (0-255): -p.' };
  }
  for (const [id, flag, most] of textLimits)
    if (byteLength(merged.value(id) ?? '') > most)
      return { code: 48, text: `Option argument must be less than or equal to ${most}: ${flag}.` };
  const wait = merged.value('w');
  if (wait !== undefined && wait !== 'nowait' && wait !== 'jobchk') return unknown('-w', wait);
  const print = merged.value('z');
  if (print !== undefined && print !== 'jid') return unknown('-z', print);
  const mail = merged.value('mail');
  if (mail !== undefined && !/^[bersS](,?[bersS])*$/.test(mail)) return unknown('-m', mail);
  if (merged.has('spath') && !merged.has('stats') && !merged.has('STATS'))
    return { code: 2, text: 'Invalid combination: --spath without -s or -S.', isUsage: true };
  return undefined;
}

function invalid(flag: string, value: string): Refusal {
  return { code: 4, text: `Invalid option argument: ${flag} ${value}.`, isUsage: true };
}

function unknown(flag: string, value: string): Refusal {
  return { code: 3, text: `Unknown option argument: ${flag} ${value}.`, isUsage: true };
}

function readAt({ merged, localTime, now }: SpecInput): number | undefined | Refusal {
  const text = merged.value('at');
  if (text === undefined) return undefined;
  const time = localTime.parseCompact(text);
  if (time === undefined) return invalid('--at', text);
  if (time < now)
    return {
      code: 56,
      text: `The specified execution time is earlier than the current time: ${text}.`,
    };
  return time;
}

function readProcesses(
  merged: MergedOptions,
  nodes: number,
): Pick<JobSpec, 'mpiProcesses' | 'isMpiGiven'> | Refusal {
  const mpi = merged.keys('mpi');
  const known = [
    'proc',
    'max-proc-per-node',
    'rank-map-bynode',
    'rank-map-bychip',
    'assign-online-node',
  ];
  for (const [key, value] of mpi) {
    if (!known.includes(key)) return unknown('--mpi', value === '' ? key : `${key}=${value}`);
    const isNumber = key === 'proc' || key === 'max-proc-per-node';
    if (isNumber && !/^[1-9]\d*$/.test(value)) return invalid('--mpi', `${key}=${value}`);
  }
  const perNode = mpi.get('max-proc-per-node');
  const fallback = perNode === undefined ? nodes : nodes * Number(perNode);
  return { mpiProcesses: Number(mpi.get('proc') ?? fallback), isMpiGiven: mpi.size > 0 };
}

function readOutput(
  merged: MergedOptions,
  folder: string,
): Pick<JobSpec, 'outPattern' | 'errPattern' | 'statisticsPattern' | 'joinsOutput' | 'statistics'> {
  const pattern = (id: string) => {
    const value = merged.value(id);
    return value === undefined ? undefined : resolvePath(folder, value);
  };
  const statistics: Readonly<Record<string, Statistics>> = { stats: 'job', STATS: 'nodes' };
  return {
    outPattern: pattern('out'),
    errPattern: pattern('err'),
    statisticsPattern: pattern('spath'),
    joinsOutput: merged.winner('j', 'err') === 'j',
    statistics: statistics[merged.winner('stats', 'STATS') ?? ''] ?? 'none',
  };
}

function readMail(merged: MergedOptions, user: string): Pick<JobSpec, 'mailFlags' | 'mailList'> {
  const asked = merged.value('mail') ?? '';
  const places: readonly RegExp[] = [/b/, /e/, /r/, /[sS]/];
  const mailFlags = places.map((place) => place.exec(asked)?.[0] ?? '-').join('');
  return { mailFlags, mailList: merged.value('mail-list') ?? user };
}

/** `-x "A=1,B=2"`; names that PJM sets itself are ignored. */
function readVariables(merged: MergedOptions): Record<string, string> {
  return Object.fromEntries([...merged.keys('x')].filter(([key]) => !key.startsWith('PJM_')));
}
