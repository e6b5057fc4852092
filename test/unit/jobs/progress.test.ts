// The runtime's events, read from the file that both languages share.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseProgress, parseRunFailure } from '../../../src/jobs/progress';

const fixture = join(import.meta.dirname, '../../fixtures/contract/progress.jsonl');
const lines = readFileSync(fixture, 'utf8').trimEnd().split('\n');
const upTo = (event: string): string => {
  const end = lines.findLastIndex((line) => line.includes(`"event":"${event}"`));
  expect(end).toBeGreaterThanOrEqual(0);
  return lines.slice(0, end + 1).join('\n');
};

describe('parseProgress', () => {
  it.each([
    ['started', { stage: 'loading', done: 0, failed: 0, total: 24 }],
    ['model_loading', { stage: 'loading', done: 0, failed: 0, total: 24 }],
    ['model_loaded', { stage: 'generating', done: 0, failed: 0, total: 24 }],
    [
      'progress',
      {
        stage: 'generating',
        done: 8,
        failed: 0,
        total: 24,
        tokensPerSecond: 256.2,
        etaSeconds: 3.2,
      },
    ],
    [
      'record_failed',
      {
        stage: 'generating',
        done: 8,
        failed: 0,
        total: 24,
        tokensPerSecond: 256.2,
        etaSeconds: 3.2,
      },
    ],
    ['finished', { stage: 'finished', done: 23, failed: 1, total: 24, tokensPerSecond: 216 }],
    ['interrupted', { stage: 'finished', done: 12, failed: 0, total: 24 }],
  ])('after %s', (event, expected) => {
    expect(parseProgress(upTo(event))).toEqual(expected);
  });

  it('takes no notice of lines that are cut at either end', () => {
    const whole = upTo('progress');
    const last = whole.lastIndexOf('\n') + 1;
    const before = parseProgress(whole.slice(0, last));
    for (let end = last + 1; end < whole.length; end += 1)
      expect(parseProgress(whole.slice(0, end))).toEqual(before);
    for (let start = 1; start < last; start += 1)
      expect(parseProgress(whole.slice(start))).toMatchObject({ done: 8, total: 24 });
  });

  it('goes on from what was known, and knows nothing of nothing', () => {
    const before = { stage: 'generating', done: 8, failed: 1, total: 24 } as const;
    expect(parseProgress('', before)).toBe(before);
    expect(parseProgress('{"event":"model_loading"}\n', before)).toMatchObject({
      done: 8,
      total: 24,
    });
    expect(parseProgress('')).toBeUndefined();
    expect(parseProgress('null\n[1]\n"x"\n{"event":"new kind"}\n')).toBeUndefined();
  });
});

describe('parseRunFailure', () => {
  it('reads reason and message', () => {
    expect(parseRunFailure(lines.join('\n'))).toEqual({
      reason: 'modelNotFound',
      message: 'There is no model at /data/m.',
    });
  });

  it('takes it back when the run began anew, and gives none without one', () => {
    expect(parseRunFailure(`${lines.join('\n')}\n${String(lines[0])}\n`)).toBeUndefined();
    expect(parseRunFailure(upTo('finished'))).toBeUndefined();
    expect(parseRunFailure('{"event":"failed","reason":3}')).toBeUndefined();
  });
});
