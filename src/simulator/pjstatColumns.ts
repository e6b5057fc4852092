// The columns of pjstat: names, widths and values. Knows one job at a time.
// Widths: a `pjstat -v` recording of Fugaku, 2021, where the columns are joined by one blank.
import type { PjmState } from '../pjm/jobState';
import { renderDuration, type LocalTime } from './localTime';
import { isParent, jobModel, type SimulatedJob } from './simulatedJob';
import { elapsedSeconds, nodeId } from './statisticsEntries';

/** What a value is made from. */
export interface RowSource {
  readonly job: SimulatedJob;
  /** A parent's state follows from its members. */
  readonly state: PjmState;
  readonly members: number;
  /** A parent's is that of the member that started first. */
  readonly startedAt: number | undefined;
  readonly localTime: LocalTime;
  readonly now: number;
}

export interface Column {
  readonly item: string;
  readonly header: string;
  readonly width: number;
  /** The whole value, for `--data`; the table cuts it to the width where `isCut`. */
  readonly value: (row: RowSource) => string;
  readonly isCut?: boolean;
}

const memoryMiB = 86_016;
const hourMs = 3600 * 1000;
const yearMs = 365 * 24 * hourMs;
/** How far the schedule reaches is a guess: as far as the longest elapse limit of a group. */
const scheduleMs = 336 * hourMs;

/** A step job as a whole has no size and no limit: each step has its own. A bulk job has those of all its sub-jobs. */
function dashForSteps(row: RowSource, value: string): string {
  return row.job.part.kind === 'stepParent' ? '-' : value;
}

function ofQuarter(row: RowSource, value: string): string {
  return dashForSteps(row, row.job.spec.isShared ? value : '-');
}

/**
 * `-`, `(MM/DD hh:mm)` planned, `(YYYY/MM/DD)` planned and a year away, `MM/DD hh:mm:ss` real; `@` for --at, `<` for
 * backfill, `#` beyond the schedule. Which of several marks is shown is a guess.
 */
function startDate({ job, startedAt, localTime, now }: RowSource): string {
  const mark = job.spec.notBefore !== undefined ? '@' : job.isBackfilled ? '<' : '';
  if (startedAt !== undefined) return `${localTime.short(startedAt)}${mark}`;
  const planned = job.plannedAt ?? (job.state === 'QUE' ? job.spec.notBefore : undefined);
  if (planned === undefined) return '-';
  const { year, month, day, hour, minute } = localTime.parts(planned);
  const date =
    planned - now > yearMs ? `(${year}/${month}/${day})` : `(${month}/${day} ${hour}:${minute})`;
  return `${date}${mark || (planned - now > scheduleMs ? '#' : '')}`;
}

function elapseLimit(row: RowSource): string {
  const { elapseSeconds } = row.job.spec;
  const text = elapseSeconds === undefined ? 'unlimited' : renderDuration(elapseSeconds);
  return dashForSteps(row, text);
}

type Definition = readonly [
  item: string,
  header: string,
  width: number,
  value: (row: RowSource) => string,
  isCut?: 'cut',
];

const definitions: readonly Definition[] = [
  ['jid', 'JOB_ID', 10, ({ job }) => job.key],
  ['jnam', 'JOB_NAME', 10, ({ job }) => job.spec.name, 'cut'],
  ['jmdl', 'MD', 2, ({ job }) => jobModel(job)],
  ['st', 'ST', 3, ({ state }) => state],
  ['usr', 'USER', 8, ({ job }) => job.spec.user, 'cut'],
  ['grp', 'GROUP', 8, ({ job }) => job.spec.group, 'cut'],
  ['sdt', 'START_DATE', 15, startDate],
  ['elp', 'ELAPSE_TIM', 10, (row) => renderDuration(elapsedSeconds(row.job, row.now))],
  ['elpl', 'ELAPSE_LIM', 21, elapseLimit],
  [
    'nnumr',
    'NODE_REQUIRE',
    15,
    (row) => dashForSteps(row, row.job.spec.isShared ? '-' : String(row.job.spec.nodes)),
  ],
  ['vnnuma', 'VNODE', 6, (row) => ofQuarter(row, String(row.job.spec.nodes))],
  ['vcnuma', 'CORE', 4, (row) => ofQuarter(row, '10')],
  ['vmema', 'V_MEM', 12, (row) => ofQuarter(row, `${memoryMiB} MiB`)],
  // The names of the policies are guesses; the columns are not.
  ['vpol', 'V_POL', 5, (row) => ofQuarter(row, 'PACK')],
  ['epol', 'E_POL', 5, (row) => ofQuarter(row, 'SHARE')],
  ['rankm', 'RANK', 9, () => 'bychip'],
  ['lst', 'LST', 3, ({ job }) => job.lastState],
  ['ec', 'EC', 3, ({ job }) => String(job.exitCode)],
  ['pc', 'PC', 3, ({ job }) => String(job.pjmCode)],
  ['sn', 'SN', 2, ({ job }) => String(job.signal ?? 0)],
  ['pri', 'PRI', 3, ({ job }) => String(job.spec.priority)],
  ['adt', 'ACCEPT', 14, ({ job, localTime }) => localTime.short(job.acceptedAt)],
  ['rscg', 'RSC_GRP', 8, ({ job }) => job.spec.resourceGroup, 'cut'],
  ['ermsg', 'REASON', 16, ({ job }) => job.reason, 'cut'],
  // `--pattern=1` of -v; widths and places are guesses.
  ['snum', 'SUB_JOB_NUM', 11, (row) => (isParent(row.job) ? String(row.members) : '-')],
  ['nnuma', 'NODE_ALLOC', 10, ({ job }) => String(job.nodes.length || '-')],
  ['rscu', 'RSC_UNIT', 8, ({ job }) => job.spec.resourceUnit, 'cut'],
  ['vnid', 'VNODE_ID', 10, ({ job }) => job.nodes.map(nodeId).join(' ') || '-'],
];

export const columns: readonly Column[] = definitions.map(
  ([item, header, width, value, isCut]) => ({
    item,
    header,
    width,
    value,
    isCut: isCut === 'cut',
  }),
);

const plainItems = 'jid jnam jmdl st usr sdt elpl nnumr vnnuma vcnuma vmema'.split(' ');
const verboseItems = columns.map(({ item }) => item).slice(0, 24);
const patternItems = ['snum', 'nnuma', 'rscu'];

/** The column of an item; undefined when a table has none. */
export function findColumn(item: string): Column | undefined {
  return columns.find((column) => column.item === item);
}

/** Columns of a form, unless chosen. */
export function defaultColumns(form: 'plain' | 'verbose' | 'pattern'): readonly Column[] {
  const items =
    form === 'plain' ? plainItems : [...verboseItems, ...(form === 'pattern' ? patternItems : [])];
  return items.flatMap((item) => findColumn(item) ?? []);
}

/** One line of the table, padded to its whole width as the real one is. */
export function renderRow(shown: readonly Column[], values: readonly string[]): string {
  const cells = shown.map(({ width, isCut }, index) => {
    const value = values[index] ?? '';
    if (value.length === width) return value;
    return isCut === true && value.length > width ? value.slice(0, width) : value.padEnd(width);
  });
  return `${cells.join(' ')}\n`;
}
