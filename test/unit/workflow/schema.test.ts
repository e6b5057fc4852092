// The JSON schema of furo.yaml against the table that the loader reads by, the loader itself and the example.
import Ajv from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadWorkflow } from '../../../src/workflow/loadWorkflow';
import {
  choices,
  inferenceFields,
  jobFields,
  layoutKeys,
  pythonFields,
  workKeys,
  type FieldKind,
} from '../../../src/workflow/yamlFields';

const root = join(import.meta.dirname, '../../..');

interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Node[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: unknown;
}

interface Schema extends Node {
  readonly properties: Readonly<Record<string, Node>>;
  readonly definitions: Readonly<Record<string, Node>>;
}

const schema = JSON.parse(
  readFileSync(join(root, 'src/workflow/workflow.schema.json'), 'utf8'),
) as Schema;
const accepts = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true }).compile(
  schema,
);

function kindOf(node: Node): FieldKind | undefined {
  if (node.anyOf) return 'elapse';
  if (node.enum) return kindOfChoice(node.enum);
  if (node.type === 'integer') return node.minimum === 1 ? 'count' : 'wholeNumber';
  if (node.type === 'number') return node.maximum === 1 ? 'share' : 'atLeastZero';
  if (node.type === 'string' && node.pattern?.includes('py:') === true) return 'pythonFunction';
  if (node.type === 'object' && node.properties) return 'layout';
  if (node.type === 'object' && node.additionalProperties === undefined) return 'json';
  const kinds: Readonly<Record<string, FieldKind>> = {
    string: 'text',
    array: 'textList',
    object: 'textMap',
  };
  return kinds[node.type ?? ''];
}

function kindOfChoice(words: readonly string[]): FieldKind | undefined {
  const kinds = Object.keys(choices) as (keyof typeof choices)[];
  return kinds.find((kind) => choices[kind].join() === words.join());
}

function kindsOf(node: Node | undefined): Record<string, FieldKind | undefined> {
  const entries = Object.entries(node?.properties ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, kindOf(value)]));
}

describe('the schema', () => {
  const job = schema.definitions['job'];

  it('has the keys and kinds of the loader', () => {
    expect(kindsOf(schema.properties['defaults'])).toEqual(jobFields);
    const { inference, python, script, ...settings } = kindsOf(job);
    expect(settings).toEqual(jobFields);
    expect([inference, python, script]).toEqual(['layout', 'layout', 'text']);
    expect(Object.keys({ inference, python, script })).toEqual([...workKeys]);
    expect(kindsOf(job?.properties?.['inference'])).toEqual(inferenceFields);
    expect(kindsOf(job?.properties?.['python'])).toEqual(pythonFields);
    const { layout } = job?.properties?.['inference']?.properties ?? {};
    expect(Object.keys(layout?.properties ?? {})).toEqual([...layoutKeys]);
  });

  it('describes each key', () => {
    const check = (node: Node, path: string) => {
      for (const [key, value] of Object.entries(node.properties ?? {})) {
        expect(value.description?.length, `${path}.${key}`).toBeGreaterThan(10);
        check(value, `${path}.${key}`);
      }
    };
    check(schema, '');
    if (job) check(job, 'job');
  });

  it('accepts the example', () => {
    const text = readFileSync(join(root, 'examples/furo.yaml'), 'utf8');
    expect(accepts(parse(text)), JSON.stringify(accepts.errors)).toBe(true);
  });
});

