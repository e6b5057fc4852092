// One line of a .gitignore file as git understands it. Pure; knows one pattern, not which of many wins.
import { wildmatch } from './wildmatch';

export interface GitPattern {
  /** The line as it stands in the file, without its end. */
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
  /** Begins with `!`: takes back what an earlier one left out. */
  readonly isNegative: boolean;
  /** Ends with `/`: folders only. */
  readonly isForFolders: boolean;
  /** No `/` inside: meant for the last part of a path, at any depth. */
  readonly isForNames: boolean;
  /** What remains to be matched; UTF-8 bytes as Latin-1 text. */
  readonly body: string;
  /** Length of the start of `body` that has no wildcard. */
  readonly plainLength: number;
}

/** Patterns of a file in its order; comments and empty lines are none. */
export function parsePatterns(text: string): GitPattern[] {
  const lines = toBytes(text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  const patterns: GitPattern[] = [];
  for (const [index, whole] of lines.entries()) {
    if (whole === '' || whole.startsWith('#')) continue;
    const [untilNul = ''] = whole.replace(/\r$/, '').split('\0', 1);
    patterns.push(parsePattern(trimSpaces(untilNul), index + 1));
  }
  return patterns;
}

function parsePattern(line: string, number: number): GitPattern {
  const isNegative = line.startsWith('!');
  const whole = isNegative ? line.slice(1) : line;
  const isForFolders = whole.endsWith('/');
  const body = isForFolders ? whole.slice(0, -1) : whole;
  const special = whole.search(/[*?[\\]/);
  return {
    text: Buffer.from(line, 'latin1').toString('utf8'),
    line: number,
    isNegative,
    isForFolders,
    isForNames: !body.includes('/'),
    body,
    plainLength: Math.min(special < 0 ? whole.length : special, body.length),
  };
}

/** Spaces at the end do not count, unless a backslash stands before. */
function trimSpaces(line: string): string {
  let end = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === ' ') continue;
    if (line[at] === '\\') at++;
    end = at + 1;
  }
  return line.slice(0, end);
}

/** Whether the pattern, which stands in a folder, speaks of `path` below that folder. Bytes, see {@link toBytes}. */
export function matchesPattern(
  pattern: GitPattern,
  path: string,
  { isFolder, foldsCase }: { readonly isFolder: boolean; readonly foldsCase: boolean },
): boolean {
  if (pattern.isForFolders && !isFolder) return false;
  const isSame = foldsCase
    ? (a: string, b: string) => foldAscii(a) === foldAscii(b)
    : (a: string, b: string) => a === b;
  return pattern.isForNames
    ? matchesName(pattern, path.slice(path.lastIndexOf('/') + 1), { isSame, foldsCase })
    : matchesPath(pattern, path, { isSame, foldsCase });
}

interface Letters {
  readonly foldsCase: boolean;
  readonly isSame: (a: string, b: string) => boolean;
}

function matchesName({ body, plainLength }: GitPattern, name: string, letters: Letters): boolean {
  if (plainLength === body.length) return letters.isSame(body, name);
  return wildmatch(body, name, { isPath: false, foldsCase: letters.foldsCase });
}

/** Git compares the plain start as text and gives only the rest to wildmatch, which is seen in `a**` `/b`. */
function matchesPath(pattern: GitPattern, path: string, letters: Letters): boolean {
  const skipped = pattern.body.startsWith('/') ? 1 : 0;
  const plain = pattern.body.slice(skipped, pattern.plainLength);
  const rest = pattern.body.slice(Math.max(skipped, pattern.plainLength));
  if (!letters.isSame(plain, path.slice(0, plain.length))) return false;
  const left = path.slice(plain.length);
  if (rest === '' && left === '') return true;
  return wildmatch(rest, left, { isPath: true, foldsCase: letters.foldsCase });
}

/** Git matches bytes: `?` is one byte of a letter, not the letter. */
export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function foldAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
