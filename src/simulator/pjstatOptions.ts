// The words of pjstat and what they ask for. Knows no jobs.
import { isGiven, lastValue, splitArguments, splitKeyValues, type OptionRule } from './arguments';
import { parseJobSelection, type JobSelection } from './jobIds';
import { findColumn } from './pjstatColumns';
import {
  parseFilter,
  parseSort,
  type FilterTerm,
  type HistoryWindow,
  type SortTerm,
} from './pjstatSelection';
import type { Scheduler } from './scheduler';
import { statisticsItems } from './statisticsItems';

function flag(id: string, ...flags: string[]): OptionRule {
  return { id, flags, value: 'none' };
}

function taking(id: string, ...flags: string[]): OptionRule {
  return { id, flags, value: 'required' };
}

/** `--rscunit` and its kind take a name only when the next word looks like one, not like a job id. */
const namePattern = /^[A-Za-z]/;

export const pjstatRules: readonly OptionRule[] = [
  flag('help', '--help'),
  {
    id: 'history',
    flags: ['-H', '--history'],
    value: 'optional',
    pattern: /^(day|start|end|period)=/,
  },
  flag('expand', '-E', '--expand'),
  flag('all', '-A', '--all'),
  flag('verbose', '-v', '--verbose'),
  flag('stats', '-s', '--stats'),
  flag('STATS', '-S', '--STATS'),
  taking('pattern', '--pattern', '-p'),
  taking('choose', '--choose'),
  flag('data', '--data'),
  taking('delimiter', '--delimiter'),
  taking('filter', '--filter'),
  taking('sort', '--sort'),
  flag('with-summary', '--with-summary'),
  flag('summary', '--summary'),
  flag('rsc', '--rsc'),
  // Changes nothing (a guess): sizes of a PRIMERGY system are node counts and have no shape.
  flag('shape', '--shape'),
  flag('limit', '--limit'),
  flag('node-map', '-X'),
  { id: 'rscunit', flags: ['--rscunit', '--ru'], value: 'optional', pattern: namePattern },
  { id: 'rscgrp', flags: ['--rscgrp', '--rg'], value: 'optional', pattern: namePattern },
  { id: 'user', flags: ['--user'], value: 'optional', pattern: namePattern },
  { id: 'group', flags: ['--group'], value: 'optional', pattern: namePattern },
];

/** A readable pjstat call. */
export interface PjstatRequest {
  readonly form: 'plain' | 'verbose' | 'pattern' | 'job' | 'nodes' | 'nodeMap';
  readonly history: HistoryWindow | undefined;
  readonly showsSubJobs: boolean;
  readonly showsAllUsers: boolean;
  readonly chosen: readonly string[] | undefined;
  /** Undefined: for people; else the delimiter of the machine form. */
  readonly delimiter: string | undefined;
  readonly filter: readonly FilterTerm[];
  readonly sort: readonly SortTerm[];
  readonly summary: 'none' | 'before' | 'only';
  readonly report: 'jobs' | 'resources' | 'limits';
  /** Undefined: not asked; empty: every unit or group. */
  readonly unit: string | undefined;
  readonly group: string | undefined;
  readonly ids: readonly JobSelection[];
}

/** Why a call cannot be answered; numbers without pjstat's base. */
export interface PjstatRefusal {
  readonly code: number;
  readonly text: string;
  readonly isUsage?: boolean;
}

type Given = ReturnType<typeof splitArguments>['options'];

export function readPjstat(
  words: readonly string[],
  scheduler: Scheduler,
): PjstatRequest | PjstatRefusal | 'help' {
  const { options, operands, bad } = splitArguments(words, pjstatRules);
  if (isGiven(options, 'help')) return 'help';
  if (bad !== undefined)
    return { code: 1, text: `Unknown option or no option argument: ${bad}.`, isUsage: true };
  const forms = options.filter(({ id }) => ['verbose', 'stats', 'STATS'].includes(id));
  if (new Set(forms.map(({ id }) => id)).size > 1) {
    const flags = [...new Set(forms.map((form) => form.flag))].join(' and ');
    return { code: 2, text: `Invalid combination: ${flags}.`, isUsage: true };
  }
  const ids: JobSelection[] = [];
  for (const operand of operands) {
    const id = parseJobSelection(operand);
    if (!id) return { code: 11, text: `Invalid jobid: ${operand}.` };
    ids.push(id);
  }
  const history = readHistory(options, scheduler);
  if (history && 'code' in history) return history;
  const lists = readLists(options);
  if ('code' in lists) return lists;
  return { ...readFlags(options), ...lists, history, ids };
}

