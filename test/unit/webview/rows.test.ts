// Result rows from the text of a file, whole and damaged, and rows as CSV.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderCsv } from '../../../src/webview/csv';
import { parseResults } from '../../../src/webview/rows';

const contract = readFileSync(
  join(import.meta.dirname, '../../fixtures/contract/results.jsonl'),
  'utf8',
);

describe('parseResults', () => {
  it('reads the contract', () => {
    expect(parseResults(contract)).toEqual({
      rows: [
        {
          id: 'q-1',
          prompt: 'What is the capital of Japan?',
          answer: 'The capital of Japan is Tokyo.',
          finishReason: 'stop',
          promptTokens: 31,
          completionTokens: 8,
          seconds: 0.41,
          line: 1,
        },
        {
          id: 'q-17',
          prompt: 'A very long one',
          answer: '',
          error: {
            code: 'prompt_too_long',
            message: 'The prompt has 9000 tokens; the model takes 8192.',
          },
          seconds: 0,
          line: 17,
        },
        {
          id: 'q-21',
          prompt: 'What is 6 * 7?',
          answer: '42',
          reasoning: 'Six times seven: 6 * 7 = 42.',
          finishReason: 'stop',
          promptTokens: 18,
          completionTokens: 16,
          seconds: 0.7,
          notes: ['redone_in_float32'],
          line: 21,
        },
      ],
      malformedLines: 0,
      hasTornLine: false,
    });
  });

  it('survives a cut at every place, losing only the cut line', () => {
    const breaks = [...contract.matchAll(/\n/g)].map(({ index }) => index);
    const wholeAt = new Set([0, ...breaks, ...breaks.map((at) => at + 1)]);
    for (let end = 0; end <= contract.length; end += 1) {
      const { rows, malformedLines, hasTornLine } = parseResults(contract.slice(0, end));
      expect(malformedLines).toBe(0);
      expect(rows).toHaveLength(breaks.filter((at) => at <= end).length);
      expect(hasTornLine).toBe(!wholeAt.has(end));
    }
  });

  it('counts lines that it cannot read and goes on', () => {
    const lines = ['nonsense', '{"custom_id": 3}', '[]', '', '{"custom_id":"x"}', contract];
    const { rows, malformedLines } = parseResults(lines.join('\n'));
    expect(rows).toHaveLength(3);
    expect(malformedLines).toBe(4);
  });

  it('lets a later line of the same record win at the place of the first', () => {
    const again = contract.split('\n')[0]?.replace('Tokyo', 'Kyoto') ?? '';
    const { rows } = parseResults(`${contract}${again}\r\n`);
    expect(rows.map(({ id }) => id)).toEqual(['q-1', 'q-17', 'q-21']);
    expect(rows[0]?.answer).toContain('Kyoto');
  });
});

describe('renderCsv', () => {
  it('quotes what must be quoted and disarms formulas', () => {
    const csv = renderCsv([
      { id: 'a', prompt: 'x, "y"\nz', answer: '=HYPERLINK("http://h")', completionTokens: 3 },
      { id: 'b', prompt: '', answer: '', error: { code: 'c', message: 'm' } },
      { id: 'c', prompt: 'p', answer: '7', reasoning: '=3+4', notes: ['one', 'two'] },
    ]);
    expect(csv).toBe(
      '\uFEFFid,prompt,answer,error_code,error_message,finish_reason,prompt_tokens,completion_tokens,seconds,reasoning,notes\r\n' +
        'a,"x, ""y""\nz","\'=HYPERLINK(""http://h"")",,,,,3,,,\r\n' +
        'b,,,c,m,,,,,,\r\n' +
        "c,p,7,,,,,,,'=3+4,one two\r\n",
    );
  });
});
