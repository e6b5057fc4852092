// Something wrong in the user's text: a value with a place, never an exception.

/** A half-open range in a text; lines and columns count from 0, columns in UTF-16 units as in VS Code. */
export interface TextRange {
  readonly startLine: number;
  readonly startColumn: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export type Severity = 'error' | 'warning' | 'information';

/** One finding. `code` is worded in `words/problemText.ts`; `values` fill the sentence. */
export interface Problem<Code extends string = string> {
  readonly code: Code;
  readonly severity: Severity;
  readonly range: TextRange;
  readonly values: Readonly<Record<string, string | number>>;
}

/** What a parser returns: always a value, with whatever was wrong beside it. */
export interface Parsed<T, Code extends string = string> {
  readonly value: T;
  readonly problems: readonly Problem<Code>[];
}
