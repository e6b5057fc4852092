// A batch script as PJM sees it: directives of the leading comment block, and the body. Never throws.
// Source: Command Reference and End-user's Guide, pjsub: directives count up to the first line that is no comment.
import type { Parsed, Problem, Severity, TextRange } from '../base/problem';
import { isDirectiveLine, parseDirectiveLine, splitPairs, type Directive } from './directive';
import { parseElapse } from './elapse';
import type { JobRequest } from './jobRequest';
import { findResourceKey } from './optionCatalog';

export interface Script {
  readonly directives: readonly Directive[];
  /** Everything after the leading comment block. */
  readonly body: string;
  /** Line number of the first line of the body, counted from 0. */
  readonly bodyStartLine: number;
  /** True when at least one line begins with `#PJM`. */
  readonly hasDirectives: boolean;
}

export type ScriptProblemCode =
  /** A `#PJM` line after the first command: PJM takes it for a comment. */
  | 'directiveIgnored'
  /** flag */
  | 'unknownOption'
  /** flag: not allowed in a script. */
  | 'optionNotForScript'
  /** flag */
  | 'optionValueMissing'
  /** flag: the option takes none. */
  | 'optionValueUnexpected'
  /** word: belongs to no option, as in `#PJM elapse=1:00:00`. */
  | 'strayWord'
  /** word: as above, and it is a resource, so `-L` is missing. */
  | 'resourceFlagMissing'
  | 'quoteUnbalanced'
  /** prefix: as written, for example `#pjm`. */
  | 'prefixMisspelled'
  | 'windowsLineEnds';

type ScriptProblem = Problem<ScriptProblemCode>;

/** Reads a batch script. Problems are those of the `#PJM` lines' form; `validate.ts` judges their meaning. */
export function parseScript(text: string): Parsed<Script, ScriptProblemCode> {
  const lines = text.split(/\r?\n/);
  const firstCommand = lines.findIndex((line) => line.trim() !== '' && !line.startsWith('#'));
  const bodyStartLine = firstCommand < 0 ? lines.length : firstCommand;
  const directives: Directive[] = [];
  const problems: ScriptProblem[] = [];
  let hasDirectives = false;
  if (text.includes('\r\n'))
    problems.push(problemAt('windowsLineEnds', 'warning', lineRange(0, lines)));
  for (const [number, line] of lines.entries()) {
    if (!isDirectiveLine(line)) {
      problems.push(...checkSpelling(line, number, lines));
      continue;
    }
    hasDirectives = true;
    if (number >= bodyStartLine) {
      problems.push(problemAt('directiveIgnored', 'warning', lineRange(number, lines)));
      continue;
    }
    const read = parseDirectiveLine(line, number);
    directives.push(...read.directives);
    problems.push(...checkLine(read, number, lines));
  }
  const body = lines.slice(bodyStartLine).join('\n');
  return { value: { directives, body, bodyStartLine, hasDirectives }, problems };
}

function lineRange(line: number, lines: readonly string[]): TextRange {
  const endColumn = lines[line]?.length ?? 0;
  return { startLine: line, startColumn: 0, endLine: line, endColumn };
}

function problemAt(
  code: ScriptProblemCode,
  severity: Severity,
  range: TextRange,
  values: ScriptProblem['values'] = {},
): ScriptProblem {
  return { code, severity, range, values };
}

