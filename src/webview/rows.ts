// The lines of results.jsonl as rows of a table. Pure text to values; also used by the editor and the terminal.
// Format: test/fixtures/contract/README.md (OpenAI batch output plus `x_runtime`).

/** One record of a job, answered or failed. */
export interface ResultRow {
  /** The record's own id (`custom_id`). */
  readonly id: string;
  readonly prompt: string;
  /** Empty for a failed record. */
  readonly answer: string;
  readonly error?: { readonly code: string; readonly message: string };
  /** `stop`, `length`, ... as the runtime says. */
  readonly finishReason?: string;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly seconds?: number;
  /** What the model thought before it answered, where the runtime could tell the two apart. */
  readonly reasoning?: string;
  /** How the line came to be, in words for programs such as `redone_in_float32`; absent when there is nothing to say. */
  readonly notes?: readonly string[];
  /** Line of the record in the input file, counted from 1. */
  readonly line?: number;
}

export interface ResultRows {
  /** In the order of the input; results come in the order of computing. Of two lines with one id the later stays. */
  readonly rows: readonly ResultRow[];
  /** Whole lines that could not be read. */
  readonly malformedLines: number;
  /** True when the text ends within a line: the job was still writing, or was cut off. */
  readonly hasTornLine: boolean;
}

/** Reads the text of a results file; never throws. */
export function parseResults(text: string): ResultRows {
  const byId = new Map<string, ResultRow>();
  let malformedLines = 0;
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  for (const line of lines) {
    if (line.trim() === '') continue;
    const row = parseRow(line);
    if (row) byId.set(row.id, row);
    else malformedLines += 1;
  }
  // A last line without its newline counts when it is whole.
  const lastRow = last.trim() === '' ? undefined : parseRow(last);
  if (lastRow) byId.set(lastRow.id, lastRow);
  return {
    rows: [...byId.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    malformedLines,
    hasTornLine: last.trim() !== '' && lastRow === undefined,
  };
}

function parseRow(text: string): ResultRow | undefined {
  const record = parseObject(text);
  if (!record) return undefined;
  const id = textOf(record['custom_id']);
  if (id === undefined) return undefined;
  const runtime = objectOf(record['x_runtime']);
  const prompt = textOf(runtime?.['prompt']) ?? '';
  const seconds = numberOf(runtime?.['seconds']);
  const line = numberOf(runtime?.['line']);
  const notes = textsOf(runtime?.['notes']);
  const about = {
    ...(seconds !== undefined && { seconds }),
    ...(notes.length > 0 && { notes }),
    ...(line !== undefined && { line }),
  };
  const failure = objectOf(record['error']);
  if (failure) {
    const code = textOf(failure['code']) ?? 'error';
    const error = { code, message: textOf(failure['message']) ?? code };
    return { id, prompt, answer: '', error, ...about };
  }
  const body = objectOf(objectOf(record['response'])?.['body']);
  return body && { id, prompt, ...readAnswer(body), ...about };
}

function readAnswer(
  body: Record<string, unknown>,
): Pick<ResultRow, 'answer' | 'reasoning' | 'finishReason' | 'promptTokens' | 'completionTokens'> {
  const choices = body['choices'];
  const choice = objectOf(Array.isArray(choices) ? choices[0] : undefined);
  const message = objectOf(choice?.['message']);
  const usage = objectOf(body['usage']);
  const reasoning = textOf(message?.['reasoning_content']);
  const finishReason = textOf(choice?.['finish_reason']);
  const promptTokens = numberOf(usage?.['prompt_tokens']);
  const completionTokens = numberOf(usage?.['completion_tokens']);
  return {
    answer: textOf(message?.['content']) ?? '',
    ...(reasoning !== undefined && { reasoning }),
    ...(finishReason !== undefined && { finishReason }),
    ...(promptTokens !== undefined && { promptTokens }),
    ...(completionTokens !== undefined && { completionTokens }),
  };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    return objectOf(JSON.parse(line));
  } catch {
    // Not JSON: counted by the caller.
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
