// One `#PJM` line and its parts. Lines are from public Furo scripts and the Command Reference where noted.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isDirectiveLine,
  parseDirectiveLine,
  quoteWord,
  splitPairs,
  splitWords,
} from '../../../src/pjm/directive';

function read(text: string) {
  const { directives, strayWords, isUnbalanced } = parseDirectiveLine(text, 7);
  return {
    options: directives.map(({ flag, value }) => [flag, value]),
    stray: strayWords.map(({ text: word }) => word),
    isUnbalanced,
  };
}

describe('isDirectiveLine', () => {
  it.each(['#PJM -j', '#PJM\t-j', '#PJM', '#PJM  -L node=1'])('takes %j', (line) => {
    expect(isDirectiveLine(line)).toBe(true);
  });

  it.each(['#PJMX -j', '#pjm -j', '# PJM -j', ' #PJM -j', '##PJM -j', 'echo #PJM -j', ''])(
    'leaves %j',
    (line) => {
      expect(isDirectiveLine(line)).toBe(false);
    },
  );
});

describe('parseDirectiveLine', () => {
  it.each([
    // Scripts of yu1349/llm_on_supercomp, run on Furo in June 2025.
    ['#PJM -L rscgrp=cx-share', [['-L', 'rscgrp=cx-share']]],
    ['#PJM -L elapse=1:00:00  # REWRITE ME!!!!!', [['-L', 'elapse=1:00:00']]],
    ['#PJM -j', [['-j', undefined]]],
    ['#PJM -S', [['-S', undefined]]],
    // Command Reference and End-user's Guide, pjsub.
    ['#PJM -L "node=2, elapse=86400"', [['-L', 'node=2, elapse=86400']]],
    ["#PJM -L 'vnode=1(core=2;mem=1Gi)'", [['-L', 'vnode=1(core=2;mem=1Gi)']]],
    [
      '#PJM -L node=2 -L elapse=60 -j',
      [
        ['-L', 'node=2'],
        ['-L', 'elapse=60'],
        ['-j', undefined],
      ],
    ],
    ['#PJM -o "%n.%j.out" -j', [['-o', '%n.%j.out'], ['-j', undefined]]], // prettier-ignore
    // Command line of a public GROMACS script for Furo Type II.
    ['#PJM --step --sparam jnam=a,sn=1,sd=ec!=0:after', [['--step', undefined], ['--sparam', 'jnam=a,sn=1,sd=ec!=0:after']]], // prettier-ignore
    // A public script used on Furo (VibeCodeHPC).
    ['#PJM -o cuda_v3.out          # Output file', [['-o', 'cuda_v3.out']]],
    // Values stuck to their option.
    ['#PJM -Lnode=1', [['-L', 'node=1']]],
    ['#PJM --name=x', [['--name', 'x']]],
    ['#PJM --rsc-list=node=1,elapse=60', [['--rsc-list', 'node=1,elapse=60']]],
    ['#PJM --comment="a b"', [['--comment', 'a b']]],
    ['#PJM --name=', [['--name', '']]],
    // Quotes inside quotes, escapes, and a # that is no comment.
    [`#PJM --comment "it's \\"so\\" # here"`, [['--comment', `it's "so" # here`]]],
    [String.raw`#PJM --comment a\ b`, [['--comment', 'a b']]],
    [String.raw`#PJM --comment 'a\b'`, [['--comment', String.raw`a\b`]]],
    ['#PJM --comment a#b', [['--comment', 'a#b']]],
    ['#PJM --comment 日本語の説明', [['--comment', '日本語の説明']]],
    // A value that is missing does not swallow the next option.
    ['#PJM -N -j', [['-N', undefined], ['-j', undefined]]], // prettier-ignore
    ['#PJM -p -5', [['-p', '-5']]],
    ['#PJM -N', [['-N', undefined]]],
    // -S, --STATS and -s, --stats differ by case only.
    ['#PJM --STATS', [['--STATS', undefined]]],
    ['#PJM --stats', [['--stats', undefined]]],
    ['#PJM', []],
    ['#PJM   # only a note', []],
  ])('%s', (line, options) => {
    expect(read(line)).toEqual({ options, stray: [], isUnbalanced: false });
  });

  it('keeps words that belong to no option', () => {
    expect(read('#PJM elapse=24:00:00 -j now')).toEqual({
      options: [['-j', undefined]],
      stray: ['elapse=24:00:00', 'now'],
      isUnbalanced: false,
    });
  });

  it('keeps unknown options, with and without value', () => {
    const { directives } = parseDirectiveLine('#PJM --no-check-directory --llama=3', 0);
    expect(directives.map(({ flag, option, value }) => [flag, option, value])).toEqual([
      ['--no-check-directory', undefined, undefined],
      ['--llama', undefined, '3'],
    ]);
  });

  it.each(['#PJM -L "node=1', "#PJM --comment 'a b", '#PJM -N a"b'])('finds %s open', (line) => {
    expect(parseDirectiveLine(line, 0).isUnbalanced).toBe(true);
  });

  it.each([
    ['#PJM -L node=1 -j', 0, '-L node=1', 'node=1'],
    ['#PJM -L node=1 -j', 1, '-j', undefined],
    ['#PJM  -L "node=1, gpu=4"  # x', 0, '-L "node=1, gpu=4"', '"node=1, gpu=4"'],
    ['#PJM -Lnode=1', 0, '-Lnode=1', 'node=1'],
    ['#PJM --name=日本', 0, '--name=日本', '日本'],
  ])('%s: places of option %d', (line, index, whole, value) => {
    const directive = parseDirectiveLine(line, 7).directives[index];
    const cut = (range: { startColumn: number; endColumn: number } | undefined) =>
      range && line.slice(range.startColumn, range.endColumn);
    expect(cut(directive?.range)).toBe(whole);
    expect(cut(directive?.valueRange)).toBe(value);
    expect(directive?.range).toMatchObject({ startLine: 7, endLine: 7 });
  });

  it('never throws and never points outside of the line', () => {
    const part = fc.constantFrom(
      ...Array.from('#PJM -L"\'\\=,()[]{}%$\t 　'),
      '-L ',
      '--name=',
      'node=1',
      '漢',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const line = `#PJM ${parts.join('')}`;
        const { directives, strayWords } = parseDirectiveLine(line, 0);
        for (const { range, valueRange } of directives)
          for (const place of [range, valueRange ?? range]) {
            expect(place.startColumn).toBeGreaterThanOrEqual(5);
            expect(place.startColumn).toBeLessThanOrEqual(place.endColumn);
            expect(place.endColumn).toBeLessThanOrEqual(line.length);
          }
        for (const { start, end } of strayWords) expect(line.slice(start, end)).not.toBe('');
      }),
    );
  });
});

