// Rows of results as a CSV file for spreadsheets (RFC 4180). Pure text; the extension writes it.
import type { ResultRow } from './rows';

const columns = [
  'id',
  'prompt',
  'answer',
  'error_code',
  'error_message',
  'finish_reason',
  'prompt_tokens',
  'completion_tokens',
  'seconds',
  'reasoning',
  'notes',
] as const;

/** A byte order mark, because Excel reads a CSV without one in the system's old code page. */
const byteOrderMark = '\uFEFF';

/** The whole file, CRLF as the standard says. */
export function renderCsv(rows: readonly ResultRow[]): string {
  const lines = rows.map((row) =>
    [
      row.id,
      row.prompt,
      row.answer,
      row.error?.code,
      row.error?.message,
      row.finishReason,
      row.promptTokens,
      row.completionTokens,
      row.seconds,
      row.reasoning,
      row.notes?.join(' '),
    ]
      .map(renderCell)
      .join(','),
  );
  return byteOrderMark + [columns.join(','), ...lines].map((line) => `${line}\r\n`).join('');
}

function renderCell(value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  // A model may answer with a formula; a leading quote keeps a spreadsheet from running it.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
