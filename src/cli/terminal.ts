// Text for a terminal: tables, colours where they are wanted. Knows no jobs.
import { padTo, wrap } from '../words/wrap';

/** Where the command line writes; `process.stdout` fits. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** A table with a header line; columns share `width` by their weights. */
export function renderTable(
  columns: readonly { title: string; weight: number }[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const gaps = 2 * (columns.length - 1);
  const total = columns.reduce((sum, { weight }) => sum + weight, 0);
  const widths = columns.map(({ weight }) =>
    Math.max(4, Math.floor(((width - gaps) * weight) / total)),
  );
  const lines: string[] = [];
  const put = (cells: readonly string[]) => {
    const wrapped = widths.map((columnWidth, index) => wrap(cells[index] ?? '', columnWidth));
    const height = Math.max(...wrapped.map((cell) => cell.length));
    for (let row = 0; row < height; row += 1) {
      const parts = wrapped.map((cell, index) => padTo(cell[row] ?? '', widths[index] ?? 0));
      lines.push(parts.join('  ').trimEnd());
    }
  };
  put(columns.map(({ title }) => title));
  lines.push(widths.map((columnWidth) => '─'.repeat(columnWidth)).join('  '));
  for (const row of rows) put(row);
  return lines.join('\n');
}

const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g; // eslint-disable-line no-control-regex -- control characters are what is looked for

/** Foreign text without control characters: neither model output nor a server steers the terminal. */
export function harmless(text: string): string {
  return text.replace(controls, '');
}

const codes = { bold: '1', dim: '2', green: '32', red: '31', cyan: '36' } as const;

/** Colours the text when the screen is a terminal and NO_COLOR is not set. */
export function paint(screen: Screen, style: keyof typeof codes, text: string): string {
  const wanted = screen.isTTY === true && process.env['NO_COLOR'] === undefined;
  return wanted ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
}
