// Elapse times: the forms of the Command Reference (pjsub `-L elapse=`) and those seen in public scripts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseElapse, renderElapse } from '../../../src/pjm/elapse';

describe('parseElapse', () => {
  it.each([
    ['1:00:00', 3600],
    ['01:00:00', 3600],
    ['3:00', 180],
    ['90', 90],
    ['0', 0],
    ['336:00:00', 1_209_600],
    ['0:59:59', 3599],
    ['1234h58M', 1234 * 3600 + 58 * 60],
    ['12345s', 12_345],
    ['2h', 7200],
    ['5m30s', 330],
    ['1:90:90', 3600 + 5400 + 90],
    [' 1:00:00 ', 3600],
    ['unlimited', 'unlimited'],
  ])('%s', (text, expected) => {
    expect(parseElapse(text)).toBe(expected);
  });

  it.each([
    '',
    ' ',
    'h',
    'abc',
    '1:',
    ':30',
    '1:00:00:00',
    '-1:00',
    '1.5h',
    '1e3',
    '1:00:00-2:00:00',
    'Unlimited',
    '58M1234h',
    '１:００',
    '9'.repeat(40),
  ])('refuses %j', (text) => {
    expect(parseElapse(text)).toBeUndefined();
  });

  it('reads back whatever renderElapse writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), (seconds) => {
        expect(parseElapse(renderElapse(seconds))).toBe(seconds);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['number', 'string', 'undefined']).toContain(typeof parseElapse(text));
      }),
    );
  });
});

describe('renderElapse', () => {
  it.each([
    [0, '0:00:00'],
    [59, '0:00:59'],
    [3600, '1:00:00'],
    [86_399, '23:59:59'],
    [1_209_600, '336:00:00'],
  ])('%d s', (seconds, expected) => {
    expect(renderElapse(seconds)).toBe(expected);
  });
});
