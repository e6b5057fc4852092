// The answers of pjstat, machine form (`--data`) and human table, as rows. An absent job is simply no row.
// Columns are found by the header, never by position: a site may hide items (Command Reference, pjstat).

/** What one row tells about a job; items that the site hides or that do not apply are absent. */
export interface QueueEntry {
  /** `1996122`, `932267_1`, `239[1]`. */
  readonly pjmId: string;
  /** As printed; any unknown code stays as it is. */
  readonly state: string;
  readonly resourceGroup?: string;
  /** As printed, without the parentheses of a planned start. */
  readonly startDate?: string;
  readonly isStartPlanned: boolean;
  readonly elapsedSeconds?: number;
  readonly exitCode?: number;
  readonly pjmCode?: number;
  readonly signal?: number;
  readonly reason?: string;
}

/** A rare character, because PJM does not quote values (Command Reference: choose the delimiter with care). */
export const dataDelimiter = '|';

/** Items asked for with `--choose`; names and comments are left out because they may hold any character. */
export const chosenItems = ['jid', 'st', 'rscg', 'sdt', 'elp', 'ec', 'sn', 'pc', 'ermsg'] as const;

type Fields = ReadonlyMap<string, string>;

/** True when the answer has a header of either form, so that missing rows mean missing jobs. */
export function hasHeader(output: string): boolean {
  return output.split(/\r?\n/).some((line) => isDataHeader(line) || isTableHeader(line));
}

/** Rows of a `pjstat` answer in either form; lines of the site and of slow loading are skipped. */
export function parsePjstat(output: string): readonly QueueEntry[] {
  const lines = output.split(/\r?\n/);
  const rows = lines.some(isDataHeader) ? readDataForm(lines) : readTable(lines);
  return rows.flatMap(toEntry);
}

function isDataHeader(line: string): boolean {
  return /^H[|,]/.test(line) && line.includes('JOB_ID');
}

function isTableHeader(line: string): boolean {
  return /^JOB_ID\s/.test(line) && /\sST(\s|$)/.test(line);
}

function readDataForm(lines: readonly string[]): Fields[] {
  const rows: Fields[] = [];
  let names: readonly string[] = [];
  let delimiter = dataDelimiter;
  for (const line of lines) {
    if (isDataHeader(line)) {
      delimiter = line.charAt(1);
      names = cells(line, delimiter);
    } else if (names.length > 0 && line.startsWith(delimiter)) {
      rows.push(alignById(names, cells(line, delimiter)));
    }
  }
  return rows;
}

function cells(line: string, delimiter: string): readonly string[] {
  return line.split(delimiter).map((cell) => cell.trim());
}

/** In the manual's own sample the header has an empty field before the id that the rows do not have. */
function alignById(names: readonly string[], values: readonly string[]): Fields {
  const nameAt = names.indexOf('JOB_ID');
  const emptyNames = names.slice(1, nameAt).filter((name) => name === '').length;
  const isId = (index: number) => jobIdPattern.test(values[index] ?? '');
  const shift = !isId(nameAt) && isId(nameAt - emptyNames) ? -emptyNames : 0;
  const fields = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    const value = values[index + shift];
    if (index >= nameAt && value !== undefined) fields.set(name, value);
  }
  return fields;
}

const jobIdPattern = /^\d+(?:\[\d+\]|_\d+)?$/;

function readTable(lines: readonly string[]): Fields[] {
  const rows: Fields[] = [];
  let columns: readonly Column[] = [];
  for (const line of lines) {
    if (isTableHeader(line)) columns = readColumns(line);
    else if (columns.length > 0 && /^\d/.test(line)) rows.push(sliceRow(line, columns));
  }
  return rows;
}

interface Column {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

function readColumns(header: string): readonly Column[] {
  const starts = [...header.matchAll(/\S+/g)].map((match) => ({
    name: match[0],
    start: match.index,
  }));
  return starts.map((column, index) => ({
    ...column,
    end: starts[index + 1]?.start ?? Number.POSITIVE_INFINITY,
  }));
}

/** Slices by the header's offsets; all columns after the id and the name are shifted as a whole. */
function sliceRow(line: string, columns: readonly Column[]): Fields {
  const shift = shiftOf(line, columns);
  return new Map(
    columns.map(({ name, start, end }, index) => {
      if (index === 0) return [name, /^\S+/.exec(line)?.[0] ?? ''];
      return [name, line.slice(start + shift, end + shift).trim()];
    }),
  );
}

/** An id longer than its column pushes the row to the right; a job name in Japanese, padded by bytes, to the left. */
function shiftOf(line: string, columns: readonly Column[]): number {
  const idLength = /^\S+/.exec(line)?.[0].length ?? 0;
  const byId = Math.max(0, idLength + 1 - (columns[1]?.start ?? idLength + 1));
  const state = columns.find(({ name }) => name === 'ST');
  if (!state || /^[A-Z]{3}(?:\s|$)/.test(line.slice(state.start + byId))) return byId;
  const upToState = /^\S+\s.*?\s(?:NM|ST|BU|MW)\s+[A-Z]{3}(?=\s|$)/.exec(line)?.[0];
  return upToState === undefined ? byId : upToState.length - 3 - state.start;
}

function toEntry(fields: Fields): QueueEntry[] {
  const pjmId = fields.get('JOB_ID') ?? '';
  const state = fields.get('ST') ?? '';
  if (!jobIdPattern.test(pjmId) || state === '') return [];
  const startText = fields.get('START_DATE') ?? '';
  const startDate = startText.replace(/[()<@#]/g, '').trim();
  const elapsedSeconds = parseElapsed(fields.get('ELAPSE_TIM') ?? '');
  const numbers = {
    exitCode: wholeNumber(fields.get('EC')),
    pjmCode: wholeNumber(fields.get('PC')),
    signal: wholeNumber(fields.get('SN')),
  };
  const reason = textOf(fields.get('REASON'));
  const resourceGroup = textOf(fields.get('RSC_GRP'));
  const entry: QueueEntry = {
    pjmId,
    state,
    isStartPlanned: startText.startsWith('('),
    ...(resourceGroup !== undefined && { resourceGroup }),
    ...(startDate !== '' && startDate !== '-' && { startDate }),
    ...(elapsedSeconds !== undefined && { elapsedSeconds }),
    ...(numbers.exitCode !== undefined && { exitCode: numbers.exitCode }),
    ...(numbers.pjmCode !== undefined && { pjmCode: numbers.pjmCode }),
    ...(numbers.signal !== undefined && { signal: numbers.signal }),
    ...(reason !== undefined && { reason }),
  };
  return [entry];
}

function textOf(value: string | undefined): string | undefined {
  return value === undefined || value === '' || value === '-' ? undefined : value;
}

function wholeNumber(value: string | undefined): number | undefined {
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
}

/** `0000:05:10` or `00:05:10 (310)`. */
function parseElapsed(text: string): number | undefined {
  const match = /^(\d+):(\d\d):(\d\d)/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
}