/** `#pjm -L` and `# PJM -L` look like directives to a person, and like comments to PJM. */
function checkSpelling(line: string, number: number, lines: readonly string[]): ScriptProblem[] {
  const match = /^\s*(#\s*PJM)\s+-/i.exec(line);
  if (!match) return [];
  return [
    problemAt('prefixMisspelled', 'warning', lineRange(number, lines), { prefix: match[1] ?? '' }),
  ];
}

function checkLine(
  read: ReturnType<typeof parseDirectiveLine>,
  number: number,
  lines: readonly string[],
): ScriptProblem[] {
  const problems: ScriptProblem[] = [];
  if (read.isUnbalanced)
    problems.push(problemAt('quoteUnbalanced', 'error', lineRange(number, lines)));
  for (const { text, start, end } of read.strayWords) {
    const isResource = findResourceKey(text.split('=')[0] ?? '') !== undefined;
    const range = { startLine: number, startColumn: start, endLine: number, endColumn: end };
    const code = isResource ? 'resourceFlagMissing' : 'strayWord';
    problems.push(problemAt(code, 'error', range, { word: text }));
  }
  for (const directive of read.directives) problems.push(...checkDirective(directive));
  return problems;
}

function checkDirective({ flag, option, value, range }: Directive): ScriptProblem[] {
  if (!option) return [problemAt('unknownOption', 'error', range, { flag })];
  if (!option.isForScript) return [problemAt('optionNotForScript', 'warning', range, { flag })];
  if (option.value === 'none' && value !== undefined)
    return [problemAt('optionValueUnexpected', 'error', range, { flag })];
  if (option.value !== 'none' && (value === undefined || value === ''))
    return [problemAt('optionValueMissing', 'error', range, { flag })];
  return [];
}

/** A resource of `-L`, where it was written last. */
export interface Resource {
  readonly key: string;
  readonly value: string;
  readonly range: TextRange;
}

/** All `-L` resources under their long names; keys merge over several lines and the last one wins. */
export function readResources(directives: readonly Directive[]): ReadonlyMap<string, Resource> {
  const resources = new Map<string, Resource>();
  for (const { option, value, range, valueRange } of directives) {
    if (option?.id !== 'rsc-list' || value === undefined) continue;
    for (const pair of splitPairs(value)) {
      const key = findResourceKey(pair.key)?.key ?? pair.key;
      resources.set(key, { key, value: pair.value, range: valueRange ?? range });
    }
  }
  return resources;
}

/** Value of the last use of an option; an empty text for an option without a value. */
export function readOptionValue(directives: readonly Directive[], id: string): string | undefined {
  const last = directives.filter(({ option }) => option?.id === id).at(-1);
  return last && (last.value ?? '');
}

/**
 * What the directives ask for. `elapseSeconds` is 0 where the script says nothing or something unreadable,
 * and `resourceGroup` is empty where it names none: `validate.ts` reports both.
 */
export function toJobRequest(script: Script): JobRequest {
  const { directives } = script;
  const resources = readResources(directives);
  const text = (key: string) => resources.get(key)?.value;
  const elapse = parseElapse(text('elapse') ?? '');
  const name = readOptionValue(directives, 'name');
  const nodes = wholeNumber(text('node'));
  const gpus = wholeNumber(text('gpu'));
  const jobEnvironment = text('jobenv');
  const projectGroup = readOptionValue(directives, 'gname');
  const comment = readOptionValue(directives, 'comment');
  const mpi = splitPairs(readOptionValue(directives, 'mpi') ?? '');
  const mpiProcesses = wholeNumber(mpi.find(({ key }) => key === 'proc')?.value);
  return {
    ...(name !== undefined && { name }),
    resourceGroup: text('rscgrp') ?? '',
    ...(nodes !== undefined && { nodes }),
    ...(gpus !== undefined && { gpus }),
    elapseSeconds: typeof elapse === 'number' ? elapse : 0,
    ...(mpiProcesses !== undefined && { mpiProcesses }),
    ...(jobEnvironment !== undefined && { jobEnvironment }),
    ...(projectGroup !== undefined && { projectGroup }),
    joinOutput: readOptionValue(directives, 'j') !== undefined,
    statistics: readStatistics(directives),
    ...(comment !== undefined && { comment }),
  };
}

function readStatistics(directives: readonly Directive[]): JobRequest['statistics'] {
  if (readOptionValue(directives, 'STATS') !== undefined) return 'nodes';
  return readOptionValue(directives, 'stats') === undefined ? 'none' : 'job';
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