// Both must say the same of each text; the loader says it with a line, the schema while typing.
const good: readonly string[] = [
  'jobs: { a: { script: job.sh } }',
  'jobs: { a: { script: ./sub/job.sh, elapse: "1:00:00", nodes: 2 } }',
  'jobs: { a: { python: { script: a.py, arguments: [--n, 3, true] }, elapse: 600 } }',
  'jobs: { a: { inference: { model: m, input: d/p.jsonl, temperature: 0.7, dtype: float16 } } }',
  'jobs: { a: { inference: {}, environment: { HF_HOME: /data, N: 3 } } }',
  'jobs: { a: { inference: { backend: own, layout: { stages: 2, tensorParallel: 4 }, policy: sequential } } }',
  'jobs: { a: { inference: { promptFunction: "lib/prompts.py:build_one", batchRows: 1 } } }',
  'jobs: { a: { inference: { responseFormat: { type: json_object }, chatTemplateKwargs: { enable_thinking: false, n: [1, null] } } } }',
  'jobs: { a: { inference: { layout: {}, temperature: 0, topP: 0, topK: 0, seed: 0 } } }',
  'defaults: { modules: [gcc/11.3.0], elapse: 2h30m }\njobs: { train.v2-b: { script: a.sh } }',
];
const bad: readonly string[] = [
  'jobs: {}',
  'defaults: {}',
  'jobs: { a: {} }',
  'jobs: { a: { script: a.sh, python: { script: b.py } } }',
  'jobs: { 1a: { script: a.sh } }',
  'jobs: { a: { script: a.sh, node: 2 } }',
  'jobs: { a: { script: a.sh, nodes: two } }',
  'jobs: { a: { script: a.sh, nodes: 1.5 } }',
  'jobs: { a: { script: a.sh, elapse: soon } }',
  'jobs: { a: { script: /etc/passwd } }',
  'jobs: { a: { script: ../a.sh } }',
  'jobs: { a: { script: ~/a.sh } }',
  'jobs: { a: { python: {} } }',
  'jobs: { a: { python: { script: a.py, args: [] } } }',
  'jobs: { a: { inference: { model: 3 } } }',
  'jobs: { a: { inference: { dtype: int8 } } }',
  'jobs: { a: { inference: { input: ../../secret.jsonl } } }',
  'jobs: { a: { script: a.sh, environment: { A: [1] } } }',
  'jobs: [ { script: a.sh } ]',
  'jobs: { a: { script: a.sh, nodes: 0 } }',
  'jobs: { a: { inference: { batchRows: 0 } } }',
  'jobs: { a: { inference: { maxNewTokens: 0 } } }',
  'jobs: { a: { inference: { temperature: -0.1 } } }',
  'jobs: { a: { inference: { topP: 1.1 } } }',
  'jobs: { a: { inference: { topK: -1 } } }',
  'jobs: { a: { inference: { backend: torch } } }',
  'jobs: { a: { inference: { policy: best } } }',
  'jobs: { a: { inference: { layout: { stages: 0 } } } }',
  'jobs: { a: { inference: { layout: { tensor_parallel: 2 } } } }',
  'jobs: { a: { inference: { layout: 2 } } }',
  'jobs: { a: { inference: { responseFormat: json } } }',
  'jobs: { a: { inference: { promptFunction: build } } }',
  'jobs: { a: { inference: { promptFunction: "../prompts.py:build" } } }',
  'jobs: { a: { inference: { promptFunction: "p.py:build", promptTemplate: "{{ x }}" } } }',
];

describe('schema and loader agree', () => {
  it.each(good)('good: %s', (text) => {
    const whole = `version: 1\n${text}`;
    expect(accepts(parse(whole)), JSON.stringify(accepts.errors)).toBe(true);
    expect(loadWorkflow(whole).problems).toEqual([]);
  });

  it.each(bad)('bad: %s', (text) => {
    const whole = `version: 1\n${text}`;
    expect(accepts(parse(whole))).toBe(false);
    expect(loadWorkflow(whole).problems.length).toBeGreaterThan(0);
  });

  it('on the version', () => {
    for (const version of ['2', '"1"']) {
      const whole = `version: ${version}\njobs: { a: { script: a.sh } }`;
      expect(accepts(parse(whole))).toBe(false);
      expect(loadWorkflow(whole).problems.length).toBeGreaterThan(0);
    }
  });
});
