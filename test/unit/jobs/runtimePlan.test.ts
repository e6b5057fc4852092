// The runtime's plan before pjsub: what is read of it, when it stops a job, and that a job never needs one.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Failure } from '../../../src/base/failure';
import {
  checkPlan,
  gpusOf,
  isTooLarge,
  parsePlan,
  type RuntimePlan,
} from '../../../src/jobs/runtimePlan';
import { projectPlaces } from '../../../src/jobs/places';
import { remotePath } from '../../../src/ssh/remote';
import { computer, Bench, inferenceOf, jobOf, type Window } from './bench';

const plan70B = {
  version: 1,
  replicas: 1,
  stages: 2,
  tensor_parallel: 4,
  rows: 32,
  bytes_per_gpu: 20_000_000_000,
  elapse_seconds: 600,
  group: { name: 'cx-small', nodes: 2 },
  reasons: ['The weights take 131.0 GiB.', 'One node has room for 113.6 GiB.'],
  problems: [],
};

/** The shape of Llama 3.1 70B. */
const config70B = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 8192,
  intermediate_size: 28672,
  num_hidden_layers: 80,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  vocab_size: 128256,
  tie_word_embeddings: false,
  max_position_embeddings: 131072,
  torch_dtype: 'bfloat16',
};

const planOf = (changes: Partial<RuntimePlan>): RuntimePlan => {
  const plan = parsePlan(JSON.stringify(plan70B));
  if (!plan) throw new Error('the plan of this test cannot be read');
  return { ...plan, ...changes };
};

const settingsOf = (resourceGroup: string, nodes = 1) =>
  jobOf('answer', inferenceOf('a.jsonl'), { resourceGroup, nodes }).settings;

describe('parsePlan', () => {
  it('reads every field', () => {
    expect(parsePlan(JSON.stringify(plan70B))).toEqual({
      replicas: 1,
      stages: 2,
      tensorParallel: 4,
      rows: 32,
      bytesPerGpu: 20_000_000_000,
      elapseSeconds: 600,
      group: { name: 'cx-small', nodes: 2 },
      reasons: plan70B.reasons,
      problems: [],
    });
  });

  it('reads the example that both languages keep', () => {
    const file = join(import.meta.dirname, '../../fixtures/contract/plan.json');
    const plan = parsePlan(readFileSync(file, 'utf8'));
    const example = JSON.parse(readFileSync(file, 'utf8')) as typeof plan70B;
    expect(plan).toMatchObject({
      replicas: example.replicas,
      tensorParallel: example.tensor_parallel,
      bytesPerGpu: example.bytes_per_gpu,
      elapseSeconds: example.elapse_seconds,
      group: example.group,
      reasons: example.reasons,
    });
    expect(plan?.reasons.length).toBeGreaterThan(0);
  });

  it('passes over what a login shell prints before it', () => {
    expect(parsePlan(`Welcome to flow-cx02\n${JSON.stringify(plan70B)}\n`)?.stages).toBe(2);
  });

  it('leaves out what is not known', () => {
    const text = JSON.stringify({ ...plan70B, group: null, elapse_seconds: null, reasons: 'no' });
    expect(parsePlan(text)).toMatchObject({ group: undefined, elapseSeconds: undefined, reasons: [] }); // prettier-ignore
  });

  it.each([
    '',
    'Traceback',
    '[]',
    'null',
    '{"version": 2}',
    '{"version": 1, "replicas": "1"}',
    '{',
  ])('takes %j for no plan', (text) => {
    expect(parsePlan(text)).toBeUndefined();
  });
});

describe('whether a model fits what the job asks for', () => {
  it.each([
    // group, nodes, stages, tensor parallel, too large
    ['cx-share', 1, 1, 1, false],
    ['cx-share', 4, 1, 2, true],
    ['cx-single', 1, 1, 4, false],
    ['cx-single', 1, 2, 4, true],
    ['cx-small', 1, 2, 4, true],
    ['cx-small', 2, 2, 4, false],
    ['cx-small', 4, 5, 4, true],
    ['cxgfs-share', 1, 2, 1, true],
    // Somebody else's group: PJM decides.
    ['of-tomorrow', 1, 9, 4, false],
  ])('%s x %i for %i stages x %i', (group, nodes, stages, tensorParallel, expected) => {
    expect(isTooLarge(planOf({ stages, tensorParallel }), settingsOf(group, nodes))).toBe(expected);
  });

  it('counts four GPUs a node and one in a shared group', () => {
    expect(['cx-share', 'cx-single', 'cx-small', 'none'].map((name) => gpusOf(settingsOf(name, 3)))).toEqual([1, 12, 12, undefined]); // prettier-ignore
  });

  it('is told with the sentences of the plan and the group that fits', () => {
    const check = (plan: RuntimePlan, nodes: number) => {
      checkPlan(plan, { name: 'answer', settings: settingsOf('cx-small', nodes) });
    };
    expect(() => {
      check(planOf({ problems: ['It is large.'] }), 1);
    }).toThrow(
      new Failure('doesNotFit', {
        job: 'answer',
        group: 'cx-small',
        fitting: 'cx-small (node=2)',
        detail: 'It is large. The weights take 131.0 GiB. One node has room for 113.6 GiB.',
      }),
    );
    expect(() => {
      check(planOf({ stages: 99, group: undefined }), 2);
    }).toThrow(/"group":"cx-small \(node=2\)","fitting":""/);
    expect(() => {
      check(planOf({}), 2);
    }).not.toThrow();
  });
});

