// Text for a terminal: widths, wrapping, tables, colours where they are wanted. Knows no jobs.

/** Where the command line writes; `process.stdout` fits. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const plain = /^[\u0020-\u007e]*$/;
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** What a person takes for one character: a base with its marks, an emoji of several parts. */
function characters(text: string): string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}

/** Columns that a text takes; East Asian wide characters and emoji take two. */
export function textWidth(text: string): number {
  if (plain.test(text)) return text.length;
  return characters(text).reduce((width, char) => width + (wide.test(char) ? 2 : 1), 0);
}

/** Lines of at most `width` columns, broken at blanks where possible. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  const units = text.match(/\s+|[^\s]+/g) ?? [];
  for (const unit of units.flatMap((word) => breakLong(word, width))) {
    if (line !== '' && textWidth(line + unit) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    if (line !== '' || unit.trim() !== '') line += unit;
  }
  lines.push(line.trimEnd());
  return lines;
}

function breakLong(word: string, width: number): string[] {
  if (/^\s+$/.test(word)) return [' '];
  if (textWidth(word) <= width && !wide.test(word)) return [word];
  return characters(word);
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

/** The text with blanks up to `width` columns. */
export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
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
