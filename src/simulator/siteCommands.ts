// pjacl, pjshowrsc and charge: what the user may do, what is free, what was used. Changes nothing.
// Layouts of pjacl and charge were not seen: they follow what the manual and user notes tell.
import type { ResourceGroup } from '../pjm/resourceGroup';
import { isGiven, lastValue, splitArguments, type OptionRule } from './arguments';
import { refuse } from './pjmText';
import type { CommandCall } from './pjmCommand';
import { resourceUnit } from './pjsubResources';
import type { Scheduler } from './scheduler';
import { elapsedSeconds } from './statisticsEntries';
import { usageOf } from './usageTexts';

const name = /^[A-Za-z]/;
const rules: readonly OptionRule[] = [
  { id: 'help', flags: ['--help'], value: 'none' },
  { id: 'rscunit', flags: ['--rscunit', '--ru'], value: 'optional', pattern: name },
  { id: 'rscgrp', flags: ['--rscgrp', '--rg'], value: 'optional', pattern: name },
  { id: 'custom', flags: ['--custom-resource', '-C'], value: 'none' },
  { id: 'list', flags: ['-l'], value: 'none' },
  { id: 'raw', flags: ['--raw'], value: 'none' },
  { id: 'data', flags: ['--data'], value: 'none' },
  { id: 'delimiter', flags: ['--delimiter'], value: 'required' },
];

export function runSiteCommand(scheduler: Scheduler, call: CommandCall): number {
  if (call.program === 'charge') {
    call.stdout(renderCharge(scheduler, call));
    return 0;
  }
  const { options, bad } = splitArguments(call.arguments, rules);
  if (isGiven(options, 'help')) {
    call.stdout(usageOf(call.program));
    return 0;
  }
  if (bad !== undefined)
    return refuse(call, 1, `Unknown option or no option argument: ${bad}.`, true);
  const asked = lastValue(options, 'rscgrp') ?? '';
  const groups = scheduler.options.groups.filter((group) => asked === '' || group.name === asked);
  if (groups.length === 0) return refuse(call, 97, `Resource group does not exist: ${asked}.`);
  const delimiter = isGiven(options, 'data') ? (lastValue(options, 'delimiter') ?? ',') : undefined;
  if (call.program === 'pjacl') call.stdout(renderRights(groups, call, delimiter));
  else if (isGiven(options, 'custom')) call.stdout(renderFreeGpus(scheduler, delimiter));
  else call.stdout(renderFreeNodes(scheduler, groups, delimiter));
  return 0;
}

/** Limits of one quantity, as pjacl's table shows them. */
type RightRow = readonly [name: string, lower: string, upper: string, normal: string];

function rightRows(group: ResourceGroup): readonly RightRow[] {
  const seconds = (value: number | undefined) =>
    value === undefined ? 'unlimited' : String(value);
  const nodes = group.isShared ? 'vnode' : 'node';
  return [
    ['(elapse=)', '1', seconds(group.maxElapseSeconds), seconds(group.defaultElapseSeconds)],
    [`(${nodes}=)`, String(group.minNodes), String(group.maxNodes), String(group.minNodes)],
    ['(gpu=)', group.isShared ? '1' : '0', String(group.gpusPerUnit), String(group.gpusPerUnit)],
  ];
}