describe('a submission', () => {
  let bench: Bench;
  let window: Window;
  const answer = jobOf('answer', inferenceOf('data/questions.jsonl'));

  /** Lets `python -m furo_infer plan` of the job's environment run these lines. */
  function planBy(...lines: readonly string[]): void {
    const python = join(bench.root, 'venv/bin/python');
    const rest = readFileSync(python, 'utf8').replace('#!/bin/sh\n', '');
    const head = ['#!/bin/sh', 'if [ "$1 $2 $3" = "-m furo_infer plan" ]; then', ...lines, 'fi'];
    writeFileSync(python, `${head.join('\n')}\n${rest}`);
    chmodSync(python, 0o755);
  }

  const planByText = (text: string) => {
    planBy(`cat <<'END'`, text, 'END', 'exit 0');
  };

  beforeEach(async () => {
    bench = await Bench.start();
    bench.write('data/questions.jsonl', '{"id": "a", "prompt": "?"}\n');
    window = bench.window();
  });

  afterEach(async () => {
    await bench.stop();
  });

  it('is stopped before pjsub when the model does not fit, unless the person insists', async () => {
    planByText(JSON.stringify(plan70B));
    await expect(window.submit(answer)).rejects.toMatchObject({
      reason: 'doesNotFit',
      values: { job: 'answer', group: 'cx-share', fitting: 'cx-small (node=2)' },
    });
    expect(bench.takenJobs).toBe(0);
    expect(window.store.all).toEqual([]);
    const job = await window.center.submit({
      job: answer,
      ignoresPlan: true,
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
    });
    expect(job.pjmId).toMatch(/^\d+$/);
    await window.ended(job.id);
  });

  it('goes on with a plan that fits, and the log tells it', async () => {
    planByText(JSON.stringify({ ...plan70B, stages: 1, tensor_parallel: 1, problems: ['Slow.'] }));
    await window.ended((await window.submit(answer)).id);
    expect(window.log.join('\n')).toContain(
      'plan: 1 x 1 x 1 (replicas, stages, tensor parallel), 32 rows, 18.6 GiB on each GPU, elapse 600 s Slow.',
    );
  });

  it.each([
    ['a plan that fails', ['echo "model not found" >&2', 'exit 3'], 'model not found'],
    ['an answer that is no plan', ['echo hello', 'exit 0'], 'planUnavailable'],
  ])('goes on after %s', async (_, lines, told) => {
    planBy(...lines);
    await window.ended((await window.submit(answer)).id);
    expect(window.log.join('\n')).toMatch(new RegExp(`submitting without a plan: .*${told}`));
  });

  it('goes on where no Python is new enough', async () => {
    rmSync(join(bench.root, 'venv/bin/python'));
    for (const name of ['python3', 'python3.10', 'python3.11', 'python3.12', 'python3.13']) {
      writeFileSync(join(bench.furo.binFolder, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    }
    await window.ended((await window.submit(answer)).id);
    expect(window.log.join('\n')).toMatch(/submitting without a plan: .*no python3 >= 3\.10/);
  });

  it('asks the runtime itself, which needs no package: 70B on one GPU is refused, on two nodes it goes', async () => {
    const model = join(bench.root, 'models/large');
    mkdirSync(model, { recursive: true });
    writeFileSync(join(model, 'config.json'), JSON.stringify(config70B));
    const large = (group: string, nodes: number) =>
      jobOf('answer', inferenceOf('data/questions.jsonl', model), { resourceGroup: group, nodes });
    await expect(window.submit(large('cx-single', 1))).rejects.toMatchObject({
      reason: 'doesNotFit',
      values: {
        group: 'cx-single',
        fitting: 'cx-small (node=2)',
        detail: expect.stringMatching(/GiB/) as unknown,
      },
    });
    await window.ended((await window.submit(large('cx-small', 2))).id);
    expect(window.log.join('\n')).toContain('plan: 1 x 2 x 4 (replicas, stages, tensor parallel)');
    const text = await window.center.planText({
      job: large('cx-share', 1),
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
    });
    expect(text).toMatch(/^Plan for .*large/);
    expect(text).toContain('cx-small, 2 nodes');
  });

  it('says so when the model is not there, and goes on', async () => {
    await window.ended((await window.submit(answer)).id);
    expect(window.log.join('\n')).toMatch(/submitting without a plan: .*Org\/Model/);
  });

  it('of a batch script asks for no plan', async () => {
    planBy(`touch '${bench.root}/asked'`, 'exit 1');
    bench.write('hello.py', 'print("hello")\n');
    const work = { kind: 'python', script: 'hello.py', arguments: [] } as const;
    await window.ended((await window.submit(jobOf('hello', work))).id);
    expect(existsSync(join(bench.root, 'asked'))).toBe(false);
  });

  it('is not needed to see the plan: text of the runtime, needed files sent, no job', async () => {
    planBy('echo "Plan of $4"', 'exit 1');
    const options = {
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
    };
    const file = join(
      projectPlaces(options.remoteFolder, bench.workspace, computer).own,
      'plans/answer.json',
    );
    expect(await window.center.planText({ job: answer, ...options })).toBe(`Plan of ${file}\n`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ model: 'Org/Model' });
    expect(bench.takenJobs).toBe(0);
    if (answer.work.kind !== 'inference') throw new Error('no inference');
    bench.write('.gitignore', '*.py\n');
    bench.write('lib/prompts.py', 'def build(record): return record["prompt"]\n');
    const inference = { ...answer.work.inference, promptFunction: 'lib/prompts.py:build' };
    await window.center.planText({
      job: { ...answer, work: { kind: 'inference', inference } },
      ...options,
    });
    expect(existsSync(join(file, '../../../lib/prompts.py'))).toBe(true);
    const script = jobOf('hello', { kind: 'python', script: 'hello.py', arguments: [] });
    await expect(window.center.planText({ job: script, ...options })).rejects.toMatchObject({
      reason: 'planOnlyForInference',
    });
  });
});
