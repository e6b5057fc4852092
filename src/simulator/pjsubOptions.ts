// The options of one pjsub call: command line and `#PJM` lines together. Knows their form, not their meaning.
// Source: Command Reference and End-user's Guide: leading comment block only, command line beats script, last wins.
import { splitWords } from '../pjm/directive';
import { pjsubOptions } from '../pjm/optionCatalog';
import {
  lastValue,
  splitArguments,
  splitKeyValues,
  type GivenOption,
  type OptionRule,
} from './arguments';

/** A refusal of pjsub: its number, its text, and whether the usage hint and a place follow. */
export interface Refusal {
  readonly code: number;
  readonly text: string;
  readonly isUsage?: boolean;
  /** `Script file F line N.` */
  readonly place?: string;
}

export const pjsubRules: readonly OptionRule[] = pjsubOptions.map(({ id, flags, value }) => ({
  id,
  flags,
  value: value === 'none' ? 'none' : 'required',
}));

const maxLineLength = 4096;
const maxOptionsOfLine = 64;
const ignoredInScript = new Set(['dir-prefix', 'verbose', 'script-delimiter', 'help']);

export interface ScriptOptions {
  readonly options: readonly GivenOption[];
  readonly warnings: readonly Refusal[];
}

/** Reads the directives of a script; `name` is used in messages. */
export function readScriptOptions(
  text: string,
  name: string,
  prefix = '#PJM',
): ScriptOptions | Refusal {
  const options: GivenOption[] = [];
  const warnings: Refusal[] = [];
  const variables = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    const bare = line.replace(/\r$/, '');
    if (bare.trim() !== '' && !bare.startsWith('#')) break;
    if (!bare.startsWith(prefix) || /^\S/.test(bare.slice(prefix.length))) continue;
    const place = `Script file ${name} line ${index + 1}.`;
    if (bare.length > maxLineLength) return { code: 25, text: 'Line length too long.', place };
    const read = readLine(substitute(bare.slice(prefix.length), variables), place);
    if ('code' in read) return read;
    const used = read.options.slice(0, maxOptionsOfLine);
    if (used.length < read.options.length)
      warnings.push({ code: 24, text: 'Too many arguments in script file.', place });
    for (const { id, value } of used)
      if (id === 'vset')
        for (const pair of splitKeyValues(value)) variables.set(pair.key, pair.value);
    options.push(...used.filter(({ id }) => !ignoredInScript.has(id)));
  }
  return { options, warnings };
}

function substitute(line: string, variables: ReadonlyMap<string, string>): string {
  return line.replace(/\$\{(\w+)\}/g, (all, name: string) => variables.get(name) ?? all);
}

function readLine(line: string, place: string): { options: readonly GivenOption[] } | Refusal {
  const { words, isUnbalanced } = splitWords(line);
  if (isUnbalanced)
    return { code: 8, text: 'Option arguments must be enclosed in quotation mark.', place };
  const { options, operands, bad } = splitArguments(
    words.map((word) => word.text),
    pjsubRules,
  );
  if (bad !== undefined) return { ...unknownOption(bad), place };
  const [stray] = operands;
  return stray === undefined
    ? { options }
    : { code: 9, text: `Invalid argument: ${stray}.`, isUsage: true, place };
}

export function unknownOption(flag: string): Refusal {
  return {
    code: 1,
    text: `Unknown option or no option argument: ${flag}.`,
    isUsage: true,
  };
}

/** Options of both sources with the command line's last, so that the last wins. */
export class MergedOptions {
  constructor(
    readonly script: readonly GivenOption[],
    readonly command: readonly GivenOption[],
  ) {}

  has(id: string): boolean {
    return this.value(id) !== undefined;
  }

  /** Value of the winning use; empty for an option without a value. */
  value(id: string): string | undefined {
    return lastValue(this.command, id) ?? lastValue(this.script, id);
  }

  /** Which of two exclusive options holds: the command line beats the script, then the last wins. */
  winner(a: string, b: string): string | undefined {
    const last = (options: readonly GivenOption[]) =>
      options.filter(({ id }) => id === a || id === b).at(-1)?.id;
    return last(this.command) ?? last(this.script);
  }

  /** Keys of all uses merged; a later value replaces an earlier one of the same key. */
  keys(id: string, aliases: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> {
    const merged = new Map<string, string>();
    for (const option of [...this.script, ...this.command])
      if (option.id === id)
        for (const { key, value } of splitKeyValues(option.value))
          merged.set(aliases[key] ?? key, value);
    return merged;
  }
}

/** Flags of another kind of machine (FX): PJM ignores them here, and says so with --verbose. */
export function foreignOptions(options: readonly GivenOption[]): readonly string[] {
  return options.filter(({ id }) => id === 'net-route').map(({ flag }) => flag);
}

/** Options that exclude each other within one source: refused with 0002. */
export function checkCombinations(source: readonly GivenOption[]): Refusal | undefined {
  for (const { id, flags, excludes } of pjsubOptions) {
    const own = source.find((option) => option.id === id);
    const other = source.find((option) => excludes?.includes(option.id));
    if (own && other)
      return {
        code: 2,
        text: `Invalid combination: ${other.flag} and ${own.flag || (flags[0] ?? '')}.`,
        isUsage: true,
      };
  }
  return undefined;
}
