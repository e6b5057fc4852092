// Inferences over the simulated Furo with the real runtime and its echo engine: results, resuming, causes of failures.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Job } from '../../src/jobs/job';
import { requires } from '../requirements';
import { Bench, inferenceOf, jobOf, type Window } from '../unit/jobs/bench';

/** A Python with the packages of the runtime; `npm test` sets both up. */
const interpreter = process.env['FURO_TEST_PYTHON'];
const model = process.env['FURO_TEST_MODEL'];
const demoModel = 'HuggingFaceTB/SmolLM2-135M-Instruct';

requires('python', 'model')('an inference', () => {
  let bench: Bench;
  let window: Window;
  const answer = jobOf('answer', inferenceOf('data/questions.jsonl'));

  beforeEach(async () => {
    bench = await Bench.start({
      interpreter: String(interpreter),
      jobFileChanges: { backend: 'echo' },
      ...(model !== undefined && { models: { [demoModel]: model } }),
    });
    window = bench.window();
  });

  afterEach(async () => {
    await bench.stop();
  });

  function writeQuestions(count: number): void {
    const lines = Array.from({ length: count }, (_, n) =>
      JSON.stringify({ id: `q-${String(n)}`, prompt: `質問 ${String(n)} 🦐` }),
    );
    bench.write('data/questions.jsonl', `${lines.join('\n')}\n`);
  }

  const remoteResults = (job: Job): string => readFileSync(String(job.files?.results), 'utf8');
  const localResults = (job: Job): string =>
    readFileSync(join(String(job.resultsFolder), 'results.jsonl'), 'utf8');
  const idsOf = (text: string): string[] =>
  text.trimEnd().split('\n').map((line) => (JSON.parse(line) as { custom_id: string }).custom_id).sort(); // prettier-ignore

  it('answers every record, also of an input that version control ignores, and brings all lines', async () => {
    writeQuestions(3000);
    bench.write('.gitignore', 'data/\n*.jsonl\n');
    const job = await window.submit(answer);
    const ended = await window.ended(job.id);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(ended.progress).toMatchObject({ stage: 'finished', done: 3000, failed: 0, total: 3000 });
    expect(ended.failure).toBeUndefined();
    expect(localResults(ended)).toBe(remoteResults(ended));
    expect(new Set(idsOf(localResults(ended))).size).toBe(3000);
    expect(localResults(ended)).toContain('質問 2999 🦐');
  });

  it('computes only what is missing when it is run again', async () => {
    writeQuestions(50);
    const first = await window.ended((await window.submit(answer)).id);
    const path = String(first.files?.results);
    const lines = remoteResults(first).trimEnd().split('\n');
    writeFileSync(path, `${lines.slice(0, 40).join('\n')}\n${String(lines[40]).slice(0, 30)}`);
    const second = await window.ended((await window.submit(answer)).id);
    expect(second.files?.results).toBe(path);
    expect(idsOf(localResults(second))).toEqual(idsOf(localResults(first)));
    expect(window.outputOf(second.id)).toContain('50 records, 40 of them done by an earlier run.');
    expect(second.resultsFolder).not.toBe(first.resultsFolder);
  });

  it('lets only one job write the same results, however quickly it is asked twice', async () => {
    writeQuestions(3);
    bench.furo.faults.set({ queueDelaySeconds: 2 });
    const both = await Promise.allSettled([window.submit(answer), window.submit(answer)]);
    const refused = both.filter((one) => one.status === 'rejected');
    expect(refused.map(({ reason }) => reason as unknown)).toEqual([
      expect.objectContaining({ reason: 'alreadyRunning' }),
    ]);
    await expect(window.submit(answer)).rejects.toMatchObject({
      reason: 'alreadyRunning',
      values: { job: 'answer', pjmId: window.store.all[0]?.pjmId },
    });
    const longer = inferenceOf('data/questions.jsonl', 'Org/Other');
    await window.submit(jobOf('answer', longer));
    expect(bench.takenJobs).toBe(2);
  });

  it.each([
    ['ends by itself before the elapse limit', {}, { exitCode: 75 }],
    ['is ended by the elapse limit', { FURO_ELAPSE_SECONDS: 'unlimited' }, { pjmCode: 11 }],
  ])('keeps and counts the answers that were there when it %s', async (_, environment, end) => {
    writeQuestions(60_000);
    const work = inferenceOf('data/questions.jsonl');
    const settings = { elapseSeconds: 6, environment };
    const job = await window.submit(jobOf('answer', work, settings));
    const ended = await window.ended(job.id, 40_000);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'failed', ...end } });
    const ids = idsOf(localResults(ended));
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.length).toBeLessThan(60_000);
    expect(ended.progress).toMatchObject({ done: ids.length, total: 60_000 });
    expect(localResults(ended)).toBe(remoteResults(ended));
  });

  it('says why the runtime gave up, in its own words', async () => {
    writeQuestions(3);
    writeFileSync(join(bench.root, 'changes.json'), '{"backend":"own"}');
    const ended = await window.ended((await window.submit(answer)).id, 60_000);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'failed', exitCode: 3 } });
    expect(ended.failure).toMatchObject({ reason: 'modelNotFound' });
    expect(ended.failure?.message).toContain('Org/Model');
    expect(existsSync(join(String(ended.resultsFolder), 'progress.jsonl'))).toBe(true);
  });

  it('says that there is no CUDA on a node without a GPU', async () => {
    writeQuestions(3);
    writeFileSync(join(bench.root, 'changes.json'), '{"backend":"own","device":"cuda"}');
    const ended = await window.ended(
      (await window.submit(jobOf('answer', inferenceOf('data/questions.jsonl', demoModel)))).id,
      60_000,
    );
    expect(ended.phase).toMatchObject({ outcome: { kind: 'failed', exitCode: 6 } });
    expect(ended.failure?.reason).toBe('cudaAbsent');
  });

  it('brings real answers of a real model', async () => {
    bench.write('data/questions.jsonl', '{"id":"q-1","prompt":"What is the capital of Japan?"}\n');
    writeFileSync(join(bench.root, 'changes.json'), '{}');
    const work = inferenceOf('data/questions.jsonl', demoModel);
    const ended = await window.ended((await window.submit(jobOf('answer', work))).id, 100_000);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(localResults(ended)).toMatch(/"content":"[^"]*(Tokyo|Japan)/);
    expect(ended.progress).toMatchObject({ done: 1, total: 1 });
    expect(ended.progress?.tokensPerSecond).toBeGreaterThan(0);
  });

  it('does not take the counts or the failure of an earlier run for those of this one', async () => {
    writeQuestions(3);
    const first = await window.ended((await window.submit(answer)).id);
    expect(first.progress?.done).toBe(3);
    // The next run dies before the runtime is even started.
    writeFileSync(join(bench.root, 'changes.json'), 'not JSON');
    const second = await window.ended((await window.submit(answer)).id);
    expect(second.phase).toMatchObject({ outcome: { kind: 'failed', exitCode: 99 } });
    expect(second.progress).toBeUndefined();
    expect(second.failure?.reason).toBe('lastOutput');
    expect(second.failure?.message).toMatch(/^json\.decoder\.JSONDecodeError: /);
  });

  it('brings results while the job runs, and again', async () => {
    writeQuestions(20_000);
    const job = await window.submit(answer);
    await window.when(job.id, ({ progress }) => (progress?.done ?? 0) > 0);
    const folder = await window.center.fetchResults(job.id);
    const lines = readFileSync(join(folder, 'results.jsonl'), 'utf8').split('\n');
    expect(lines.pop()).toBe('');
    for (const line of lines) JSON.parse(line);
    expect(window.store.get(job.id)?.phase.kind).toBe('running');
    await window.center.cancel(job.id);
    expect((await window.ended(job.id)).phase).toMatchObject({ outcome: { kind: 'cancelled' } });
  });
});
