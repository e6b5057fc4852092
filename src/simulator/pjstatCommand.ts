// pjstat: finds the jobs that are asked for and prints them in the asked form. Changes nothing.
import { refuse } from './pjmText';
import type { CommandCall } from './pjmCommand';
import { defaultColumns, findColumn, renderRow, type RowSource } from './pjstatColumns';
import { readPjstat, type PjstatRequest } from './pjstatOptions';
import { renderLimits, renderResources, renderSummary } from './pjstatReports';
import { selectRows } from './pjstatSelection';
import type { Scheduler } from './scheduler';
import type { SimulatedJob } from './simulatedJob';
import { jobEntries, nodeEntries, nodeId, type StatisticsEntry } from './statisticsEntries';
import { statisticsItems } from './statisticsItems';
import { pjstatKeyWidth, renderEntries } from './statisticsText';
import { usageOf } from './usageTexts';

export function runPjstat(scheduler: Scheduler, call: CommandCall): number {
  const request = readPjstat(call.arguments, scheduler);
  if (request === 'help') {
    call.stdout(usageOf('pjstat'));
    return 0;
  }
  if ('code' in request) return refuse(call, request.code, request.text, request.isUsage);
  const unknown = unknownPlace(scheduler, request);
  if (unknown !== undefined) return refuse(call, 97, unknown);
  if (request.report === 'resources') call.stdout(renderResources(scheduler, request));
  else if (request.report === 'limits') call.stdout(renderLimits(scheduler, request, call));
  else call.stdout(renderJobs(scheduler, request, call.user));
  return 0;
}

/** 0297 and its twin for groups (a guess). */
function unknownPlace(
  { options }: Scheduler,
  { unit = '', group = '' }: PjstatRequest,
): string | undefined {
  if (unit !== '' && unit !== 'cx') return `Resource unit does not exist: ${unit}.`;
  if (group !== '' && !options.groups.some(({ name }) => name === group))
    return `Resource group does not exist: ${group}.`;
  return undefined;
}

function renderJobs(scheduler: Scheduler, request: PjstatRequest, user: string): string {
  const all = selectRows(scheduler, { ...request, user });
  const { group = '' } = request;
  const rows = all.filter(({ job }) => group === '' || job.spec.resourceGroup === group);
  const summary = request.summary === 'none' ? '' : renderSummary(scheduler, rows);
  if (request.summary === 'only') return summary;
  return summary + renderForm(rows, request, user);
}

function renderForm(rows: readonly RowSource[], request: PjstatRequest, user: string): string {
  switch (request.form) {
    case 'job':
    case 'nodes':
      return renderBlocks(rows, request, user);
    case 'nodeMap':
      return renderNodeMap(rows, user);
    default:
      return renderTable(rows, request, user);
  }
}

/** Another user's values are hidden. That id, model, state and place stay is a guess. */
const hidden = '********';
const openItems = ['jid', 'jmdl', 'st', 'rscg', 'rscu'];
const openKeys = openItems.map((item) => statisticsItems.get(item));

function renderTable(rows: readonly RowSource[], request: PjstatRequest, user: string): string {
  const { chosen, delimiter, form } = request;
  const tableForm = form === 'verbose' || form === 'pattern' ? form : 'plain';
  const shown = chosen
    ? chosen.flatMap((item) => findColumn(item) ?? [])
    : defaultColumns(tableForm);
  const valuesOf = (row: RowSource): string[] => {
    const isOwn = row.job.spec.user === user;
    return shown.map(({ item, value }) =>
      isOwn || openItems.includes(item) ? value(row) : hidden,
    );
  };
  const headers = shown.map(({ header }) => header);
  if (delimiter !== undefined)
    return renderData({ headers, values: rows.map(valuesOf), rows, request, delimiter });
  // A line at a time: ten thousand rows of cells at once would cost more than the text.
  const lines = rows.map((row) => renderRow(shown, valuesOf(row)));
  return renderRow(shown, headers) + lines.join('');
}

interface DataTable {
  readonly headers: readonly string[];
  readonly values: readonly (readonly string[])[];
  readonly rows: readonly RowSource[];
  readonly request: PjstatRequest;
  readonly delimiter: string;
}

