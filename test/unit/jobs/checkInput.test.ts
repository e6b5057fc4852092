// The records of an inference, looked at before anything is sent.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkInput } from '../../../src/jobs/checkInput';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-input-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function check(content: string | Uint8Array, signal?: AbortSignal): Promise<number> {
  const file = join(folder, 'in.jsonl');
  writeFileSync(file, content);
  return checkInput(file, 'in.jsonl', signal);
}

describe('checkInput', () => {
  it.each([
    ['one line without an end', '{"id":"a"}', 1],
    ['a byte order mark', '\uFEFF{"id":"a"}\n{"id":"b"}\n', 2],
    ['Windows line ends', '{"id":"a"}\r\n\r\n{"id":"b"}\r\n', 2],
    ['records without ids', '{"prompt":"x"}\n{"prompt":"x"}\n', 2],
    ['custom_id before id', '{"custom_id":"a","id":"x"}\n{"custom_id":"b","id":"x"}\n', 2],
    ['a line separator inside a string', '{"prompt":"a\u2028b"}\n', 1],
  ])('counts %s', async (_what, text, count) => {
    expect(await check(text)).toBe(count);
  });

  it('reads lines that are longer than a piece of the file', async () => {
    const record = JSON.stringify({ prompt: '長い'.repeat(100_000) });
    expect(await check(`${record}\r\n${record}\r\n${record}`)).toBe(3);
  });

  it.each([
    ['', 'inputEmpty', {}],
    ['\uFEFF\n', 'inputEmpty', {}],
    ['{"id":1}\n{"id":2}\n{"id":"1"}\n', 'inputDuplicateId', { line: 3, firstLine: 1, id: '1' }],
    ['{"id":"a"}\n\n\n{"custom_id":"a"}\n', 'inputDuplicateId', { line: 4, firstLine: 1 }],
    ['{"a":1}\n{"a":1} {"b":2}\n', 'inputMalformed', { line: 2 }],
    ['"text"\n', 'inputMalformed', { line: 1, detail: 'string' }],
    ['null\n', 'inputMalformed', { line: 1, detail: 'null' }],
    ['[{}]\n', 'inputMalformed', { line: 1, detail: 'array' }],
    ['{"a":1}\r{"b":2}\n', 'inputMalformed', { line: 1 }],
  ])('refuses %j', async (text, reason, values) => {
    await expect(check(text)).rejects.toMatchObject({
      reason,
      values: { path: 'in.jsonl', ...values },
    });
  });

  it('names the file that is not there, and the folder that is no file', async () => {
    await expect(checkInput(join(folder, 'none'), 'none')).rejects.toMatchObject({
      reason: 'inputNotFound',
      values: { path: 'none' },
    });
    mkdirSync(join(folder, 'sub'));
    await expect(checkInput(join(folder, 'sub'), 'sub')).rejects.toMatchObject({
      reason: 'localUnreadable',
      values: { path: 'sub' },
    });
  });

  it('stops when it is cancelled', async () => {
    const abort = new AbortController();
    abort.abort();
    await expect(check('{}\n', abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });
});
