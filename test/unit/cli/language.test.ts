// Which language the command line speaks.
import { describe, expect, it } from 'vitest';
import { languageOf } from '../../../src/cli/language';

describe('languageOf', () => {
  it.each([
    [{ LANG: 'ja_JP.UTF-8' }, '完了'],
    [{ LANG: 'ja' }, '完了'],
    [{ LANG: 'en_US.UTF-8', LC_MESSAGES: 'ja_JP.UTF-8' }, '完了'],
    [{ LANG: 'C', LC_ALL: 'ja_JP.eucJP' }, '完了'],
    [{ LANG: 'ja_JP.UTF-8', LC_ALL: '' }, '完了'],
    [{ LANG: 'ja_JP.UTF-8', LC_ALL: 'C' }, 'done'],
    [{ LANG: 'ja_JP.UTF-8', LC_MESSAGES: 'en_GB' }, 'done'],
    [{ LANG: 'jam_JM' }, 'done'],
    [{ LANG: 'C.UTF-8' }, 'done'],
    [{}, 'done'],
  ])('%j', (environment, expected) => {
    expect(languageOf(environment)('done')).toBe(expected);
  });
});