function renderRights(
  groups: readonly ResourceGroup[],
  call: CommandCall,
  delimiter: string | undefined,
): string {
  if (delimiter !== undefined) {
    const head = ['H', 'RSCUNIT', 'RSCGRP', 'NAME', 'LOWER', 'UPPER', 'DEFAULT'];
    const lines = groups.flatMap((group) =>
      rightRows(group).map((row) => ['', resourceUnit, group.name, ...row]),
    );
    return [head, ...lines].map((cells) => `${cells.join(delimiter)}\n`).join('');
  }
  const blocks = groups.map((group) => {
    const rows = rightRows(group).map(
      ([key, lower, upper, normal]) =>
        `    ${key.padEnd(24)}${lower.padStart(12)}${upper.padStart(16)}${normal.padStart(16)}\n`,
    );
    const head = `  ${'(-L/--rsc-list)'.padEnd(26)}${'lower'.padStart(12)}${'upper'.padStart(16)}${'default'.padStart(16)}\n`;
    const execute = ['', '(--bulk)', '(--step)', ...(group.isInteractive ? ['(--interact)'] : [])];
    const switches = execute.map((form) => `  execute pjsub${form}`.padEnd(40) + 'enable\n');
    return `rscgroup: ${group.name}\n${head}${rows.join('')}${switches.join('')}`;
  });
  return `user: ${call.user}\ndefault rscunit: ${resourceUnit}\n\n${blocks.join('\n')}`;
}

function renderFreeNodes(
  { options, free }: Scheduler,
  groups: readonly ResourceGroup[],
  delimiter: string | undefined,
): string {
  const rows = groups.map((group) => {
    const total = group.isShared ? options.nodeCount : Math.min(group.maxNodes, options.nodeCount);
    const isFree = Math.min(total, free.nodes);
    return [group.name, String(total), String(isFree), String(total - isFree)] as const;
  });
  if (delimiter !== undefined)
    return [['H', 'RSCGRP', 'TOTAL', 'FREE', 'ALLOC'], ...rows.map((row) => ['', ...row])]
      .map((cells) => `${cells.join(delimiter)}\n`)
      .join('');
  const head = `[ CLST: flow ]\n[ RSCUNIT: ${resourceUnit} ]\nRSCGRP           NODE\n`;
  const line = (cells: readonly string[]) =>
    `${(cells[0] ?? '').padEnd(17)}${(cells[1] ?? '').padEnd(17)}${(cells[2] ?? '').padEnd(8)}${cells[3] ?? ''}\n`;
  const numbers = rows.map(
    ([group, total, isFree, used]) =>
      `${group.padEnd(17)}${total.padStart(5)}${isFree.padStart(16)}${used.padStart(9)}\n`,
  );
  return head + line(['', 'TOTAL', 'FREE', 'ALLOC']) + numbers.join('');
}

function renderFreeGpus({ options, free }: Scheduler, delimiter: string | undefined): string {
  const total = options.nodeCount * 4;
  const values = ['gpu', String(total), String(free.gpus), String(total - free.gpus)];
  if (delimiter !== undefined)
    return `${['H', 'RSCNAME', 'TOTAL', 'FREE', 'ALLOC'].join(delimiter)}\n${['', ...values].join(delimiter)}\n`;
  const line = (cells: readonly string[]) =>
    `${(cells[0] ?? '').padEnd(17)}${cells
      .slice(1)
      .map((cell) => cell.padStart(9))
      .join('')}\n`;
  return (
    `[ CLST: flow ]\n[ RSCUNIT: ${resourceUnit} ]\n` +
    line(['RSCNAME', 'TOTAL', 'FREE', 'ALLOC']) +
    line(values)
  );
}

/** Points for one GPU second (rate used by a Nagoya lab, 2025); whole nodes are billed with all their GPUs. */
const pointsPerGpuSecond = 0.007;

/** Use of ended jobs of the group up to the previous day, as the real command says of itself. */
function renderCharge({ jobs, clock, localTime }: Scheduler, call: CommandCall): string {
  const today = localTime.full(clock.now()).slice(0, 'yyyy/mm/dd'.length);
  let points = 0;
  for (const job of jobs.history()) {
    if (job.spec.group !== call.group || job.startedAt === undefined) continue;
    if (localTime.full(job.jobEndedAt).startsWith(today)) continue;
    points += elapsedSeconds(job) * job.nodes.length * job.gpus.length * pointsPerGpuSecond;
  }
  return `group: ${call.group}\nused : ${points.toFixed(1)} points (up to the previous day)\n`;
}
