// Splits a command line into options and operands as getopt does. Knows only the rules it is given.

export interface OptionRule {
  readonly id: string;
  readonly flags: readonly string[];
  /** `optional`: the next word is taken only when it fits `pattern`. */
  readonly value: 'none' | 'required' | 'optional';
  readonly pattern?: RegExp;
}

export interface GivenOption {
  readonly id: string;
  /** As written: `-L`, `--rsc-list`. */
  readonly flag: string;
  readonly value: string;
}

export interface SplitArguments {
  readonly options: readonly GivenOption[];
  readonly operands: readonly string[];
  /** The first flag that is unknown, lacks its value or has one too many. */
  readonly bad: string | undefined;
}

/** Options may stand before and after operands; `--` ends them. */
export function splitArguments(
  words: readonly string[],
  rules: readonly OptionRule[],
): SplitArguments {
  const options: GivenOption[] = [];
  const operands: string[] = [];
  let index = 0;
  while (index < words.length) {
    const word = words[index] ?? '';
    index += 1;
    if (word === '--') {
      operands.push(...words.slice(index));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    const read = readOption(word, words[index], rules);
    if (read === undefined) return { options, operands, bad: badFlag(word) };
    options.push(...read.options);
    if (read.usedNext) index += 1;
  }
  return { options, operands, bad: undefined };
}

function badFlag(word: string): string {
  return word.startsWith('--') ? word.replace(/=.*$/s, '') : word.slice(0, 2);
}

function readOption(
  word: string,
  next: string | undefined,
  rules: readonly OptionRule[],
): { options: GivenOption[]; usedNext: boolean } | undefined {
  const find = (flag: string) => rules.find(({ flags }) => flags.includes(flag));
  const equals = word.indexOf('=');
  const isLong = word.startsWith('--');
  const flag = isLong && equals > 0 ? word.slice(0, equals) : isLong ? word : word.slice(0, 2);
  const attached = isLong
    ? equals > 0
      ? word.slice(equals + 1)
      : undefined
    : word.length > 2
      ? word.slice(2)
      : undefined;
  const rule = find(flag);
  if (!rule) return undefined;
  const one = (value: string) => ({ id: rule.id, flag, value });
  if (rule.value === 'none') {
    if (attached === undefined) return { options: [one('')], usedNext: false };
    return isLong ? undefined : readCluster(one(''), attached, next, rules);
  }
  if (attached !== undefined) return { options: [one(attached)], usedNext: false };
  const takesNext =
    next !== undefined &&
    (rule.value === 'required' ? !isFlag(next, rules) : rule.pattern?.test(next) === true);
  if (takesNext) return { options: [one(next)], usedNext: true };
  return rule.value === 'optional' ? { options: [one('')], usedNext: false } : undefined;
}

/** `-jS` is `-j -S`. */
function readCluster(
  first: GivenOption,
  rest: string,
  next: string | undefined,
  rules: readonly OptionRule[],
): { options: GivenOption[]; usedNext: boolean } | undefined {
  const read = readOption(`-${rest}`, next, rules);
  return read && { options: [first, ...read.options], usedNext: read.usedNext };
}

function isFlag(word: string, rules: readonly OptionRule[]): boolean {
  return rules.some(({ flags }) => flags.includes(word.replace(/=.*$/s, '')));
}

/** A key with a value, as in `-L`, `--mpi`, `--sparam`, `-x`. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** `a=1,b=2` as pairs; commas inside parentheses do not separate, and blanks around parts are dropped. */
export function splitKeyValues(text: string): readonly KeyValue[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const char of text) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === ',' && depth === 0) parts.push('');
    else parts.push((parts.pop() ?? '') + char);
  }
  return parts
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      if (equals < 0) return { key: part, value: '' };
      return { key: part.slice(0, equals).trim(), value: part.slice(equals + 1).trim() };
    });
}

/** Value of the last use of an option. */
export function lastValue(options: readonly GivenOption[], id: string): string | undefined {
  return options.filter((option) => option.id === id).at(-1)?.value;
}

/** True when the option was given at all. */
export function isGiven(options: readonly GivenOption[], id: string): boolean {
  return options.some((option) => option.id === id);
}
