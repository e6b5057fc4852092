// What PJM would refuse in a well-formed script: every code, at its place, with its values.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { furoGroups } from '../../../src/pjm/furo';
import { nearest, validateScript } from '../../../src/pjm/validate';

const allNames = furoGroups.map(({ name }) => name).join(', ');

function found(text: string) {
  return validateScript(text, furoGroups).map(({ code, severity, range, values }) => ({
    code,
    severity,
    line: range.startLine,
    part: text.split('\n')[range.startLine]?.slice(range.startColumn, range.endColumn),
    values,
  }));
}

type Case = readonly [code: string, text: string, line: number, part: string, values: object];

const errors: readonly Case[] = [
  ['resourceGroupMissing', '#PJM -L elapse=1:00:00', 0, '-L elapse=1:00:00', {}],
  [
    'resourceGroupUnknown',
    '#PJM -L rscgrp=cx-shar',
    0,
    'rscgrp=cx-shar',
    { name: 'cx-shar', known: allNames, suggestion: 'cx-share' },
  ],
  [
    'resourceGroupUnknown',
    '#PJM -L "rg=regular-a"',
    0,
    '"rg=regular-a"',
    { name: 'regular-a', known: allNames, suggestion: '' },
  ],
  [
    'tooFewNodes',
    '#PJM -L rscgrp=cx-large\n#PJM -L node=4',
    1,
    'node=4',
    { group: 'cx-large', asked: 4, limit: 16 },
  ],
  [
    'tooManyNodes',
    '#PJM -L rscgrp=cx-single,node=2',
    0,
    'rscgrp=cx-single,node=2',
    { group: 'cx-single', asked: 2, limit: 1 },
  ],
  [
    'elapseTooLong',
    '#PJM -L rscgrp=cx-debug\n#PJM -L node=1 -L elapse=1:00:01',
    1,
    'elapse=1:00:01',
    { group: 'cx-debug', asked: 3601, limit: 3600 },
  ],
  [
    'elapseTooLong',
    '#PJM -L rscgrp=cx-share,elapse=unlimited',
    0,
    'rscgrp=cx-share,elapse=unlimited',
    { group: 'cx-share', asked: Infinity, limit: 604_800 },
  ],
  [
    'tooManyGpus',
    '#PJM -L rscgrp=cx-share\n#PJM -L gpu=4',
    1,
    'gpu=4',
    { group: 'cx-share', asked: 4, limit: 1 },
  ],
  [
    'interactiveOnly',
    '#PJM -L rscgrp=cx-interactive -j',
    0,
    'rscgrp=cx-interactive',
    { group: 'cx-interactive', asked: 0, limit: 0 },
  ],
  [
    'elapseUnreadable',
    '#PJM -L rscgrp=cx-share\n#PJM -L elapse=1hour',
    1,
    'elapse=1hour',
    { value: '1hour' },
  ],
  [
    'resourceNotANumber',
    '#PJM -L rscgrp=cx-small\n#PJM -L node=2x3',
    1,
    'node=2x3',
    { key: 'node', value: '2x3' },
  ],
  [
    'resourceNotANumber',
    '#PJM -L rscgrp=cx-share,gpu=',
    0,
    'rscgrp=cx-share,gpu=',
    { key: 'gpu', value: '' },
  ],
  ['optionsExclude', '#PJM -L rg=cx-share -s -S', 0, '-S', { flag: '-S', other: '-s' }],
  ['optionsExclude', '#PJM -L rg=cx-share\n#PJM -j\n#PJM -e x', 2, '-e x', { flag: '-e', other: '-j' }], // prettier-ignore
  ['optionsExclude', '#PJM -L rg=cx-share --restart --norestart', 0, '--norestart', { flag: '--norestart', other: '--restart' }], // prettier-ignore
  ['jobNameInvalid', '#PJM -L rg=cx-share\n#PJM -N 1st', 1, '1st', { name: '1st' }],
  ['jobNameInvalid', '#PJM -L rg=cx-share -N a/b', 0, 'a/b', { name: 'a/b' }],
  ['jobNameInvalid', `#PJM -L rg=cx-share -N ${'a'.repeat(64)}`, 0, 'a'.repeat(64), { name: 'a'.repeat(64) }], // prettier-ignore
  ['jobNameInvalid', `#PJM -L rg=cx-share -N a${'あ'.repeat(21)}`, 0, `a${'あ'.repeat(21)}`, { name: `a${'あ'.repeat(21)}` }], // prettier-ignore
];

