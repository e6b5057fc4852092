// The Japanese bundle against the source: every sentence has a translation, none is left over.
import { describe, expect, it } from 'vitest';
import japanese from '../../../l10n/bundle.l10n.ja.json';
import manifest from '../../../package.json';
import { fromBundle } from '../../../src/words/translate';
import { collectSentences } from './sentences';

const bundle: Readonly<Record<string, string>> = japanese;
const { literals, computed } = collectSentences(['src']);
const used = new Set(literals.map(({ text }) => text));

/** Sentences without a word of their own: the same in both languages. */
const sameInBoth = new Set(['{0} ({1}): {2}']);

function placeholders(text: string): string[] {
  return [...new Set(text.match(/\{\d+\}/g) ?? [])].sort();
}

describe('sentences for a person', () => {
  it('are found by the scanner in all three folders', () => {
    for (const folder of ['words', 'ui', 'cli'])
      expect(literals.filter(({ place }) => place.startsWith(`src/${folder}/`))).not.toEqual([]);
    expect(used.size).toBeGreaterThan(200);
  });

  it('are literals, so that they can be looked up', () => {
    expect(computed).toEqual([]);
  });

  it('stand in layers that may speak', () => {
    const elsewhere = literals.filter(({ place }) => !/^src\/(?:words|ui|cli)\//.test(place));
    expect(elsewhere).toEqual([]);
  });

  it('all have a Japanese entry', () => {
    expect(literals.filter(({ text }) => !Object.hasOwn(bundle, text))).toEqual([]);
  });
});

describe('Japanese bundle', () => {
  it('lies where the manifest says', () => {
    expect(manifest.l10n).toBe('./l10n');
  });

  it('has no entry that nothing uses', () => {
    expect(Object.keys(bundle).filter((key) => !used.has(key))).toEqual([]);
  });

  it.each(Object.entries(bundle))('%s', (sentence, translation) => {
    expect(placeholders(translation)).toEqual(placeholders(sentence));
    if (!sameInBoth.has(sentence)) expect(translation).toMatch(/[、぀-ヿ一-鿿]|^ID$/);
    expect(translation).not.toMatch(/[.!?]$(?<!\.\.\.)(?<!\?)/);
    expect(translation.endsWith(' ')).toBe(sentence.endsWith(' '));
  });

  it.each([
    /#PJM\b/,
    /\bpjsub\b/,
    /\bpjstat\b/,
    /\bpjdel\b/,
    /furo\.yaml/,
    /\.furoignore/,
    /furo\.[a-z]+\.[a-zA-Z]+/,
    /\.jsonl/,
    /cx-share/,
    /-L\b/,
    /--interact/,
    /furo-results/,
    /SFTP/,
    /VPN/,
    /CRLF/,
  ])('keeps the code word %s', (word) => {
    const broken = Object.entries(bundle).filter(
      ([sentence, translation]) => word.test(sentence) && !word.test(translation),
    );
    expect(broken).toEqual([]);
  });

  it('fills values in their Japanese order', () => {
    expect(fromBundle(bundle)('{0} of {1} answered', 3, 24)).toBe('24 件中 3 件を回答');
  });

  it('leaves a sentence without an entry in English', () => {
    expect(fromBundle(bundle)('No such sentence {0}', 1)).toBe('No such sentence 1');
  });
});
