// Which rows are shown and in what order: search, filter and sorting over values. Knows no page.
import type { ResultRow } from './rows';

export const columns = ['id', 'prompt', 'answer', 'finishReason', 'tokens', 'seconds'] as const;
export type Column = (typeof columns)[number];

export interface Sorting {
  readonly column: Column;
  readonly direction: 'ascending' | 'descending';
}

/** What the person asked to see. */
export interface Arrangement {
  readonly search: string;
  readonly errorsOnly: boolean;
  /** Absent: the order of the file. */
  readonly sorting?: Sorting;
}

/** Rows with their text prepared for searching, so that each key press costs one pass. */
export class RowIndex {
  readonly rows: readonly ResultRow[];
  readonly #texts: readonly string[];

  constructor(rows: readonly ResultRow[]) {
    this.rows = rows;
    this.#texts = rows.map((row) =>
      fold([row.id, row.prompt, row.answer, row.error?.code, row.error?.message].join('\n')),
    );
  }

  /** Indices into `rows`. Every word of the search must occur; case and width do not matter. */
  arrange(arrangement: Arrangement, collator: Intl.Collator): readonly number[] {
    const words = fold(arrangement.search)
      .split(/\s+/)
      .filter((word) => word !== '');
    const found = [...this.rows.keys()].filter((index) => {
      if (arrangement.errorsOnly && this.rows[index]?.error === undefined) return false;
      const text = this.#texts[index] ?? '';
      return words.every((word) => text.includes(word));
    });
    const { sorting } = arrangement;
    if (!sorting) return found;
    const sign = sorting.direction === 'ascending' ? 1 : -1;
    const keys = this.rows.map((row) => keyOf(row, sorting.column));
    return found.sort((a, b) => sign * compareKeys(keys[a], keys[b], collator) || a - b);
  }
}

/** Next sorting after a click on a column's head: ascending, descending, order of the file. */
export function nextSorting(before: Sorting | undefined, column: Column): Sorting | undefined {
  if (before?.column !== column) return { column, direction: 'ascending' };
  return before.direction === 'ascending' ? { column, direction: 'descending' } : undefined;
}

/** NFKC, so that full-width letters of a Japanese keyboard find half-width ones. */
function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

type SortKey = string | number | undefined;

function keyOf(row: ResultRow, column: Column): SortKey {
  switch (column) {
    case 'id':
      return row.id;
    case 'prompt':
      return row.prompt;
    case 'answer':
      return row.error ? row.error.message : row.answer;
    case 'finishReason':
      return row.error ? row.error.code : row.finishReason;
    case 'tokens':
      return row.completionTokens;
    case 'seconds':
      return row.seconds;
  }
}

function compareKeys(a: SortKey, b: SortKey, collator: Intl.Collator): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return collator.compare(String(a), String(b));
}
