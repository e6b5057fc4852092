// Output as lines: whatever the pieces, the same text.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineFolder } from '../../../src/jobs/foldLines';

/** The text that a folder gives for bytes in the given pieces. */
function folded(bytes: Buffer, cuts: readonly number[]): string {
  const folder = new LineFolder();
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].sort((a, b) => a - b); // prettier-ignore
  let text = '';
  for (const [index, end] of ends.entries())
    text += folder.push(bytes.subarray(ends[index - 1] ?? 0, end));
  return text + folder.end();
}

/** A terminal that knows only `\r` and `\n`, a character at a time. */
function terminal(text: string): string {
  let screen = '';
  let line = '';
  let isReturned = false;
  for (const char of text) {
    if (char === '\n') {
      screen += `${line}\n`;
      [line, isReturned] = ['', false];
    } else if (char === '\r') isReturned = true;
    else {
      if (isReturned) line = '';
      [line, isReturned] = [line + char, false];
    }
  }
  return line === '' ? screen : `${screen}${line}\n`;
}

/** The lines of text that consists of whole lines. */
function linesOf(text: string): string[] {
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text.split('\n').slice(0, -1);
}

const piece = fc.constantFrom(
  'a',
  'é',
  '推',
  '論',
  '🦐',
  '👩‍🔬',
  ' ',
  '\r',
  '\r\n',
  '\n',
  '\n',
  '\r50%',
);
const text = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));
const cuts = fc.array(fc.nat(), { maxLength: 20 });

describe('LineFolder', () => {
  it('gives the same text for any cut of the bytes, and what a terminal shows', () => {
    fc.assert(
      fc.property(text, cuts, (whole, at) => {
        expect(folded(Buffer.from(whole), at)).toBe(terminal(whole));
      }),
      { numRuns: 2000 },
    );
  });

  it('shows a bar while it grows, at most every 10 s, and loses and doubles nothing', () => {
    const step = fc.record({ text, waitMs: fc.constantFrom(0, 100, 4000, 11_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const folder = new LineFolder();
        const ended: string[] = [];
        const glances: { line: string; index: number; atMs: number }[] = [];
        let [whole, atMs] = ['', 0];
        for (const { text: piece, waitMs } of steps) {
          ended.push(...linesOf(folder.push(Buffer.from(piece))));
          whole += piece;
          atMs += waitMs;
          const index = whole.split('\n').length - 1;
          for (const line of linesOf(folder.glance(atMs))) glances.push({ line, index, atMs });
        }
        ended.push(...linesOf(folder.end()));
        // A line that was last shown as it ended is not given once more; any other is given once.
        const wanted = linesOf(terminal(whole)).filter(
          (line, at) => glances.filter(({ index }) => index === at).at(-1)?.line !== line,
        );
        expect(ended).toEqual(wanted);
        for (const [n, { line, index, atMs: when }] of glances.entries()) {
          const before = glances[n - 1];
          expect(when - (before?.atMs ?? 0)).toBeGreaterThanOrEqual(10_000);
          if (before?.index === index) expect(line).not.toBe(before.line);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('shows what a bar of tqdm says, minute after minute, and its end once', () => {
    const folder = new LineFolder();
    let shown = '';
    for (let second = 0; second <= 60; second += 1) {
      shown += folder.push(Buffer.from(`\r${String(second)}/60`));
      shown += folder.glance(second * 1000);
    }
    expect(shown).toBe('9/60\n19/60\n29/60\n39/60\n49/60\n59/60\n');
    // Nothing follows the last state, so it is whole.
    expect(folder.glance(70_500)).toBe('60/60\n');
    expect(folder.glance(90_000)).toBe('');
    expect(folder.push(Buffer.from('\nnext\n'))).toBe('next\n');
  });

  it('holds a line back that is no bar', () => {
    const folder = new LineFolder();
    folder.push(Buffer.from('a\nreading ...'));
    for (let second = 0; second < 60; second += 5) expect(folder.glance(second * 1000)).toBe('');
    expect(folder.push(Buffer.from(' done\n'))).toBe('reading ... done\n');
  });

  it('gives whole lines only, each once', () => {
    fc.assert(
      fc.property(text, cuts, (whole, at) => {
        const folder = new LineFolder();
        const bytes = Buffer.from(whole);
        for (const cut of at) {
          const given = folder.push(bytes.subarray(0, cut % (bytes.length + 1)));
          expect(given === '' || given.endsWith('\n')).toBe(true);
        }
      }),
    );
  });

  it.each([
    ['a\r\nb\r\n', 'a\nb\n'],
    ['10%\r20%\r100%\n', '100%\n'],
    ['10%\r20%\r', '20%\n'],
    ['last line without end', 'last line without end\n'],
    ['', ''],
    ['\r\r\n', '\n'],
  ])('%j shows as %j', (given, shown) => {
    expect(folded(Buffer.from(given), [])).toBe(shown);
  });

  it('keeps a bar that grows for hours in little memory', () => {
    const folder = new LineFolder();
    let text = '';
    for (let n = 0; n < 5000; n += 1)
      text += folder.push(Buffer.from(`\r${'█'.repeat(50)} ${String(n)}`));
    expect(text).toBe('');
    expect(folder.end()).toBe(`${'█'.repeat(50)} 4999\n`);
  });

  it('passes a line on in parts that is too long to wait for, losing nothing', () => {
    const folder = new LineFolder();
    const long = '長い行'.repeat(50_000);
    const bytes = Buffer.from(`${long}\nnext\n`);
    let text = '';
    for (let at = 0; at < bytes.length; at += 1000)
      text += folder.push(bytes.subarray(at, at + 1000));
    expect(text + folder.end()).toBe(`${long}\nnext\n`);
  });

  it('shows a broken byte as the replacement character and goes on', () => {
    expect(folded(Buffer.from([0x61, 0xff, 0x62, 0x0a, 0xe6, 0x8e]), [3])).toBe(
      'a\uFFFDb\n\uFFFD\n',
    );
  });
});

describe('outputs of real jobs on Furo', () => {
  it.each([
    ['infer_device_map_on_1node4gpu.sh.1996132.out', 17, '17/17 [00:06<00:00,  2.79it/s]'],
    ['inference_on_1gpu.sh.1996122.out', 4, '4/4 [00:02<00:00,  1.88it/s]'],
  ])('%s: one line for the bar, all others as they are', (name, shards, last) => {
    const captured = readFileSync(join(import.meta.dirname, '../../fixtures/furo', name), 'utf8');
    // As tqdm writes: a carriage return before each state of the bar.
    const written = captured.replaceAll(/\n(?=Loading checkpoint shards: )/g, '\r');
    expect(written.split('\r')).toHaveLength(shards + 2);
    const bar = /^Loading checkpoint shards: .*\n/gm;
    const shown = folded(Buffer.from(written), [100, 700, 701, 702, 1500]);
    expect(shown.match(bar)).toEqual([expect.stringContaining(last)]);
    expect(shown.replaceAll(bar, '')).toBe(captured.replaceAll(bar, '').replace('\n\n', '\n'));
    expect(shown).toContain('\n+ cd /data/group1/user1/exp\n');
  });
});