describe('splitPairs', () => {
  it.each([
    ['rscgrp=cx-share,elapse=1:00:00', ['rscgrp', 'cx-share', 'elapse', '1:00:00']],
    ['node=2, elapse=86400', ['node', '2', 'elapse', '86400']],
    ['vnode=1(core=2;mem=1Gi),elapse=60', ['vnode', '1(core=2;mem=1Gi)', 'elapse', '60']],
    ['vnode=(core=1,mem=2)', ['vnode', '(core=1,mem=2)']],
    ['gpu', ['gpu', '']],
    ['a=b=c', ['a', 'b=c']],
    [',,', []],
    ['', []],
  ])('%j', (text, expected) => {
    expect(splitPairs(text).flatMap(({ key, value }) => [key, value])).toEqual(expected);
  });
});

describe('quoteWord', () => {
  it.each([
    ['rscgrp=cx-share', 'rscgrp=cx-share'],
    ['%n.%j.out', '%n.%j.out'],
    ['a b', '"a b"'],
    ['', '""'],
    ['say "hi"', String.raw`"say \"hi\""`],
    ['#1', '"#1"'],
    ['日本語', '"日本語"'],
    ['two\nlines', '"two lines"'],
  ])('%j', (text, expected) => {
    expect(quoteWord(text)).toBe(expected);
  });

  it('is undone by splitWords for every text of one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!/[\r\n]/.test(text));
        expect(splitWords(quoteWord(text)).words.map((word) => word.text)).toEqual([text]);
      }),
    );
  });

  it('never gives more than one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(quoteWord(text)).not.toMatch(/[\r\n]/);
      }),
    );
  });
});
