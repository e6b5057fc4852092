// One `#PJM` line <-> directives, with the places of each part. Knows no other line.
// Source: Command Reference, pjsub: the rest of the line is read like the arguments of pjsub.
import type { TextRange } from '../base/problem';
import { findOption, type PjsubOption } from './optionCatalog';

/** A word of a command line; `start` and `end` are columns of the text it was read from. */
export interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** One option as written: `-L "rscgrp=cx-share"`, `-j`, `--mpi proc=8`. */
export interface Directive {
  /** As written, for example `-L`. */
  readonly flag: string;
  /** Undefined when pjsub has no such option. */
  readonly option: PjsubOption | undefined;
  readonly value: string | undefined;
  readonly range: TextRange;
  readonly valueRange: TextRange | undefined;
}

/** What one line gave: its options, words that belong to none, and whether a quote stayed open. */
export interface DirectiveLine {
  readonly directives: readonly Directive[];
  readonly strayWords: readonly Word[];
  readonly isUnbalanced: boolean;
}

const prefixPattern = /^#PJM(?=[ \t]|$)/;

/** True for a line that PJM looks at when it stands in the leading comment block. */
export function isDirectiveLine(line: string): boolean {
  return prefixPattern.test(line);
}

/**
 * Words of a shell-like line: single and double quotes, backslash outside single quotes, and a `#` at the start
 * of a word begins a comment (`elapse=1:00:00  # note` was accepted on Furo).
 */
export function splitWords(
  text: string,
  from = 0,
): { words: readonly Word[]; isUnbalanced: boolean } {
  const words: Word[] = [];
  let position = from;
  while (position < text.length) {
    if (/\s/.test(text.charAt(position))) position += 1;
    else if (text.charAt(position) === '#') break;
    else {
      const word = readWord(text, position);
      words.push(word);
      if (word.isOpen) return { words, isUnbalanced: true };
      position = word.end;
    }
  }
  return { words, isUnbalanced: false };
}

function readWord(text: string, start: number): Word & { isOpen: boolean } {
  let value = '';
  let quote = '';
  let position = start;
  for (; position < text.length; position += 1) {
    const char = text.charAt(position);
    if (quote === '' && /\s/.test(char)) break;
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === '\\' && quote !== "'" && position + 1 < text.length) {
      position += 1;
      value += text.charAt(position);
    } else value += char;
  }
  return { text: value, start, end: position, isOpen: quote !== '' };
}

/** Reads the options of a `#PJM` line; `line` is its number in the script, counted from 0. */
export function parseDirectiveLine(text: string, line: number): DirectiveLine {
  const { words, isUnbalanced } = splitWords(text, '#PJM'.length);
  const directives: Directive[] = [];
  const strayWords: Word[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index];
    if (word === undefined) break;
    if (!word.text.startsWith('-') || word.text === '-') {
      strayWords.push(word);
      continue;
    }
    const { directive, usedNext } = readOption(word, words[index + 1], line);
    directives.push(directive);
    if (usedNext) index += 1;
  }
  return { directives, strayWords, isUnbalanced };
}

function readOption(
  word: Word,
  next: Word | undefined,
  line: number,
): { directive: Directive; usedNext: boolean } {
  const { flag, attached } = splitFlag(word.text);
  const option = findOption(flag);
  const range = (start: number, end: number): TextRange => ({
    startLine: line,
    startColumn: start,
    endLine: line,
    endColumn: end,
  });
  if (attached !== undefined) {
    const valueRange = range(word.start + word.text.length - attached.length, word.end);
    const directive = { flag, option, value: attached, range: range(word.start, word.end) };
    return { directive: { ...directive, valueRange }, usedNext: false };
  }
  const takesNext = option !== undefined && option.value !== 'none' && next !== undefined;
  if (!takesNext || (next.text.startsWith('-') && findOption(splitFlag(next.text).flag))) {
    const directive = { flag, option, value: undefined, valueRange: undefined };
    return { directive: { ...directive, range: range(word.start, word.end) }, usedNext: false };
  }
  const directive = {
    flag,
    option,
    value: next.text,
    range: range(word.start, next.end),
    valueRange: range(next.start, next.end),
  };
  return { directive, usedNext: true };
}

/** `--name=x` and `-Lnode=1` carry their value; `-L` and `--name` do not. */
function splitFlag(text: string): { flag: string; attached?: string } {
  if (findOption(text)) return { flag: text };
  const equals = text.indexOf('=');
  if (text.startsWith('--'))
    return equals < 0 ? { flag: text } : split(text, equals, text.slice(equals + 1));
  const short = text.slice(0, 2);
  const option = findOption(short);
  if (option && option.value !== 'none') return { flag: short, attached: text.slice(2) };
  return { flag: text };
}

function split(text: string, at: number, attached: string): { flag: string; attached: string } {
  return { flag: text.slice(0, at), attached };
}

/** Key and value pairs of a `-L` or `--mpi` value; commas inside parentheses do not separate. */
export function splitPairs(value: string): readonly { key: string; value: string }[] {
  const pairs: { key: string; value: string }[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index <= value.length; index += 1) {
    const char = value.charAt(index);
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (index < value.length && (char !== ',' || depth > 0)) continue;
    const part = value.slice(start, index).trim();
    start = index + 1;
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals < 0) pairs.push({ key: part, value: '' });
    else pairs.push({ key: part.slice(0, equals).trim(), value: part.slice(equals + 1).trim() });
  }
  return pairs;
}

/** A word for a directive line: bare when nothing in it is special, else double-quoted; line ends become blanks. */
export function quoteWord(text: string): string {
  if (/^[\w./:=@%+,-]+$/.test(text)) return text;
  return `"${text.replace(/[\r\n]+/g, ' ').replace(/["\\]/g, '\\$&')}"`;
}
