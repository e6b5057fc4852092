// What PJM would refuse, or take differently than meant, in a well-formed script. Knows limits only as given.
import type { Problem, Severity, TextRange } from '../base/problem';
import { splitPairs, type Directive } from './directive';
import { parseElapse } from './elapse';
import { findResourceKey } from './optionCatalog';
import { fits, type MisfitCode, type ResourceGroup } from './resourceGroup';
import {
  parseScript,
  readResources,
  type Resource,
  type Script,
  type ScriptProblemCode,
} from './script';

export type JobProblemCode =
  | ScriptProblemCode
  /** name, known: the groups there are; suggestion: the nearest, or empty. */
  | 'resourceGroupUnknown'
  | 'resourceGroupMissing'
  /** group, asked, limit. */
  | MisfitCode
  /** value */
  | 'elapseUnreadable'
  /** value: `3:00` is three minutes. */
  | 'elapseLooksShort'
  /** key */
  | 'resourceUnknown'
  /** key, value */
  | 'resourceNotANumber'
  /** group: `node=` means nothing there. */
  | 'nodesInSharedGroup'
  /** flag, other */
  | 'optionsExclude'
  /** name */
  | 'jobNameInvalid';

type JobProblem = Problem<JobProblemCode>;

/** All problems of a batch script: its form and its meaning against the groups of the machine. */
export function validateScript(
  text: string,
  groups: readonly ResourceGroup[],
): readonly JobProblem[] {
  const { value: script, problems } = parseScript(text);
  if (!script.hasDirectives) return problems;
  const resources = readResources(script.directives);
  return [
    ...problems,
    ...checkResourceKeys(script.directives),
    ...checkGroup(script, resources, groups),
    ...checkElapse(resources.get('elapse')),
    ...checkExclusions(script.directives),
    ...checkName(script.directives),
  ];
}

function found(
  code: JobProblemCode,
  severity: Severity,
  range: TextRange,
  values: JobProblem['values'] = {},
): JobProblem {
  return { code, severity, range, values };
}

function checkResourceKeys(directives: readonly Directive[]): JobProblem[] {
  const problems: JobProblem[] = [];
  for (const { option, value, range, valueRange } of directives) {
    if (option?.id !== 'rsc-list' || value === undefined) continue;
    for (const { key } of splitPairs(value))
      if (!findResourceKey(key))
        problems.push(found('resourceUnknown', 'warning', valueRange ?? range, { key }));
  }
  return problems;
}

function checkGroup(
  script: Script,
  resources: ReadonlyMap<string, Resource>,
  groups: readonly ResourceGroup[],
): JobProblem[] {
  const named = resources.get('rscgrp');
  if (!named) {
    const range = script.directives[0]?.range;
    return range ? [found('resourceGroupMissing', 'error', range)] : [];
  }
  const group = groups.find(({ name }) => name === named.value);
  if (!group) {
    const known = groups.map(({ name }) => name);
    const suggestion = nearest(named.value, known) ?? '';
    const values = { name: named.value, known: known.join(', '), suggestion };
    return [found('resourceGroupUnknown', 'error', named.range, values)];
  }
  return [...checkNumbers(resources), ...checkFit(script, resources, group)];
}

function checkNumbers(resources: ReadonlyMap<string, Resource>): JobProblem[] {
  return ['node', 'gpu'].flatMap((key) => {
    const resource = resources.get(key);
    if (!resource || /^\d+$/.test(resource.value)) return [];
    return [found('resourceNotANumber', 'error', resource.range, { key, value: resource.value })];
  });
}

function checkFit(
  script: Script,
  resources: ReadonlyMap<string, Resource>,
  group: ResourceGroup,
): JobProblem[] {
  const node = resources.get('node');
  const problems: JobProblem[] = [];
  if (group.isShared && node)
    problems.push(found('nodesInSharedGroup', 'warning', node.range, { group: group.name }));
  const elapse = parseElapse(resources.get('elapse')?.value ?? '');
  const gpus = Number(resources.get('gpu')?.value);
  const demand = {
    ...(node && !group.isShared && /^\d+$/.test(node.value) && { nodes: Number(node.value) }),
    ...(Number.isInteger(gpus) && { gpus }),
    ...(elapse !== undefined && { elapseSeconds: elapse === 'unlimited' ? Infinity : elapse }),
    isInteractive: script.directives.some(({ option }) => option?.id === 'interact'),
  };
  const placeOf: Record<MisfitCode, string> = {
    tooFewNodes: 'node',
    tooManyNodes: 'node',
    elapseTooLong: 'elapse',
    tooManyGpus: 'gpu',
    interactiveOnly: 'rscgrp',
  };
  for (const { code, asked, limit } of fits(demand, group)) {
    const place = resources.get(placeOf[code]) ?? resources.get('rscgrp');
    if (place)
      problems.push(found(code, 'error', place.range, { group: group.name, asked, limit }));
  }
  return problems;
}

function checkElapse(elapse: Resource | undefined): JobProblem[] {
  if (!elapse) return [];
  const { value, range } = elapse;
  const seconds = parseElapse(value);
  if (seconds === undefined) return [found('elapseUnreadable', 'error', range, { value })];
  const looksShort = /^\d+:\d\d$/.test(value) && typeof seconds === 'number' && seconds < 1800;
  return looksShort ? [found('elapseLooksShort', 'warning', range, { value })] : [];
}

function checkExclusions(directives: readonly Directive[]): JobProblem[] {
  return directives.flatMap(({ option, flag, range }, index) => {
    const before = directives.slice(0, index);
    const other = before.find((earlier) => option?.excludes?.includes(earlier.option?.id ?? ''));
    return other ? [found('optionsExclude', 'error', range, { flag, other: other.flag })] : [];
  });
}

function checkName(directives: readonly Directive[]): JobProblem[] {
  return directives.flatMap(({ option, value, range, valueRange }) => {
    if (option?.id !== 'name' || value === undefined) return [];
    const isValid = /^[A-Za-z][^/]*$/.test(value) && new TextEncoder().encode(value).length <= 63;
    return isValid ? [] : [found('jobNameInvalid', 'error', valueRange ?? range, { name: value })];
  });
}

/** The known word with the fewest edits from `text`, if at most three. */
export function nearest(text: string, known: readonly string[]): string | undefined {
  const scored = known
    .map((word) => ({ word, distance: editDistance(text, word) }))
    .sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best && best.distance <= 3 ? best.word : undefined;
}

/** Levenshtein distance, two rows at a time. */
function editDistance(a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (before[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    before = row;
  }
  return before[b.length] ?? 0;
}
