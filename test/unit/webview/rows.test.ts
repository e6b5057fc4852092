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
      ],
      malformedLines: 0,
      hasTornLine: false,
    });
  });

  it('survives a cut at every place, losing only the cut line', () => {
    const first = contract.indexOf('\n');
    for (let end = 0; end <= contract.length; end += 1) {
      const { rows, malformedLines, hasTornLine } = parseResults(contract.slice(0, end));
      expect(malformedLines).toBe(0);
      const lines = (end >= first ? 1 : 0) + (end >= contract.trimEnd().length ? 1 : 0);
      expect(rows).toHaveLength(lines);
      const isAtEnd = [0, first, first + 1].includes(end) || end >= contract.trimEnd().length;
      expect(hasTornLine).toBe(!isAtEnd);
    }
  });

  it('counts lines that it cannot read and goes on', () => {
    const lines = ['nonsense', '{"custom_id": 3}', '[]', '', '{"custom_id":"x"}', contract];
    const { rows, malformedLines } = parseResults(lines.join('\n'));
    expect(rows).toHaveLength(2);
    expect(malformedLines).toBe(4);
  });

  it('lets a later line of the same record win at the place of the first', () => {
    const again = contract.split('\n')[0]?.replace('Tokyo', 'Kyoto') ?? '';
    const { rows } = parseResults(`${contract}${again}\r\n`);
    expect(rows.map(({ id }) => id)).toEqual(['q-1', 'q-17']);
    expect(rows[0]?.answer).toContain('Kyoto');
  });
});

describe('renderCsv', () => {
  it('quotes what must be quoted and disarms formulas', () => {
    const csv = renderCsv([
      { id: 'a', prompt: 'x, "y"\nz', answer: '=HYPERLINK("http://h")', completionTokens: 3 },
      { id: 'b', prompt: '', answer: '', error: { code: 'c', message: 'm' } },
    ]);
    expect(csv).toBe(
      '\uFEFFid,prompt,answer,error_code,error_message,finish_reason,prompt_tokens,completion_tokens,seconds\r\n' +
        'a,"x, ""y""\nz","\'=HYPERLINK(""http://h"")",,,,,3,\r\n' +
        'b,,,c,m,,,,\r\n',
    );
  });
});