/**
 * `H,JOB_ID,...` and `,2927,...`. With --ru or --rg the manual's sample has unit and group in front, a header with one
 * empty field too many, and a blank before a real start date.
 */
function renderData({ headers, values, rows, request, delimiter }: DataTable): string {
  const isGrouped = request.unit !== undefined || request.group !== undefined;
  const head = isGrouped ? ['H', 'RSCUNIT', 'RSCGRP', '', ...headers] : ['H', ...headers];
  const lines = values.map((cells, index) => {
    const spec = rows[index]?.job.spec;
    const place = isGrouped && spec ? [spec.resourceUnit, spec.resourceGroup] : [];
    const spaced = cells.map((cell, column) =>
      headers[column] === 'START_DATE' && /^\d/.test(cell) ? ` ${cell}` : cell,
    );
    return ['', ...place, ...spaced];
  });
  return [head, ...lines].map((cells) => `${cells.join(delimiter)}\n`).join('');
}

/** `-s`: a block of lines for each job; `-S`: with its nodes. */
function renderBlocks(rows: readonly RowSource[], request: PjstatRequest, user: string): string {
  const { chosen, delimiter, form } = request;
  const entriesOf = (row: RowSource) =>
    chooseEntries(openEntries(currentEntries(row), row, user), chosen);
  if (delimiter !== undefined) {
    const [first] = rows;
    const keys = first
      ? entriesOf(first).map(([key]) => key)
      : (chosen ?? []).map((item) => statisticsItems.get(item) ?? item);
    const lines = rows.map((row) => ['', ...entriesOf(row).map(([, value]) => value)]);
    return [['H', ...keys], ...lines].map((cells) => `${cells.join(delimiter)}\n`).join('');
  }
  const blocks = rows.map((row) => {
    const own = renderEntries(entriesOf(row), pjstatKeyWidth);
    return form === 'nodes' && !chosen ? own + renderNodeBlocks(row, user) : own;
  });
  return blocks.join('\n');
}

function openEntries(
  entries: readonly StatisticsEntry[],
  { job }: RowSource,
  user: string,
): readonly StatisticsEntry[] {
  if (job.spec.user === user) return entries;
  return entries.map(([key, value]) => [key, openKeys.includes(key) ? value : hidden]);
}

/** A running job's use of time counts up to now. */
function currentEntries({ job, state, localTime, now }: RowSource): readonly StatisticsEntry[] {
  const isRunning = job.startedAt !== undefined && job.jobEndedAt === undefined;
  const shown: SimulatedJob = { ...job, state, ...(isRunning && { jobEndedAt: now }) };
  return jobEntries(shown, localTime).map((entry) =>
    isRunning && (entry[0] === 'JOB END DATE' || entry[0].startsWith('EPI ')) && entry[1] !== '0'
      ? [entry[0], '-']
      : entry,
  );
}

function chooseEntries(
  entries: readonly StatisticsEntry[],
  chosen: readonly string[] | undefined,
): readonly StatisticsEntry[] {
  if (!chosen) return entries;
  const byKey = new Map(entries);
  return chosen.flatMap((item) => {
    const key = statisticsItems.get(item);
    const value = key === undefined ? undefined : byKey.get(key);
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
}

function renderNodeBlocks(row: RowSource, user: string): string {
  const { job, localTime } = row;
  return job.nodes
    .map((_, rank) => openEntries(nodeEntries(job, rank, localTime), row, user))
    .map((entries) => `\n${renderEntries(entries, pjstatKeyWidth)}`)
    .join('');
}

/** `-X`: no real output was seen; one line for each rank. */
function renderNodeMap(rows: readonly RowSource[], user: string): string {
  const lines = rows.flatMap(({ job }) =>
    job.nodes.map((node, rank) => {
      const id = job.spec.user === user ? nodeId(node) : hidden;
      return `${job.key.padEnd(10)} ${String(rank).padEnd(6)} ${id}`;
    }),
  );
  return ['JOB_ID     RANK   NODE_ID', ...lines].map((line) => `${line}\n`).join('');
}
