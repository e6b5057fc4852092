// Reads typed values out of a YAML document and keeps the place of each mistake. Knows no key of furo.yaml.
import { isMap, isScalar, isSeq, type LineCounter, type Node, type Pair, type YAMLMap } from 'yaml';
import type { Problem, TextRange } from '../base/problem';
import { parseElapse } from '../pjm/elapse';
import { nearest } from '../pjm/validate';
import type { Json, Layout } from './workflow';
import { choices, layoutKeys, pythonFunctionPattern, type FieldKind } from './yamlFields';

export type WorkflowProblemCode =
  /** detail: what the YAML parser says. */
  | 'yamlInvalid'
  /** key, known, suggestion */
  | 'keyUnknown'
  /** key, expected: kind of value. */
  | 'valueWrong'
  /** key */
  | 'keyMissing'
  /** found: the version that was written. */
  | 'versionUnsupported'
  /** job */
  | 'workMissing'
  /** job, first, second */
  | 'workTwice'
  /** Both a template and a function make the prompt. */
  | 'promptTwice'
  /** job: not a name that can stand in a file name. */
  | 'jobNameUnusable'
  /** key, path: leads out of the folder. */
  | 'pathOutside'
  | 'noJobs';

type WorkflowProblem = Problem<WorkflowProblemCode>;
type FieldValue = Json | Layout;

/** A reader over one document; problems gather in `problems`. */
export class YamlReader {
  readonly problems: WorkflowProblem[] = [];
  readonly #lines: LineCounter;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  report(
    code: WorkflowProblemCode,
    node: Node | null | undefined,
    values: WorkflowProblem['values'] = {},
  ): void {
    this.problems.push({ code, severity: 'error', range: this.rangeOf(node), values });
  }

  rangeOf(node: Node | null | undefined): TextRange {
    const [start, end] = node?.range ?? [0, 1];
    return this.rangeBetween(start, end);
  }

  rangeBetween(start: number, end: number): TextRange {
    const from = this.#lines.linePos(start);
    const to = this.#lines.linePos(end);
    return {
      startLine: Math.max(0, from.line - 1),
      startColumn: Math.max(0, from.col - 1),
      endLine: Math.max(0, to.line - 1),
      endColumn: Math.max(0, to.col - 1),
    };
  }

  /** Pairs of a mapping whose keys are in `known`; every other key is a problem at its place. */
  pairs(map: YAMLMap, known: readonly string[] | 'any'): { key: string; pair: Pair<Node, Node> }[] {
    const found: { key: string; pair: Pair<Node, Node> }[] = [];
    for (const item of map.items as Pair<Node, Node>[]) {
      const key = isScalar(item.key) ? String(item.key.value) : '';
      if (known === 'any' || known.includes(key)) found.push({ key, pair: item });
      else {
        const suggestion = nearest(key, known) ?? '';
        this.report('keyUnknown', item.key, { key, known: known.join(', '), suggestion });
      }
    }
    return found;
  }

  /** The node as a mapping; anything else is a problem, told at `keyNode` when there is no value at all. */
  map(key: string, node: Node | null, keyNode?: Node): YAMLMap | undefined {
    if (isMap(node)) return node;
    this.report('valueWrong', node ?? keyNode, { key, expected: 'map' });
    return undefined;
  }

  /** Values of a mapping by a table of kinds. */
  fields(
    map: YAMLMap,
    table: Readonly<Record<string, FieldKind>>,
    alsoKnown: readonly string[] = [],
  ): Map<string, FieldValue> {
    const values = new Map<string, FieldValue>();
    for (const { key, pair } of this.pairs(map, [...Object.keys(table), ...alsoKnown])) {
      const kind = table[key];
      if (kind === undefined) continue;
      const value = readValue(pair.value, kind);
      if (value === undefined)
        this.report('valueWrong', pair.value ?? pair.key, { key, expected: kind });
      else values.set(key, value);
    }
    return values;
  }
}

function readValue(node: Node | null, kind: FieldKind): FieldValue | undefined {
  if (kind === 'textList') {
    if (!isSeq(node)) return undefined;
    const texts = (node.items as Node[]).map(textOf);
    return texts.every((text) => text !== undefined) ? texts : undefined;
  }
  if (kind === 'textMap') {
    if (!isMap(node)) return undefined;
    const entries = (node.items as Pair<Node, Node>[]).map((pair) => [
      textOf(pair.key),
      textOf(pair.value),
    ]);
    const isWhole = entries.every(
      ([name, value]) => name !== undefined && isVariableName(name) && value !== undefined,
    );
    return isWhole ? (Object.fromEntries(entries) as Record<string, string>) : undefined;
  }
  if (kind === 'json') return isMap(node) ? readJson(node) : undefined;
  if (kind === 'layout') return readLayout(node);
  return readScalar(node, kind);
}

/** Undefined for what JSON cannot say, and for references to other places of the file. */
function readJson(node: Node | null): Json | undefined {
  if (isMap(node)) {
    const entries = (node.items as Pair<Node, Node>[]).map(({ key, value }) => [
      textOf(key),
      readJson(value),
    ]);
    const isWhole = entries.every(([name, value]) => name !== undefined && value !== undefined);
    return isWhole ? (Object.fromEntries(entries) as Readonly<Record<string, Json>>) : undefined;
  }
  if (isSeq(node)) {
    const items = (node.items as Node[]).map(readJson);
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  if (node === null) return null;
  if (!isScalar(node)) return undefined;
  const { value } = node;
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'string' || typeof value === 'boolean' || value === null
    ? value
    : undefined;
}

function readLayout(node: Node | null): Layout | undefined {
  if (!isMap(node)) return undefined;
  const entries = (node.items as Pair<Node, Node>[]).map(({ key, value }) => ({
    key: layoutKeys.find((known) => known === textOf(key)),
    value: readScalar(value, 'count'),
  }));
  const isWhole = entries.every(({ key, value }) => key !== undefined && value !== undefined);
  return isWhole
    ? (Object.fromEntries(entries.map(({ key, value }) => [key, value])) as Layout)
    : undefined;
}

/** What a shell exports: the names go into the job script as they are. */
function isVariableName(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text);
}

function readScalar(node: Node | null, kind: FieldKind): string | number | undefined {
  if (!isScalar(node)) return undefined;
  const { value } = node;
  switch (kind) {
    case 'text':
      return typeof value === 'string' ? value : undefined;
    case 'pythonFunction':
      return typeof value === 'string' && pythonFunctionPattern.test(value) ? value : undefined;
    case 'atLeastZero':
      return numberFrom(value, 0);
    case 'share':
      return numberFrom(value, 0, 1);
    case 'wholeNumber':
    case 'count': {
      const number = numberFrom(value, kind === 'count' ? 1 : 0);
      return Number.isInteger(number) ? number : undefined;
    }
    case 'dtype':
    case 'backend':
    case 'policy':
      return choices[kind].find((choice) => choice === value);
    case 'elapse': {
      const seconds = parseElapse(String(value));
      return typeof seconds === 'number' && seconds > 0 ? seconds : undefined;
    }
    case 'textList':
    case 'textMap':
    case 'json':
    case 'layout':
      return undefined;
  }
}

function numberFrom(value: unknown, least: number, most = Infinity): number | undefined {
  const isIn = typeof value === 'number' && Number.isFinite(value) && value >= least;
  return isIn && value <= most ? value : undefined;
}

/** Texts and numbers as text: `arguments: [--count, 3]` is meant that way. */
function textOf(node: Node | null): string | undefined {
  if (!isScalar(node)) return undefined;
  const { value } = node;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}