const warnings: readonly Case[] = [
  [
    'elapseLooksShort',
    '#PJM -L rscgrp=cx-share\n#PJM -L elapse=3:00',
    1,
    'elapse=3:00',
    { value: '3:00' },
  ],
  [
    'resourceUnknown',
    '#PJM -L rscgrp=cx-share\n#PJM -L "nodes=2"',
    1,
    '"nodes=2"',
    { key: 'nodes' },
  ],
  [
    'nodesInSharedGroup',
    '#PJM -L rscgrp=cx-share\n#PJM -L node=1',
    1,
    'node=1',
    { group: 'cx-share' },
  ],
];

describe('validateScript', () => {
  it.each(errors)('%s: %j', (code, text, line, part, values) => {
    expect(found(text)).toEqual([{ code, severity: 'error', line, part, values }]);
  });

  it.each(warnings)('%s: %j', (code, text, line, part, values) => {
    expect(found(text)).toEqual([{ code, severity: 'warning', line, part, values }]);
  });

  it.each([
    '#PJM -L rscgrp=cx-share,gpu=1,elapse=168:00:00',
    '#PJM -L rscgrp=cx-single,node=1,gpu=4,elapse=336:00:00',
    '#PJM -L rscgrp=cx-large,node=64,elapse=72:00:00',
    '#PJM -L rscgrp=cx-special,node=221,elapse=unlimited',
    '#PJM --interact -L rscgrp=cx-interactive,jobenv=singularity,elapse=3:00:00',
    '#PJM -L rscgrp=cx-share,elapse=30:00',
    '#PJM -L rscgrp=cx-share,elapse=90',
    '#PJM -L rscgrp=cx-share -N 日本',
    'echo no directives at all',
    '',
  ])('accepts %j', (text) => {
    expect(found(text).filter(({ code }) => code !== 'jobNameInvalid')).toEqual([]);
  });

  it('tells form and meaning of one script together', () => {
    const text = '#PJM -L rscgrp=cx-share --foo\n#PJM -L elapse=x\nls\n#PJM -j';
    expect(found(text).map(({ code }) => code)).toEqual([
      'unknownOption',
      'directiveIgnored',
      'elapseUnreadable',
    ]);
  });

  const examples = join(import.meta.dirname, '../../../examples/scripts');
  it.each(readdirSync(examples).filter((name) => name.endsWith('.sh')))('accepts %s', (name) => {
    expect(found(readFileSync(join(examples, name), 'utf8'))).toEqual([]);
  });

  it('never throws, whatever the text', () => {
    const piece = fc.constantFrom(
      '#PJM ',
      '-L ',
      'rscgrp=',
      'cx-share',
      'node=',
      '"',
      ',',
      '\n',
      'elapse=',
      '9'.repeat(30),
      '--mpi ',
      '(',
      'ls',
      '-N ',
      '日',
      ' ', // prettier-ignore
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = pieces.join('');
        const lines = text.split('\n');
        for (const { range } of validateScript(text, furoGroups)) {
          expect(range.startLine).toBeLessThan(lines.length);
          expect(range.endColumn).toBeLessThanOrEqual(lines[range.endLine]?.length ?? 0);
        }
      }),
    );
  });
});

describe('nearest', () => {
  it.each([
    ['cx-singel', 'cx-single'],
    ['cx-share', 'cx-share'],
    ['CX-SMALL', undefined],
    ['', undefined],
    ['gpu', undefined],
  ])('%j', (text, expected) => {
    expect(nearest(text, ['cx-share', 'cx-single', 'cx-small'])).toBe(expected);
  });

  it('has nothing to say without known words', () => {
    expect(nearest('a', [])).toBeUndefined();
  });
});
