// From an entry or a file and the settings to a job, its request and its job file.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findGroup } from '../../../src/pjm/furo';
import { fits } from '../../../src/pjm/resourceGroup';
import { defaultSettings } from '../../../src/settings';
import {
  expandEntry,
  expandFile,
  neededFiles,
  requestOf,
  workOfFile,
} from '../../../src/workflow/expand';
import { renderJobFile } from '../../../src/workflow/jobFile';
import { loadWorkflow } from '../../../src/workflow/loadWorkflow';
import { baseName, isInsideFolder, plainPath } from '../../../src/workflow/paths';
import type { Inference, JobSettings } from '../../../src/workflow/workflow';

const defaults = {
  job: defaultSettings.job,
  inference: { ...defaultSettings.inference, model: 'org/model', systemPrompt: 'Be short.' },
};

function entry(text: string) {
  const found = loadWorkflow(`version: 1\njobs:\n  a:\n${text}`).value[0];
  if (!found) throw new Error(text);
  return found;
}

describe('expandEntry', () => {
  it('fills what the entry leaves out from the settings', () => {
    const expanded = expandEntry(
      entry('    inference: {input: q.jsonl, temperature: 0.5}'),
      defaults,
    );
    expect(expanded).toEqual({
      job: {
        name: 'a',
        settings: defaults.job,
        work: {
          kind: 'inference',
          inference: {
            ...defaults.inference,
            input: 'q.jsonl',
            generation: { ...defaults.inference.generation, temperature: 0.5 },
          },
        },
      },
    });
  });

  it('lets the entry beat the settings, and the click beat both', () => {
    const given = entry('    resourceGroup: cx-small\n    nodes: 2\n    script: a.sh');
    const expanded = expandEntry(given, defaults, { resourceGroup: 'cx-single' });
    expect(expanded).toMatchObject({
      job: { settings: { resourceGroup: 'cx-single', nodes: 2, condaEnvironment: 'furo' } },
    });
  });

  it('lets zero and empty values beat the settings', () => {
    const warm = {
      ...defaults,
      inference: {
        ...defaults.inference,
        generation: {
          ...defaults.inference.generation,
          temperature: 1,
          topK: 5,
          seed: 9,
          stop: ['x'],
        },
      },
    };
    const given = entry(
      '    inference: {input: q.jsonl, systemPrompt: "", temperature: 0, topK: 0, seed: 0, stop: []}',
    );
    expect(expandEntry(given, warm)).toMatchObject({
      job: {
        work: {
          inference: {
            systemPrompt: '',
            generation: { temperature: 0, topK: 0, seed: 0, stop: [] },
          },
        },
      },
    });
  });

  it.each([
    ['modelMissing', '    inference: {input: q.jsonl, model: ""}'],
    ['inputMissing', '    inference: {model: m}'],
  ])('%s', (problem, text) => {
    expect(expandEntry(entry(text), defaults)).toEqual({ problem, jobName: 'a' });
  });
});

describe('expandFile', () => {
  it.each([
    ['data/my questions.jsonl', 'my-questions', 'inference'],
    ['scripts/train.v2.py', 'train.v2', 'python'],
    ['RUN.SH', 'RUN', 'script'],
    ['job.pjm', 'job', 'script'],
    ['質問.jsonl', 'job', 'inference'],
  ])('%s', (path, name, kind) => {
    expect(expandFile(path, defaults)).toMatchObject({ job: { name, work: { kind } } });
  });

  it.each(['readme.md', 'data.json', 'jsonl', 'a.jsonl.bak', ''])('leaves %j', (path) => {
    expect(expandFile(path, defaults)).toBeUndefined();
    expect(workOfFile(path)).toBeUndefined();
  });

  it('needs a model for records', () => {
    const noModel = { ...defaults, inference: defaultSettings.inference };
    expect(expandFile('q.jsonl', noModel)).toEqual({ problem: 'modelMissing', jobName: 'q' });
    expect(expandFile('q.py', noModel)).toHaveProperty('job');
  });
});

describe('requestOf', () => {
  const job = (settings: Partial<JobSettings>) => ({
    name: 'my job',
    settings: { ...defaults.job, ...settings },
    work: { kind: 'script' as const, script: 'a.sh' },
  });

  it.each([
    ['cx-share', { gpus: 1 }],
    ['cxgfs-share', { gpus: 1 }],
    ['cx-single', { nodes: 1 }],
    ['cx-small', { nodes: 1 }],
  ])('%s', (resourceGroup, size) => {
    const group = findGroup(resourceGroup);
    const request = requestOf(job({ resourceGroup, projectGroup: 'g1' }), group);
    expect(request).toEqual({
      name: 'my-job',
      resourceGroup,
      ...size,
      elapseSeconds: 3600,
      projectGroup: 'g1',
      joinOutput: true,
      statistics: 'nodes',
    });
    if (group) expect(fits(request, group)).toEqual([]);
  });

  it('goes by the name for a group that is not in the table', () => {
    expect(requestOf(job({ resourceGroup: 'new-share' }), undefined)).toMatchObject({ gpus: 1 });
    expect(requestOf(job({ resourceGroup: 'new', nodes: 3 }), undefined)).toMatchObject({
      nodes: 3,
    });
  });

  it('names the processes of an inference that has several', () => {
    const work = { kind: 'inference' as const, inference: defaults.inference };
    const request = (resourceGroup: string, nodes: number) =>
      requestOf({ ...job({ resourceGroup, nodes }), work }, findGroup(resourceGroup));
    expect(request('cx-small', 2)).toMatchObject({ nodes: 2, mpiProcesses: 8 });
    expect(request('cx-share', 1)).not.toHaveProperty('mpiProcesses');
  });

  it('names no project where none is set', () => {
    expect(requestOf(job({}), undefined)).not.toHaveProperty('projectGroup');
  });
});