function readFlags(options: Given): Omit<PjstatRequest, 'history' | 'ids' | keyof ItemLists> {
  const has = (id: string) => isGiven(options, id);
  return {
    form: readForm(options),
    showsSubJobs: has('expand'),
    showsAllUsers: has('all'),
    delimiter: has('data') ? (lastValue(options, 'delimiter') ?? ',') : undefined,
    summary: has('summary') ? 'only' : has('with-summary') ? 'before' : 'none',
    report: has('rsc') ? 'resources' : has('limit') ? 'limits' : 'jobs',
    unit: lastValue(options, 'rscunit'),
    group: lastValue(options, 'rscgrp'),
  };
}

function readForm(options: Given): PjstatRequest['form'] {
  if (isGiven(options, 'STATS')) return 'nodes';
  if (isGiven(options, 'stats')) return 'job';
  if (isGiven(options, 'node-map')) return 'nodeMap';
  if (lastValue(options, 'pattern') === '1') return 'pattern';
  return isGiven(options, 'verbose') ? 'verbose' : 'plain';
}

interface ItemLists {
  readonly chosen: readonly string[] | undefined;
  readonly filter: readonly FilterTerm[];
  readonly sort: readonly SortTerm[];
}

function readLists(options: Given): ItemLists | PjstatRefusal {
  const choose = lastValue(options, 'choose');
  const chosen = choose?.split(',').map((item) => item.trim());
  const isBlock = isGiven(options, 'stats') || isGiven(options, 'STATS');
  const isKnown = (item: string) =>
    findColumn(item) !== undefined || (isBlock && statisticsItems.has(item));
  const wrong = chosen?.find((item) => !isKnown(item));
  if (wrong !== undefined) return unknownArgument('--choose', wrong);
  const filterText = lastValue(options, 'filter');
  const filter = filterText === undefined ? [] : parseFilter(filterText);
  if (!filter) return unknownArgument('--filter', filterText ?? '');
  const sortText = lastValue(options, 'sort');
  const sort = sortText === undefined ? [] : parseSort(sortText);
  if (!sort) return unknownArgument('--sort', sortText ?? '');
  return { chosen, filter, sort };
}

function unknownArgument(option: string, value: string): PjstatRefusal {
  return { code: 3, text: `Unknown option argument: ${option} ${value}.`, isUsage: true };
}

const dayMs = 24 * 3600 * 1000;

/** `day=N`, `start=..,end=..`, `start=..,period=N`; three days by default. */
function readHistory(
  options: Given,
  { clock, localTime, options: settings }: Scheduler,
): HistoryWindow | undefined | PjstatRefusal {
  const text = lastValue(options, 'history');
  if (text === undefined) return undefined;
  const now = clock.now();
  const fields = new Map(splitKeyValues(text).map(({ key, value }) => [key, value]));
  const invalid = { code: 4, text: `Invalid option argument: -H ${text}.`, isUsage: true };
  const days = Number(fields.get('day') ?? settings.historyDays);
  if (!Number.isInteger(days) || days < 1 || days > 365) return invalid;
  const startText = fields.get('start');
  if (startText === undefined)
    return fields.has('end') || fields.has('period')
      ? invalid
      : { start: now - days * dayMs, end: now };
  const start = localTime.parseCompact(startText);
  const end = fields.has('end') ? localTime.parseCompact(fields.get('end') ?? '') : now;
  const period = fields.has('period') ? Number(fields.get('period')) : undefined;
  if (start === undefined || end === undefined || Number.isNaN(period)) return invalid;
  return { start, end: period === undefined ? end : start + period * dayMs };
}
