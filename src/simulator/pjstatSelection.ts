// Which jobs a pjstat call shows, and in which order. Knows no layout.
import { isFinalState } from '../pjm/jobState';
import { isSelected, type JobSelection } from './jobIds';
import type { RowSource } from './pjstatColumns';
import { findColumn } from './pjstatColumns';
import type { Scheduler } from './scheduler';
import { isParent, type SimulatedJob } from './simulatedJob';

/** The window of `-H`, in milliseconds since 1970. */
export interface HistoryWindow {
  readonly start: number;
  readonly end: number;
}

export interface Selection {
  readonly user: string;
  readonly showsAllUsers: boolean;
  readonly showsSubJobs: boolean;
  /** Ended jobs of a window instead of live ones. */
  readonly history: HistoryWindow | undefined;
  /** Empty: every job. */
  readonly ids: readonly JobSelection[];
  readonly filter: readonly FilterTerm[];
  readonly sort: readonly SortTerm[];
}

/** One `item=value+value` of `--filter`. */
export interface FilterTerm {
  readonly item: string;
  readonly matches: (value: string) => boolean;
}

/** One `item:A` or `item:D` of `--sort`. */
export interface SortTerm {
  readonly item: string;
  readonly isDescending: boolean;
}

/** Rows in order of submission unless sorted. */
export function selectRows(scheduler: Scheduler, selection: Selection): readonly RowSource[] {
  const now = scheduler.clock.now();
  const rows: RowSource[] = [];
  for (const job of listJobs(scheduler, selection)) {
    const members = isParent(job) ? scheduler.jobs.members(job.jobId) : [];
    const row = {
      job,
      state: scheduler.jobs.stateOf(job),
      members: members.length,
      startedAt: isParent(job) ? firstStart(members) : job.startedAt,
      localTime: scheduler.localTime,
      now,
    };
    if (selection.filter.every(({ item, matches }) => matches(valueOf(row, item)))) rows.push(row);
  }
  return selection.sort.length > 0 ? sortRows(rows, selection.sort) : rows;
}

function firstStart(members: readonly SimulatedJob[]): number | undefined {
  let first: number | undefined;
  for (const { startedAt } of members)
    if (startedAt !== undefined && startedAt < (first ?? Infinity)) first = startedAt;
  return first;
}

function valueOf(row: RowSource, item: string): string {
  return findColumn(item)?.value(row).trim() ?? '';
}

function* listJobs(scheduler: Scheduler, selection: Selection): Iterable<SimulatedJob> {
  const { history, ids } = selection;
  const source = history
    ? [...scheduler.jobs.history()].sort((a, b) => a.sequence - b.sequence)
    : scheduler.jobs.live();
  for (const job of source) {
    if (!selection.showsAllUsers && job.spec.user !== selection.user) continue;
    if (job.part.kind === 'bulk' || job.part.kind === 'step') continue;
    const { exitedAt = 0 } = job;
    if (history && job.hasNoHistory === true) continue;
    if (history && (exitedAt < history.start || exitedAt > history.end)) continue;
    if (!history && isFinalState(job.state)) continue;
    if (ids.length === 0 || ids.some((id) => isSelected(id, job))) yield job;
    if (isParent(job)) yield* listMembers(scheduler, selection, job);
  }
}

/** Sub-jobs: all with -E, else those that are named. Ended ones stay until their parent ends. */
function* listMembers(
  { jobs }: Scheduler,
  { ids, showsSubJobs }: Selection,
  parent: SimulatedJob,
): Iterable<SimulatedJob> {
  const isWhole = showsSubJobs && (ids.length === 0 || ids.some((id) => isSelected(id, parent)));
  for (const member of jobs.members(parent.jobId))
    if (isWhole || ids.some((id) => isSelected(id, member))) yield member;
}

function sortRows(rows: readonly RowSource[], terms: readonly SortTerm[]): readonly RowSource[] {
  const compare = (a: RowSource, b: RowSource): number => {
    for (const { item, isDescending } of terms) {
      const order = valueOf(a, item).localeCompare(valueOf(b, item), 'en', { numeric: true });
      if (order !== 0) return isDescending ? -order : order;
    }
    return a.job.sequence - b.job.sequence;
  };
  return [...rows].sort(compare);
}

/** `jid=1+2,st=RNA+RUN`: `+` is or, `,` is and, `a-b` a range, `*` and `.` wildcards, backslash escapes. */
export function parseFilter(text: string): readonly FilterTerm[] | undefined {
  const terms: FilterTerm[] = [];
  for (const part of splitUnescaped(text, ',')) {
    const equals = part.indexOf('=');
    const item = part.slice(0, equals);
    if (equals < 0 || !findColumn(item)) return undefined;
    const tests = splitUnescaped(part.slice(equals + 1), '+').map(testOf);
    terms.push({ item, matches: (value) => tests.some((test) => test(value)) });
  }
  return terms;
}

function splitUnescaped(text: string, separator: string): readonly string[] {
  const parts: string[] = [''];
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === '\\') {
      parts.push(`${parts.pop() ?? ''}${char}${text.charAt(index + 1)}`);
      index += 1;
    } else if (char === separator) parts.push('');
    else parts.push((parts.pop() ?? '') + char);
  }
  return parts;
}

function testOf(pattern: string): (value: string) => boolean {
  const range = /^(\d+)-(\d+)$/.exec(pattern);
  if (range) {
    const [first, last] = [Number(range[1]), Number(range[2])];
    return (value) => /^\d+$/.test(value) && Number(value) >= first && Number(value) <= last;
  }
  const source = pattern.replace(/\\(.)|[\s\S]/g, (char, escaped: string | undefined) => {
    if (escaped !== undefined) return escapeRegExp(escaped);
    if (char === '*') return '.*';
    return char === '.' ? '.' : escapeRegExp(char);
  });
  const whole = new RegExp(`^${source}$`, 's');
  return (value) => whole.test(value);
}

function escapeRegExp(char: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char;
}

/** `rscg:A,jid:D`; undefined when unreadable. */
export function parseSort(text: string): readonly SortTerm[] | undefined {
  const terms: SortTerm[] = [];
  for (const part of text.split(',')) {
    const match = /^(\w+)(?::([AD]))?$/.exec(part);
    if (!match || !findColumn(match[1] ?? '')) return undefined;
    terms.push({ item: match[1] ?? '', isDescending: match[2] === 'D' });
  }
  return terms;
}