describe('renderJobFile', () => {
  const contract = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../fixtures/contract/job.json'), 'utf8'),
  ) as unknown;
  const inference: Inference = {
    model: 'smollm2-135m-instruct',
    input: 'data/prompts.jsonl',
    systemPrompt: 'You are a helpful assistant.',
    promptTemplate: '{{ question }}',
    generation: { maxNewTokens: 64, temperature: 0, topP: 1, topK: 0, seed: 0, stop: [] },
    batchRows: 8,
    dtype: 'auto',
  };

  it('writes what both languages agreed on', () => {
    const text = renderJobFile(inference, 'results');
    expect(JSON.parse(text)).toEqual(contract);
    expect(Object.keys(JSON.parse(text) as object)).toEqual(Object.keys(contract as object));
    expect(text.endsWith('}\n')).toBe(true);
  });

  it('writes null for what is not said', () => {
    const bare = Object.fromEntries(
      Object.entries(inference).filter(
        ([key]) => !key.endsWith('Prompt') && !key.endsWith('Template'),
      ),
    ) as unknown as Inference;
    expect(JSON.parse(renderJobFile(bare, 'r'))).toMatchObject({
      revision: null,
      prompt: { system: null, template: null },
    });
  });

  it('leaves to the runtime what nothing is said about', () => {
    const { batchRows, ...automatic } = inference;
    expect(batchRows).toBe(8);
    const file = JSON.parse(renderJobFile(automatic, 'r')) as Record<string, unknown>;
    expect(file['batch']).toEqual({});
    for (const key of ['backend', 'layout', 'policy', 'response_format'])
      expect(file).not.toHaveProperty(key);
  });

  it('hands on how and in which form to answer, in the words of the runtime', () => {
    const text = `
      inference:
        input: q.jsonl
        promptFunction: prompts.py:build
        backend: own
        layout: { replicas: 2, tensorParallel: 4 }
        policy: balanced
        responseFormat: { type: json_schema, json_schema: { schema: { minimum: 0.5 } } }
        chatTemplateKwargs: { enable_thinking: false, tools: [null, a] }`;
    const withTemplate = { ...defaults.inference, promptTemplate: '{{ question }}' };
    const expanded = expandEntry(entry(text), { ...defaults, inference: withTemplate });
    if (!('job' in expanded) || expanded.job.work.kind !== 'inference') throw new Error(text);
    expect(JSON.parse(renderJobFile(expanded.job.work.inference, 'r'))).toMatchObject({
      prompt: { system: 'Be short.', template: null, function: 'prompts.py:build' },
      backend: 'own',
      layout: { replicas: 2, tensor_parallel: 4 },
      policy: 'balanced',
      response_format: { type: 'json_schema', json_schema: { schema: { minimum: 0.5 } } },
      chat_template_kwargs: { enable_thinking: false, tools: [null, 'a'] },
    });
  });

  it('never trusts remote code', () => {
    expect(renderJobFile(inference, 'r')).toContain('"trust_remote_code": false');
  });
});

describe('paths', () => {
  it.each(['a', 'a/b.py', './a', 'a/../b', 'a//b', '日本/語.py', '.a', 'a b', '..a', '-x'])(
    '%j is inside',
    (path) => {
      expect(isInsideFolder(path)).toBe(true);
    },
  );

  it.each([
    '',
    '.',
    './',
    '..',
    '../a',
    'a/../..',
    'a/../../a',
    '../a/b',
    'a/../../b/c',
    '/a',
    '~',
    '~/a',
    'C:/a',
    'a\\b',
    'a\0b',
    'a/..',
  ])('%j is not', (path) => {
    expect(isInsideFolder(path)).toBe(false);
  });

  it.each([
    ['./q.jsonl', 'q.jsonl'],
    ['a//q.jsonl', 'a/q.jsonl'],
    ['a/../q.jsonl', 'q.jsonl'],
    ['a/./b/', 'a/b'],
    ['../q.jsonl', '../q.jsonl'],
  ])('%j is plainly %j', (path, plain) => {
    expect(plainPath(path)).toBe(plain);
  });

  it('are plain in every job, as the sync finds files by them', () => {
    const { value } = loadWorkflow(`version: 1
jobs:
  a: { inference: { model: M, input: ./q.jsonl, promptFunction: lib//p.py:build } }
  b: { python: { script: a/../b.py } }
  c: { script: ./c.sh }
`);
    expect(value.flatMap(({ work }) => neededFiles(work))).toEqual([
      'q.jsonl',
      'lib/p.py',
      'b.py',
      'c.sh',
    ]);
    expect(workOfFile('./c.sh')).toEqual({ kind: 'script', script: 'c.sh' });
    const defaults = { ...defaultSettings, inference: { ...defaultSettings.inference, model: 'M', input: './q.jsonl' } }; // prettier-ignore
    const [entry] = loadWorkflow('version: 1\njobs: { a: { inference: {} } }').value;
    expect(entry && expandEntry(entry, defaults)).toMatchObject({
      job: { work: { inference: { input: 'q.jsonl' } } },
    });
  });

  it.each([
    ['data/questions.jsonl', 'questions'],
    ['.env', '.env'],
    ['a.tar.gz', 'a.tar'],
    ['noext', 'noext'],
  ])('baseName %s', (path, name) => {
    expect(baseName(path)).toBe(name);
  });
});
