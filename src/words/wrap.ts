// The width of text in a monospaced font, and lines of such a width. Knows no language.

const plain = /^[\u0020-\u007e]*$/;
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

const closing = /^[、。，．）」』！？]/;

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

/** Japanese text breaks anywhere but inside a Latin word and before a mark that closes something. */
function breakLong(word: string, width: number): string[] {
  if (/^\s+$/.test(word)) return [' '];
  if (textWidth(word) <= width && !wide.test(word)) return [word];
  if (!wide.test(word)) return characters(word);
  const units: string[] = [];
  for (const char of characters(word)) {
    const last = units.at(-1) ?? '';
    const isJoined = closing.test(char) || (plain.test(char) && plain.test(last));
    if (last !== '' && isJoined && textWidth(last + char) <= width)
      units.splice(-1, 1, last + char);
    else units.push(char);
  }
  return units;
}

/** The text with blanks up to `width` columns. */
export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}
