// Text for a terminal: widths with Japanese and emoji, wrapping, tables, nothing that steers the terminal.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { harmless, paint, renderTable } from '../../../src/cli/terminal';
import { padTo, textWidth, wrap } from '../../../src/words/wrap';

const columns = (text: string) => text.split('\n').map(textWidth);

describe('textWidth', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['日本語', 6],
    ['ｱｲｳ', 3],
    ['Ａ', 2],
    ['한글', 4],
    ['、。「」', 8],
    ['aあb', 4],
    // A mark belongs to its base: macOS writes file names this way.
    ['が', 2],
    ['é', 1],
    ['👍', 2],
    ['👨‍👩‍👧', 2],
    ['👍🏽', 2],
    ['𠮷', 2],
    ['€½', 2],
  ])('%s is %d wide', (text, width) => {
    expect(textWidth(text)).toBe(width);
  });
});

describe('wrap', () => {
  it.each([
    ['one two three', 7, ['one two', 'three']],
    ['one two three', 20, ['one two three']],
    ['abcdefgh', 3, ['abc', 'def', 'gh']],
    ['a abcdefgh', 4, ['a ab', 'cdef', 'gh']],
    ['日本語の文章', 5, ['日本', '語の', '文章']],
    ['AI は便利', 6, ['AI は', '便利']],
    ['two\nlines\tand  blanks', 40, ['two lines and blanks']],
    ['', 5, ['']],
    ['   ', 5, ['']],
    ['👨‍👩‍👧👨‍👩‍👧', 3, ['👨‍👩‍👧', '👨‍👩‍👧']],
    ['あ', 1, ['あ']],
    ['ああ', 1, ['あ', 'あ']],
  ])('%j in %d', (text, width, lines) => {
    expect(wrap(text, width)).toEqual(lines);
  });

  it('keeps every character, in at most the width', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 2, max: 30 }),
        (text, width) => {
          const lines = wrap(text, width);
          const solid = (value: string) => value.replace(/\s/g, '');
          expect(solid(lines.join(''))).toBe(solid(text));
          for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

describe('renderTable', () => {
  const head = [
    { title: '質問', weight: 1 },
    { title: 'answer', weight: 2 },
  ];

  it('lines columns up under wide characters', () => {
    expect(
      renderTable(
        head,
        [
          ['何ですか', 'A 山 is high'],
          ['x', ''],
        ],
        20,
      ).split('\n'),
    ).toEqual(['質問    answer', '──────  ────────────', '何です  A 山 is high', 'か', 'x']);
  });

  it('shows a header without rows, and cells that are not there as empty', () => {
    expect(renderTable(head, [], 20).split('\n')).toHaveLength(2);
    expect(renderTable(head, [[]], 20).split('\n')).toHaveLength(3);
  });

  it('stays inside the width', () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 80 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell)),
        fc.integer({ min: 20, max: 120 }),
        (rows, width) => {
          const text = renderTable(head, rows, width);
          expect(Math.max(...columns(text))).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

describe('padTo', () => {
  it.each([
    ['状態', 6, '状態  '],
    ['state', 6, 'state '],
    ['longer', 3, 'longer'],
  ])('%s', (text, width, expected) => {
    expect(padTo(text, width)).toBe(expected);
  });
});

describe('harmless', () => {
  it.each([
    ['\u001b[2Jgone', '[2Jgone'],
    ['\u001b]0;title\u0007', ']0;title'],
    ['a\u0008b\u007f\u009b', 'ab'],
    ['keeps\ttab\nand line', 'keeps\ttab\nand line'],
    ['日本語', '日本語'],
    ['over\rwritten', 'overwritten'],
  ])('%j', (text, expected) => {
    expect(harmless(text)).toBe(expected);
  });
});

describe('paint', () => {
  const screen = (isTTY: boolean) => ({ isTTY, write: () => undefined });

  it('colours a terminal only', () => {
    expect(paint(screen(false), 'red', 'x')).toBe('x');
    expect(paint({ write: () => undefined }, 'red', 'x')).toBe('x');
    if (process.env['NO_COLOR'] === undefined)
      expect(paint(screen(true), 'red', 'x')).toBe('\u001b[31mx\u001b[0m');
  });
});
