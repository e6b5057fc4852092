// Looks at the records of an inference before anything is sent. Reads a local file; judges form, not content.
import { createReadStream } from 'node:fs';
import { syncFailure } from '../sync/failures';
import { jobFailure } from './failures';

/**
 * Throws for a file that is missing, empty, has a malformed line or the same id twice; returns the number of records.
 * The runtime checks the same again on the machine.
 */
export async function checkInput(
  file: string,
  path: string,
  signal?: AbortSignal,
): Promise<number> {
  const seen = new Map<string, number>();
  let number = 0;
  let records = 0;
  const stream = createReadStream(file, { encoding: 'utf8', ...(signal && { signal }) });
  try {
    for await (const line of linesOf(stream)) {
      number += 1;
      const text = number === 1 ? line.replace(/^\uFEFF/, '') : line;
      if (text.trim() === '') continue;
      records += 1;
      const id = readId(text, { path, line: number });
      if (id === undefined) continue;
      const firstLine = seen.get(id);
      if (firstLine !== undefined)
        throw jobFailure('inputDuplicateId', { path, line: number, firstLine, id });
      seen.set(id, number);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw jobFailure('inputNotFound', { path }, error);
    if (code === 'EISDIR' || code === 'EACCES')
      throw syncFailure('localUnreadable', { path, detail: message }, error);
    throw error;
  }
  if (records === 0) throw jobFailure('inputEmpty', { path });
  return records;
}

/** Lines without their ends. Node's readline would lose the errors of the stream. */
async function* linesOf(stream: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.map((line) => line.replace(/\r$/, ''));
  }
  if (rest !== '') yield rest;
}

function readId(text: string, place: { path: string; line: number }): string | undefined {
  const record = parseRecord(text, place);
  const id = record['custom_id'] ?? record['id'];
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

function parseRecord(text: string, place: { path: string; line: number }): Record<string, unknown> {
  const record = parseJson(text, place);
  if (typeof record === 'object' && record !== null && !Array.isArray(record))
    return record as Record<string, unknown>;
  const detail = Array.isArray(record) ? 'array' : record === null ? 'null' : typeof record;
  throw jobFailure('inputMalformed', { ...place, detail });
}

function parseJson(text: string, place: { path: string; line: number }): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw jobFailure('inputMalformed', { ...place, detail: (error as Error).message }, error);
  }
}
