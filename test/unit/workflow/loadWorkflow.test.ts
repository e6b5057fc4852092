// `furo.yaml`: every mistake at its place, and what comes out of a right file.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadWorkflow } from '../../../src/workflow/loadWorkflow';
import { inferenceFields, jobFields, pythonFields } from '../../../src/workflow/yamlFields';

const keys = (table: object) => Object.keys(table).join(', ');
const jobKeys = `${keys(jobFields)}, inference, python, script`;

function found(text: string) {
  const lines = text.split('\n');
  return loadWorkflow(text).problems.map(({ code, severity, range, values }) => ({
    code,
    severity,
    line: range.startLine,
    part:
      range.startLine === range.endLine
        ? lines[range.startLine]?.slice(range.startColumn, range.endColumn)
        : undefined,
    values,
  }));
}

const file = (...lines: string[]) => ['version: 1', 'jobs:', '  a:', ...lines, ''].join('\n');

describe('loadWorkflow', () => {
  it('reads the example', () => {
    const path = join(import.meta.dirname, '../../../examples/furo.yaml');
    const { value, problems } = loadWorkflow(readFileSync(path, 'utf8'));
    expect(problems).toEqual([]);
    expect(value.map(({ name, work }) => [name, work.kind])).toEqual([
      ['answer', 'inference'],
      ['count-words', 'python'],
      ['two-nodes', 'script'],
    ]);
  });

  it('reads every key', () => {
    const text = `version: 1
defaults:
  resourceGroup: cx-small
  nodes: 2
  modules: [gcc/11.3.0]
  environment:
    HF_HOME: /data/x
jobs:
  ask:
    elapse: 2:30:00
    nodes: 4
    condaEnvironment: llm
    projectGroup: jhpcn1234
    environment: { A: one, B: 2, C: true }
    inference:
      model: Qwen/Qwen2.5-7B-Instruct
      revision: main
      input: data/質問.jsonl
      systemPrompt: 短く答えてください。
      promptTemplate: "{{ text }}"
      maxNewTokens: 64
      temperature: 0.7
      topP: 0.9
      topK: 40
      seed: 7
      stop: ["\\n\\n"]
      batchRows: 16
      dtype: float16
  count:
    elapse: 90
    python:
      script: scripts/count.py
      arguments: [data/a b.jsonl, --top, 3]
  talk:
    script: run.sh
`;
    const { value, problems } = loadWorkflow(text);
    expect(problems).toEqual([]);
    const defaults = { resourceGroup: 'cx-small', modules: ['gcc/11.3.0'] };
    expect(value).toEqual([
      {
        name: 'ask',
        line: 8,
        settings: {
          ...defaults,
          elapseSeconds: 9000,
          nodes: 4,
          condaEnvironment: 'llm',
          projectGroup: 'jhpcn1234',
          environment: { A: 'one', B: '2', C: 'true' },
        },
        work: {
          kind: 'inference',
          inference: {
            model: 'Qwen/Qwen2.5-7B-Instruct',
            revision: 'main',
            input: 'data/質問.jsonl',
            systemPrompt: '短く答えてください。',
            promptTemplate: '{{ text }}',
            maxNewTokens: 64,
            temperature: 0.7,
            topP: 0.9,
            topK: 40,
            seed: 7,
            stop: ['\n\n'],
            batchRows: 16,
            dtype: 'float16',
          },
        },
      },
      {
        name: 'count',
        line: 28,
        settings: {
          ...defaults,
          nodes: 2,
          elapseSeconds: 90,
          environment: { HF_HOME: '/data/x' },
        },
        work: {
          kind: 'python',
          script: 'scripts/count.py',
          arguments: ['data/a b.jsonl', '--top', '3'],
        },
      },
      {
        name: 'talk',
        line: 33,
        settings: { ...defaults, nodes: 2, environment: { HF_HOME: '/data/x' } },
        work: { kind: 'script', script: 'run.sh' },
      },
    ]);
  });

  it.each([
    ['a key of the file', 'version: 1\njob:\n  a: {script: a.sh}\njobs:\n  b: {script: b.sh}', 1, 'job', 'version, defaults, jobs', 'jobs'], // prettier-ignore
    ['a key of a job', file('    elapsed: 1:00:00', '    script: a.sh'), 3, 'elapsed', jobKeys, 'elapse'], // prettier-ignore
    ['a key of an inference', file('    inference:', '      Model: x'), 4, 'Model', keys(inferenceFields), 'model'], // prettier-ignore
    ['a key of a program', file('    python:', '      script: a.py', '      args: []'), 5, 'args', keys(pythonFields), ''], // prettier-ignore
    ['a key of the defaults', 'version: 1\ndefaults:\n  script: a.sh\njobs:\n  b: {script: b.sh}', 2, 'script', keys(jobFields), ''], // prettier-ignore
    ['a merge key', file('    <<: {nodes: 2}', '    script: a.sh'), 3, '<<', jobKeys, ''],
  ])('keyUnknown: %s', (_, text, line, key, known, suggestion) => {
    expect(found(text)).toEqual([
      {
        code: 'keyUnknown',
        severity: 'error',
        line,
        part: key,
        values: { key, known, suggestion },
      },
    ]);
  });

  it.each([
    ['    nodes: two', 'nodes', 'count', 'two'],
    ['    nodes: -1', 'nodes', 'count', '-1'],
    ['    nodes: 1.5', 'nodes', 'count', '1.5'],
    ['    elapse: soon', 'elapse', 'elapse', 'soon'],
    ['    elapse: 0', 'elapse', 'elapse', '0'],
    ['    elapse: unlimited', 'elapse', 'elapse', 'unlimited'],
    ['    resourceGroup: [cx-share]', 'resourceGroup', 'text', '[cx-share]'],
    ['    resourceGroup: 12', 'resourceGroup', 'text', '12'],
    ['    modules: gcc', 'modules', 'textList', 'gcc'],
    ['    modules: [[gcc]]', 'modules', 'textList', '[[gcc]]'],
    ['    environment: [A]', 'environment', 'textMap', '[A]'],
    ['    environment: {A: [1]}', 'environment', 'textMap', '{A: [1]}'],
    ['    environment: {"A; rm -rf x": 1}', 'environment', 'textMap', '{"A; rm -rf x": 1}'],
    ['    environment: {1A: x}', 'environment', 'textMap', '{1A: x}'],
    // Aliases are not followed: `defaults` is how jobs share settings.
    ['    resourceGroup: *other', 'resourceGroup', 'text', '*other'],
    ['    script: *nobody', 'script', 'text', '*nobody'],
    ['    nodes: 0', 'nodes', 'count', '0'],
    ['    inference: {temperature: hot}', 'temperature', 'atLeastZero', 'hot'],
    ['    inference: {temperature: .inf}', 'temperature', 'atLeastZero', '.inf'],
    ['    inference: {topP: 2}', 'topP', 'share', '2'],
    ['    inference: {batchRows: 0}', 'batchRows', 'count', '0'],
    ['    inference: {topK: -1}', 'topK', 'wholeNumber', '-1'],
    ['    inference: {backend: torch}', 'backend', 'backend', 'torch'],
    ['    inference: {policy: best}', 'policy', 'policy', 'best'],
    ['    inference: {layout: {stages: 0}}', 'layout', 'layout', '{stages: 0}'],
    ['    inference: {layout: {gpus: 2}}', 'layout', 'layout', '{gpus: 2}'],
    ['    inference: {responseFormat: json}', 'responseFormat', 'json', 'json'],
    ['    inference: {chatTemplateKwargs: {a: *b}}', 'chatTemplateKwargs', 'json', '{a: *b}'],
    ['    inference: {chatTemplateKwargs: {a: .nan}}', 'chatTemplateKwargs', 'json', '{a: .nan}'],
    ['    inference: {promptFunction: a.py}', 'promptFunction', 'pythonFunction', 'a.py'],
    ['    inference: {dtype: int4}', 'dtype', 'dtype', 'int4'],
    ['    inference: {stop: "."}', 'stop', 'textList', '"."'],
    ['    inference: data.jsonl', 'inference', 'map', 'data.jsonl'],
    ['    python: a.py', 'python', 'map', 'a.py'],
    ['    python: {script: [a.py]}', 'script', 'text', '[a.py]'],
    ['    python: {script: a.py, arguments: {}}', 'arguments', 'textList', '{}'],
    ['    script: [a.sh]', 'script', 'text', '[a.sh]'],
    ['    script: 5', 'script', 'text', '5'],
  ])('valueWrong: %s', (line, key, expected, part) => {
    const isWork = /^ {4}(?:inference|python|script)/.test(line);
    const problems = found(file(line, ...(isWork ? [] : ['    script: a.sh'])));
    expect(problems).toEqual([
      { code: 'valueWrong', severity: 'error', line: 3, part, values: { key, expected } },
    ]);
  });

  it.each([
    ['an empty job', 'version: 1\njobs:\n  ok: {script: a.sh}\n  a:\n', 3, 'a'],
    ['an empty job in braces', 'version: 1\njobs:\n  { ok: {script: a.sh}, a }\n', 2, 'a'],
    ['an empty inference', file('    inference:'), 3, 'inference'],
    ['an empty program', file('    python:'), 3, 'python'],
    ['empty defaults', 'version: 1\n\ndefaults: 5\njobs: {a: {script: a.sh}}', 2, 'defaults'],
  ])('valueWrong: %s is told at its line', (_, text, line, key) => {
    expect(found(text)).toMatchObject([{ code: 'valueWrong', line, values: { key } }]);
  });

  it.each([
    ['jobs: {a: {script: a.sh}}', 'keyMissing', 0, { key: 'version' }],
    ['version: 2\njobs: {a: {script: a.sh}}', 'versionUnsupported', 0, { found: '2' }],
    ['version: "1"\njobs: {a: {script: a.sh}}', 'versionUnsupported', 0, { found: '1' }],
    ['version: [1]\njobs: {a: {script: a.sh}}', 'versionUnsupported', 0, { found: '?' }],
    [file('    python: {arguments: []}'), 'keyMissing', 3, { key: 'script' }],
    [file('    nodes: 1'), 'workMissing', 3, { job: 'a' }],
    [file('    script: a.sh', '    python: {script: a.py}'), 'workTwice', 3, { job: 'a', first: 'python', second: 'script' }], // prettier-ignore
    ['version: 1\njobs:\n  1st:\n    script: a.sh', 'jobNameUnusable', 2, { job: '1st' }],
    ['version: 1\njobs:\n  a/b:\n    script: a.sh', 'jobNameUnusable', 2, { job: 'a/b' }],
    ['version: 1\njobs:\n  質問:\n    script: a.sh', 'jobNameUnusable', 2, { job: '質問' }],
    ['version: 1\njobs:\n  ? [a]\n  : {script: a.sh}', 'jobNameUnusable', 2, { job: '' }],
    [file('    script: ../a.sh'), 'pathOutside', 3, { key: 'script', path: '../a.sh' }],
    [file('    script: /etc/passwd'), 'pathOutside', 3, { key: 'script', path: '/etc/passwd' }],
    [file('    script: a/../../b.sh'), 'pathOutside', 3, { key: 'script', path: 'a/../../b.sh' }],
    [file('    python:', '      script: ~/a.py'), 'pathOutside', 4, { key: 'script', path: '~/a.py' }], // prettier-ignore
    [file('    inference:', '      model: m', '      input: ../b.jsonl'), 'pathOutside', 5, { key: 'input', path: '../b.jsonl' }], // prettier-ignore
    [file('    inference:', '      input: C:\\b.jsonl'), 'pathOutside', 4, { key: 'input', path: 'C:\\b.jsonl' }], // prettier-ignore
    ['', 'noJobs', 0, {}],
    ['# only a note', 'noJobs', 0, {}],
    ['- a\n- b', 'noJobs', 0, {}],
    ['version: 1', 'noJobs', 0, {}],
    ['version: 1\njobs: {}', 'noJobs', 1, {}],
    ['version: 1\njobs: [a]', 'noJobs', 1, {}],
    ['version: 1\n\njobs:\n', 'noJobs', 2, {}],
  ])('%j: %s', (text, code, line, values) => {
    expect(found(text)).toMatchObject([{ code, severity: 'error', line, values }]);
  });

  it.each([
    ['an open quote', 'version: 1\njobs:\n  a: {script: "a.sh}', 2],
    ['a tab', 'version: 1\njobs:\n\ta: {script: a.sh}\n', 2],
    ['a key twice', file('    script: a.sh', '    script: b.sh'), 4],
    ['a job twice', file('    script: a.sh', '  a:', '    script: b.sh'), 4],
    ['two documents', 'version: 1\n---\nversion: 1\n', 1],
  ])('yamlInvalid: %s', (_, text, line) => {
    const problems = found(text);
    expect(problems[0]).toMatchObject({ code: 'yamlInvalid', severity: 'error', line });
    expect(problems[0]?.values['detail']).toMatch(/\S/);
    expect(loadWorkflow(text).value).toEqual([]);
  });

  it('keeps the good jobs of a file with a bad one', () => {
    const { value, problems } = loadWorkflow(
      'version: 1\njobs:\n  a: {script: ../x}\n  b: {script: b.sh}\n  c: {}\n',
    );
    expect(value.map(({ name }) => name)).toEqual(['b']);
    expect(problems.map(({ code }) => code)).toEqual(['pathOutside', 'workMissing']);
  });

  it('tells all mistakes of a job at once', () => {
    const text = file('    nods: 1', '    elapse: x', '    inference:', '      dtype: int4');
    expect(found(text).map(({ code, line }) => [code, line])).toEqual([
      ['keyUnknown', 3],
      ['valueWrong', 4],
      ['valueWrong', 6],
    ]);
  });
});

