// The language of the command line, from the variables that every terminal sets. Knows no sentences.
import japanese from '../../l10n/bundle.l10n.ja.json';
import { english, fromBundle, type Translate } from '../words/translate';

/** Sentences in Japanese when the locale says so, else in English. `LC_ALL` beats `LC_MESSAGES` beats `LANG`. */
export function languageOf(environment: Readonly<Record<string, string | undefined>>): Translate {
  const { LC_ALL: all, LC_MESSAGES: messages, LANG: language } = environment;
  const locale = [all, messages, language].find((value) => value !== undefined && value !== '');
  return /^ja(?:[_.@-]|$)/i.test(locale ?? '') ? fromBundle(japanese) : english;
}
