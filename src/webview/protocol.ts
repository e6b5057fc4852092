// Every message between the extension and the results view, once. Values only; knows neither side.
import type { ResultRow } from './rows';

/** Words of the view, localised by the extension. `{0}` stands for a value that the view fills in. */
export interface Labels {
  readonly id: string;
  readonly prompt: string;
  readonly answer: string;
  /** Title of what the model thought before it answered. */
  readonly reasoning: string;
  /** Name of the remarks on how a record was computed. */
  readonly notes: string;
  readonly finishReason: string;
  readonly tokens: string;
  readonly seconds: string;
  readonly answered: string;
  readonly failed: string;
  readonly total: string;
  readonly tokensPerSecond: string;
  /** Placeholder and name of the search field. */
  readonly search: string;
  readonly errorsOnly: string;
  readonly exportCsv: string;
  readonly openFile: string;
  readonly copyAnswer: string;
  readonly copied: string;
  readonly close: string;
  /** In words beside the icon of a failed row. */
  readonly error: string;
  /** `{0} of {1} rows` */
  readonly shownRows: string;
  /** Nothing matches search and filter. */
  readonly noMatch: string;
  /** The file holds no record. */
  readonly empty: string;
  /** `{0} lines could not be read` */
  readonly malformed: string;
  /** The last line is not complete yet. */
  readonly torn: string;
  /** Name of the table for a screen reader. */
  readonly table: string;
  /** Name of the pane that shows one record. */
  readonly detail: string;
  readonly loading: string;
  /** Text of each finish reason that has one; others are shown as they are. */
  readonly finishReasons: Readonly<Record<string, string>>;
  /** Text of each note that has one; others are shown as they are. */
  readonly noteTexts: Readonly<Record<string, string>>;
}

/** One `name: value` of the header, already localised: elapsed time, GPU use, state. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** What stands above the table. */
export interface JobHeader {
  /** Own identity of the job; the view forgets search and position when it changes. */
  readonly jobKey: string;
  readonly title: string;
  /** What did the work: the model. */
  readonly subtitle?: string;
  /** The outcome in words, and how it is meant. */
  readonly state: { readonly text: string; readonly tone: 'good' | 'bad' | 'neutral' };
  readonly facts: readonly Fact[];
  /** As the runtime measured; absent when it was not. */
  readonly tokensPerSecond?: number;
  readonly malformedLines: number;
  readonly hasTornLine: boolean;
}

/** Extension -> view. `show` begins anew; `rows` pages follow until `isLast`. */
export type ToView =
  | {
      readonly type: 'show';
      readonly header: JobHeader;
      readonly labels: Labels;
      /** BCP 47, for numbers and sorting. */
      readonly language: string;
      readonly totalRows: number;
    }
  | {
      readonly type: 'rows';
      readonly jobKey: string;
      /** Index of the first row of this page. */
      readonly offset: number;
      readonly rows: readonly ResultRow[];
      readonly isLast: boolean;
    };

/** View -> extension. */
export type FromView =
  /** The script runs; `show` may be sent. */
  | { readonly type: 'ready' }
  | { readonly type: 'requestRows'; readonly jobKey: string; readonly offset: number }
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'openFile'; readonly jobKey: string }
  /** Ids in the order shown, after search, filter and sorting. */
  | { readonly type: 'exportCsv'; readonly jobKey: string; readonly ids: readonly string[] };

/** One function for each message, so that a forgotten one does not compile. */
export type Receivers<Message extends { readonly type: string }> = {
  readonly [Type in Message['type']]: (message: Extract<Message, { type: Type }>) => void;
};

/** Rows in one `rows` message: small enough that the view stays quick while they arrive. */
export const rowsPerPage = 2000;

/** The page of rows that begins at `offset`, ready to be sent. */
export function toRowsMessage(
  jobKey: string,
  rows: readonly ResultRow[],
  offset: number,
): Extract<ToView, { type: 'rows' }> {
  const page = rows.slice(offset, offset + rowsPerPage);
  return { type: 'rows', jobKey, offset, rows: page, isLast: offset + page.length >= rows.length };
}

/** What a message of the view must look like to be acted upon; anything else is `undefined`. */
export function parseFromView(value: unknown): FromView | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const message = value as Readonly<Record<string, unknown>>;
  const jobKey = message['jobKey'];
  switch (message['type']) {
    case 'ready':
      return { type: 'ready' };
    case 'copy': {
      const text = message['text'];
      return typeof text === 'string' ? { type: 'copy', text } : undefined;
    }
    case 'openFile':
      return typeof jobKey === 'string' ? { type: 'openFile', jobKey } : undefined;
    case 'requestRows': {
      const offset = message['offset'];
      if (typeof jobKey !== 'string' || typeof offset !== 'number') return undefined;
      return Number.isInteger(offset) && offset >= 0
        ? { type: 'requestRows', jobKey, offset }
        : undefined;
    }
    case 'exportCsv': {
      const ids: unknown = message['ids'];
      if (typeof jobKey !== 'string' || !Array.isArray(ids)) return undefined;
      return ids.every((id) => typeof id === 'string')
        ? { type: 'exportCsv', jobKey, ids }
        : undefined;
    }
    default:
      return undefined;
  }
}
