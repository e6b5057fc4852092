// Whole jobs over a simulated Furo: batch script, Python program, cancelled, failed, killed at the limit.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { areBrought } from '../../../src/jobs/results';
import { resultsNotesText } from '../../../src/words/stateText';
import { english } from '../../../src/words/translate';
import { Bench, inferenceOf, jobOf, script, until, type Window } from './bench';

let bench: Bench;
let window: Window;

beforeEach(async () => {
  bench = await Bench.start();
  window = bench.window();
});

afterEach(async () => {
  await bench.stop();
});

it('submits a batch script as it is and brings its files back', async () => {
  bench.write('work/hello.sh', script('echo "here is $PWD"', 'cat ../data.txt'));
  bench.write('data.txt', 'from the project\n');
  const job = await window.submit(jobOf('hello', { kind: 'script', script: 'work/hello.sh' }));
  expect(job.phase).toMatchObject({ kind: 'waiting' });
  expect(job.resourceGroup).toBe('cx-share');
  const ended = await window.ended(job.id);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  expect(ended.statistics?.exitCode).toBe(0);
  expect(window.outputOf(job.id)).toMatch(/^here is \/.*\/work\nfrom the project\n$/);
  const out = `hello.sh.${String(ended.pjmId)}.out`;
  expect(readFileSync(join(String(ended.resultsFolder), out), 'utf8')).toBe(
    window.outputOf(job.id),
  );
});

it('shows and keeps both streams of a script that sends them to files of one name', async () => {
  bench.write('out/.keep', '');
  bench.write('err/.keep', '');
  const text = `#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:01:00
#PJM -o out/log.txt
#PJM -e err/log.txt
echo good
echo bad >&2
`;
  bench.write('two.sh', text);
  const job = await window.submit(jobOf('two', { kind: 'script', script: 'two.sh' }));
  const ended = await window.ended(job.id);
  const read = (path: string) => readFileSync(join(String(ended.resultsFolder), path), 'utf8');
  expect([read('log.txt'), read('other/log.txt')]).toEqual(['good\n', 'bad\n']);
  expect(window.outputOf(job.id).split('\n').sort()).toEqual(['', 'bad', 'good']);
});

it('runs a Python program in the environment, with its arguments', async () => {
  bench.write('tool.py', 'import os, sys\nprint(sys.argv[1:], os.environ["NAME"])\n');
  const work = { kind: 'python', script: 'tool.py', arguments: ['a b', "it's"] } as const;
  const job = await window.submit(jobOf('tool', work, { environment: { NAME: '富岳 $HOME' } }));
  const ended = await window.ended(job.id);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  expect(window.outputOf(job.id)).toBe(`['a b', "it's"] 富岳 $HOME\n`);
});

it('calls a job failed that ends with exit code 3, though PJM says EXT', async () => {
  bench.write('bad.py', 'import sys\nprint("before")\nsys.exit(3)\n');
  const job = await window.submit(
    jobOf('bad', { kind: 'python', script: 'bad.py', arguments: [] }),
  );
  const ended = await window.ended(job.id);
  expect(ended.statistics?.state).toBe('EXT');
  expect(ended.phase).toMatchObject({
    outcome: { kind: 'failed', exitCode: 3, pjmCode: 0, signal: undefined },
  });
  expect(ended.failure).toEqual({ reason: 'lastOutput', message: 'before' });
  expect(window.outputOf(job.id)).toBe('before\n');
});

it('says by which signal a program died', async () => {
  bench.write('die.py', 'import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n');
  const job = await window.submit(
    jobOf('die', { kind: 'python', script: 'die.py', arguments: [] }),
  );
  const { phase } = await window.ended(job.id);
  expect(phase).toMatchObject({
    outcome: { kind: 'failed', exitCode: 137, pjmCode: 0, signal: 9 },
  });
});