describe('text from a stranger', () => {
  it('is not blown up by nested aliases', () => {
    const levels = Array.from({ length: 30 }, (_, level) => {
      const before = level === 0 ? 'x' : `*l${level - 1}`;
      return `l${level}: &l${level} [${Array(10).fill(before).join(', ')}]`;
    });
    const text = `${levels.join('\n')}\nversion: 1\njobs: {a: {script: a.sh, modules: *l29}}\n`;
    const begin = performance.now();
    expect(found(text).some(({ code }) => code === 'valueWrong')).toBe(true);
    expect(performance.now() - begin).toBeLessThan(1000);
  });

  it('survives an anchor that holds itself', () => {
    expect(found('version: 1\njobs: &j\n  a: *j\n')).toMatchObject([
      { code: 'valueWrong', line: 2, values: { key: 'a', expected: 'map' } },
    ]);
  });

  it.each(['__proto__', 'constructor', 'hasOwnProperty'])(
    'gives no meaning to the key %s',
    (key) => {
      const text = file(`    ${key}: {nodes: 2}`, '    script: a.sh');
      expect(found(text)).toMatchObject([{ code: 'keyUnknown', line: 3, values: { key } }]);
      expect(({} as Record<string, unknown>)['nodes']).toBeUndefined();
    },
  );

  it('is deep, long or odd without an exception', () => {
    for (const text of [
      '['.repeat(2000),
      '{a: '.repeat(500),
      '!!js/function x',
      '%YAML 9',
      '\0',
      '&a *a',
    ])
      expect(loadWorkflow(text).value).toEqual([]);
  });

  it('never makes it throw', () => {
    const piece = fc.constantFrom(
      'version: 1\n',
      'jobs:\n',
      '  a:\n',
      '    script: ',
      'a.sh\n',
      '    inference:\n',
      '      model: ',
      '*x',
      '&x ',
      '- ',
      '"',
      '{',
      '}',
      '? ',
      ': ',
      '\t',
      '漢',
      '!!map ',
      '<<: ',
      '\n',
      '    nodes: ',
      '1', // prettier-ignore
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 30 }), (pieces) => {
        const text = pieces.join('');
        const count = text.split(/\r\n|\n/).length;
        for (const { range } of loadWorkflow(text).problems) {
          expect(range.startLine).toBeLessThan(count);
          expect(range.endLine).toBeGreaterThanOrEqual(range.startLine);
        }
      }),
      { numRuns: 500 },
    );
  });
});
