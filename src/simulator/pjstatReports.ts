// The parts of pjstat that are not about one job: counts by state, resource groups, limits.
// Source: manual samples of --with-summary, --rsc and --limit; never seen from Furo.
import type { PjmState } from '../pjm/jobState';
import type { CommandCall } from './pjmCommand';
import type { RowSource } from './pjstatColumns';
import type { PjstatRequest } from './pjstatOptions';
import { resourceUnit } from './pjsubResources';
import type { Scheduler } from './scheduler';
import { isParent, isSubJob } from './simulatedJob';

const summaryColumns: readonly (readonly [name: string, states: readonly PjmState[]])[] = [
  ['ACCEPT', ['ACC']],
  ['QUEUED', ['QUE']],
  ['RUNING', ['RNA', 'RNP', 'RUN', 'RNE']],
  ['RUNOUT', ['RNO']],
  ['HOLD', ['HLD']],
  ['ERROR', ['ERR']],
  ['SUSPND', ['SPP', 'SPD', 'RSM']],
  ['REJECT', ['RJT']],
  ['EXIT', ['EXT']],
  ['CANCEL', ['CCL']],
];

const summaryWidth = 7;

/** Counts of jobs, and of sub-jobs in the line that begins with `s`; an empty line on both sides. */
export function renderSummary(scheduler: Scheduler, rows: readonly RowSource[]): string {
  const jobs = rows.filter(({ job }) => !isSubJob(job));
  const subJobs = jobs
    .filter(({ job }) => isParent(job))
    .flatMap(({ job }) => scheduler.jobs.members(job.jobId).map(({ state }) => state));
  const line = (start: string, cells: readonly (string | number)[]) =>
    `${start}${cells.map((cell) => String(cell).padStart(summaryWidth)).join('')}\n`;
  const names = [...summaryColumns.map(([name]) => name), 'TOTAL'];
  const own = jobs.map(({ state }) => state);
  return `\n${line(' ', names)}${line(' ', countStates(own))}${line('s', countStates(subJobs))}\n`;
}

function countStates(states: readonly PjmState[]): readonly number[] {
  const counts = summaryColumns.map(
    ([, members]) => states.filter((state) => members.includes(state)).length,
  );
  return [...counts, states.length];
}

/** `pjstat --rsc`: on PRIMERGY systems sizes are plain node counts. */
export function renderResources(
  { options, faults }: Scheduler,
  { group = '' }: Pick<PjstatRequest, 'group'>,
): string {
  const line = (cells: readonly string[]) =>
    `${(cells[0] ?? '').padEnd(48)} ${(cells[1] ?? '').padEnd(19)} ${(cells[2] ?? '').padEnd(40)} ${cells[3] ?? ''}\n`;
  const rows = options.groups
    .filter(({ name }) => group === '' || name === group)
    .map(({ name, maxNodes }) =>
      line([
        `${resourceUnit}[ENABLE,START]`,
        String(options.nodeCount),
        `${name}[${faults.closedGroups.includes(name) ? 'DISABLE' : 'ENABLE'},START]`,
        String(Math.min(maxNodes, options.nodeCount)),
      ]),
    );
  return line(['RSCUNIT', 'RSCUNIT_SIZE', 'RSCGRP', 'RSCGRP_SIZE']) + rows.join('');
}

/** `pjstat --limit`. */
export function renderLimits(
  scheduler: Scheduler,
  { group = '' }: Pick<PjstatRequest, 'group'>,
  call: CommandCall,
): string {
  const jobs = [...scheduler.jobs.live()].filter(
    ({ spec }) => spec.user === call.user && (group === '' || spec.resourceGroup === group),
  );
  const running = jobs.filter(({ nodes }) => nodes.length > 0);
  const prefix = group === '' ? 'ru' : 'rg';
  // In the manual's sample this word ends one column before the numbers.
  const unlimited = 'unlimited ';
  const limit = group === '' ? String(scheduler.options.acceptLimit) : unlimited;
  const row = (name: string, most: string, used: number) =>
    `  ${name.padEnd(20)}${most.padStart(23)}${String(used).padStart(31)}\n`;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
  const gpus = sum(running.map(({ nodes, gpus: own }) => nodes.length * own.length));
  return [
    ' System Resource Information:\n',
    ` RSCUNIT: ${resourceUnit}\n`,
    ...(group === '' ? [] : [` RSCGRP : ${group}\n`]),
    ` USER: ${call.user}\n`,
    `  ${'LIMIT-NAME'.padEnd(20)}${'LIMIT'.padStart(23)}${'ALLOC'.padStart(31)}\n`,
    row(`${prefix}-accept`, limit, jobs.filter((job) => !isSubJob(job)).length),
    row(`${prefix}-run-job`, unlimited, running.length),
    row(`${prefix}-use-node`, unlimited, sum(running.map(({ nodes }) => nodes.length))),
    row(`${prefix}-custom-gpu`, unlimited, gpus),
  ].join('');
}