it('cancels a running job and one that waits', async () => {
  bench.write('long.sh', script('echo begun', 'sleep 60'));
  const running = await window.submit(jobOf('long', { kind: 'script', script: 'long.sh' }));
  await window.when(running.id, ({ phase }) => phase.kind === 'running');
  bench.furo.faults.set({ queueDelaySeconds: 30 });
  const waiting = await window.submit(jobOf('late', { kind: 'script', script: 'long.sh' }));
  await window.when(waiting.id, ({ phase }) => phase.kind === 'waiting' && phase.state !== 'ACC');
  await window.center.cancel(running.id);
  await window.center.cancel(waiting.id);
  for (const { id } of [running, waiting])
    expect((await window.ended(id)).phase).toMatchObject({ outcome: { kind: 'cancelled' } });
  expect(window.outputOf(running.id)).toBe('begun\n');
  await expect(window.center.cancel('nobody')).rejects.toMatchObject({ reason: 'jobUnknown' });
});

it('asks the person when a job is cancelled, or its results are wanted, and the login waits for one', async () => {
  const trustFile = join(bench.root, 'client', 'own_known_hosts');
  let asked = 0;
  const confirmHostKey = () => Promise.resolve((asked += 1) > 0);
  window = bench.window({ trustFile, prompts: { confirmHostKey } });
  const forgetTheMachine = async () => {
    window.remote.disconnect();
    rmSync(trustFile);
    window.remote.bringBack();
    await until(() => window.remote.state.kind === 'blocked');
  };
  bench.write('long.sh', script('echo begun', 'sleep 60'));
  const { id } = await window.submit(jobOf('long', { kind: 'script', script: 'long.sh' }));
  await window.when(id, ({ phase }) => phase.kind === 'running');
  await forgetTheMachine();
  expect(asked).toBe(1);
  await window.center.cancel(id);
  expect((await window.ended(id)).phase).toMatchObject({ outcome: { kind: 'cancelled' } });
  await forgetTheMachine();
  await window.center.fetchResults(id);
  expect(asked).toBe(3);
});

it('keeps and counts what a job wrote before the elapse limit killed it', async () => {
  bench.write(
    'slow.py',
    'import time\nfor n in range(100):\n    print("line", n, flush=True)\n    time.sleep(0.1)\n',
  );
  const work = { kind: 'python', script: 'slow.py', arguments: [] } as const;
  const job = await window.submit(jobOf('slow', work, { elapseSeconds: 1 }));
  const ended = await window.ended(job.id);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'failed', pjmCode: 11 } });
  const lines = window.outputOf(job.id).trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.length).toBeLessThan(40);
  const file = join(String(ended.resultsFolder), `slow.${String(ended.pjmId)}.out`);
  expect(readFileSync(file, 'utf8')).toContain(`line ${String(lines.length - 1)}\n`);
  expect(resultsNotesText(ended, english)).toEqual([]);

  writeFileSync(file, 'my remarks');
  await window.center.fetchResults(job.id);
  const brought = window.store.get(job.id) ?? job;
  const copy = brought.resultsNotes?.keptAside[0]?.copy ?? '';
  expect(resultsNotesText(brought, english)).toEqual([
    `${basename(file)} was edited here. The edited file is now ${copy}, beside the new one.`,
  ]);
  expect(readFileSync(join(dirname(file), copy), 'utf8')).toBe('my remarks');
  expect(areBrought(brought)).toBe(true);

  rmSync(file);
  mkdirSync(file);
  await window.center.fetchResults(job.id);
  const rest = window.store.get(job.id) ?? job;
  expect(resultsNotesText(rest, english)).toEqual([
    expect.stringMatching(/ was not brought: something else stands here/),
  ]);
  expect(areBrought(rest)).toBe(false);
});

it('names the package that the environment of an inference lacks', async () => {
  bench.write('in.jsonl', '{"id":"a","prompt":"x"}\n');
  const job = await window.submit(jobOf('answer', inferenceOf('in.jsonl')));
  const ended = await window.ended(job.id);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'failed', exitCode: 1 } });
  expect(ended.failure).toEqual({
    reason: 'lastOutput',
    message: expect.stringMatching(/^ModuleNotFoundError: No module named '\w+'$/) as string,
  });
});

it('says that the environment does not exist', async () => {
  bench.write('a.py', 'print(1)\n');
  const work = { kind: 'python', script: 'a.py', arguments: [] } as const;
  const job = await window.submit(jobOf('a', work, { condaEnvironment: 'missing' }));
  const ended = await window.ended(job.id);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'failed', pjmCode: 0 } });
  expect(window.outputOf(job.id)).toContain('missing');
  expect(ended.failure?.message).not.toBe('');
});
