// EXT is not success: what exit code, PJM code and signal make of an end.
import { describe, expect, it } from 'vitest';
import { causeFromOutput, outcomeOf } from '../../../src/jobs/outcome';
import { parseJobStatistics } from '../../../src/pjm/jobStatistics';

const failed = (exitCode?: number, pjmCode?: number, signal?: number) =>
  ({ kind: 'failed', exitCode, pjmCode, signal }) as const;

/** Statistics in the form of a real file. */
function statistics(values: Readonly<Record<string, string>>) {
  const lines = Object.entries({ 'JOB ID': '1', STATE: 'EXT', ...values });
  return parseJobStatistics(lines.map(([key, value]) => ` ${key.padEnd(20)}: ${value}\n`).join(''));
}

describe('outcomeOf a row of pjstat', () => {
  it.each([
    ['EXT', { exitCode: 0, pjmCode: 0, signal: 0 }, { kind: 'succeeded' }],
    ['EXT', { exitCode: 0, pjmCode: 0 }, { kind: 'succeeded' }],
    ['EXT', { exitCode: 3, pjmCode: 0, signal: 0 }, failed(3, 0)],
    ['EXT', { exitCode: 0, pjmCode: 11, signal: 0 }, failed(0, 11)],
    ['EXT', { exitCode: 0, pjmCode: 0, signal: 9 }, failed(0, 0, 9)],
    ['EXT', { exitCode: 75, pjmCode: 11, signal: 24 }, failed(75, 11, 24)],
    ['EXT', { exitCode: 1, pjmCode: 12 }, failed(1, 12)],
    ['EXT', { exitCode: 0, pjmCode: 1 }, { kind: 'cancelled' }],
    ['EXT', {}, failed()],
    ['EXT', undefined, failed()],
    ['CCL', { exitCode: 0, pjmCode: 0 }, { kind: 'cancelled' }],
    ['CCL', undefined, { kind: 'cancelled' }],
    ['RJT', { reason: 'NO ACCEPT' }, { kind: 'rejected', reason: 'NO ACCEPT' }],
    ['RJT', undefined, { kind: 'rejected', reason: '' }],
  ] as const)('%s %j', (state, entry, expected) => {
    expect(outcomeOf(state, entry, undefined)).toEqual(expected);
  });
});

describe('outcomeOf with statistics', () => {
  it('believes them more than the row', () => {
    const good = statistics({ 'EXIT CODE': '0', 'PJM CODE': '0', 'SIGNAL NO': '-' });
    const bad = statistics({ 'EXIT CODE': '3', 'PJM CODE': '0', 'SIGNAL NO': '-' });
    const killed = statistics({ 'EXIT CODE': '0', 'PJM CODE': '11', 'SIGNAL NO': '9' });
    expect(outcomeOf('EXT', { exitCode: 1, pjmCode: 0 }, good)).toEqual({ kind: 'succeeded' });
    expect(outcomeOf('EXT', { exitCode: 0, pjmCode: 0 }, bad)).toEqual(failed(3, 0));
    expect(outcomeOf('EXT', undefined, killed)).toEqual(failed(0, 11, 9));
    const rejected = statistics({ 'PJM CODE': '2', REASON: 'GATE CHECK' });
    expect(outcomeOf('RJT', { reason: '-' }, rejected)).toEqual({
      kind: 'rejected',
      reason: 'GATE CHECK',
    });
  });
});

describe('causeFromOutput', () => {
  it('takes the last line of a program that ended with an error by itself', () => {
    expect(causeFromOutput(failed(1, 0), ' ValueError: 値 \n')).toEqual({
      reason: 'lastOutput',
      message: 'ValueError: 値',
    });
    expect(causeFromOutput(failed(1, 0), 'x'.repeat(9999))?.message).toHaveLength(500);
  });

  it.each([
    ['succeeded', { kind: 'succeeded' } as const, 'line'],
    ['cancelled', { kind: 'cancelled' } as const, 'line'],
    ['killed at a limit', failed(0, 11), 'line'],
    ['silent', failed(1, 0), '  '],
  ])('says nothing when %s', (_what, outcome, line) => {
    expect(causeFromOutput(outcome, line)).toBeUndefined();
  });
});
