// PJM's state codes (Command Reference, pjstat ST) and the catalogue of options.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFinalState, isPjmState, pjmStates, stateMeaning } from '../../../src/pjm/jobState';
import { findOption, findResourceKey, pjsubOptions, resourceKeys } from '../../../src/pjm/optionCatalog'; // prettier-ignore

describe('stateMeaning', () => {
  it.each([
    ['ACC', 'waiting', false],
    ['QUE', 'waiting', false],
    ['RNA', 'waiting', false],
    ['RNP', 'running', false],
    ['RUN', 'running', false],
    ['RNE', 'running', false],
    ['RNO', 'running', false],
    ['SPP', 'running', false],
    ['SPD', 'running', false],
    ['RSM', 'running', false],
    ['HLD', 'held', false],
    ['ERR', 'error', false],
    ['EXT', 'ended', true],
    ['CCL', 'ended', true],
    ['RJT', 'ended', true],
    // Of FX10 and FX100, and anything that a later PJM may print.
    ['SIN', 'unknown', false],
    ['SWO', 'unknown', false],
    ['RUNNING', 'unknown', false],
    ['ext', 'unknown', false],
    ['', 'unknown', false],
    ['toString', 'unknown', false],
  ])('%j is %s', (state, meaning, isFinal) => {
    expect(stateMeaning(state)).toBe(meaning);
    expect(isFinalState(state)).toBe(isFinal);
    expect(isPjmState(state)).toBe(meaning !== 'unknown');
  });

  it('covers every code', () => {
    expect(new Set(pjmStates).size).toBe(15);
    for (const state of pjmStates) expect(stateMeaning(state)).not.toBe('unknown');
  });

  it('takes no other text for an end', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isFinalState(text)).toBe(['EXT', 'CCL', 'RJT'].includes(text));
      }),
    );
  });
});

describe('catalogue of options', () => {
  it('has every flag once', () => {
    const flags = pjsubOptions.flatMap((option) => option.flags);
    expect(new Set(flags).size).toBe(flags.length);
    for (const flag of flags) expect(findOption(flag)?.flags).toContain(flag);
  });

  it('excludes options that exist, in both directions where both are named', () => {
    for (const { id, excludes = [] } of pjsubOptions)
      for (const other of excludes)
        expect(pjsubOptions.find((option) => option.id === other)?.id, id).toBe(other);
  });

  it.each(['-C', '--dir-prefix', '--verbose', '--script-delimiter'])(
    '%s is not for scripts',
    (flag) => {
      expect(findOption(flag)?.isForScript).toBe(false);
    },
  );

  it.each([
    ['-L', '--rsc-list'],
    ['-N', '--name'],
    ['-g', '--gname'],
    ['-s', '--stats'],
    ['-S', '--STATS'],
    ['-m', '--mail'],
  ])('%s is %s', (short, long) => {
    expect(findOption(short)).toBe(findOption(long));
    expect(findOption(short)).toBeDefined();
  });

  it('explains every option and every resource', () => {
    for (const { help } of [...pjsubOptions, ...resourceKeys]) expect(help).toMatch(/^[A-Z$].+\.$/);
  });

  it.each([
    ['rg', 'rscgrp'],
    ['ru', 'rscunit'],
    ['gpu', 'gpu'],
    ['nodes', undefined],
    ['', undefined],
  ])('-L %s is %s', (text, key) => {
    expect(findResourceKey(text)?.key).toBe(key);
  });
});
