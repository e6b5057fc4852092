// One submission is one job, whatever happens to the connection, the window or the person's patience meanwhile.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log';
import type { Job } from '../../../src/jobs/job';
import { PjmQueue } from '../../../src/jobs/pjmQueue';
import { projectPlaces } from '../../../src/jobs/places';
import type { Submission } from '../../../src/jobs/queue';
import { remotePath } from '../../../src/ssh/remote';
import { Bench, computer, jobOf, script, until, type Window } from './bench';

let bench: Bench;
let window: Window;
const hello = jobOf('hello', { kind: 'script', script: 'hello.sh' });

beforeEach(async () => {
  bench = await Bench.start();
  window = bench.window();
  bench.write('hello.sh', script('echo hello'));
});

afterEach(async () => {
  await bench.stop();
});

function newest({ store }: Window): Job {
  const job = store.all[0];
  if (!job) throw new Error('the list is empty');
  return job;
}

/** A pjsub that tells when it was called and goes on when it may. */
function slowPjsub(): { isCalled: () => boolean; release: () => void } {
  const called = join(bench.root, 'called');
  const released = join(bench.root, 'released');
  bench.wrapCommand('pjsub', [
    `touch ${called}`,
    `while [ ! -e ${released} ]; do sleep 0.02; done`,
    'exec $real "$@"',
  ]);
  return {
    isCalled: () => existsSync(called),
    release: () => {
      writeFileSync(released, '');
    },
  };
}

function submissionIn(folder: string, jobId: string): Submission {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'job.sh'), script('echo hello'));
  return {
    jobId,
    folder: remotePath(folder),
    scriptName: 'job.sh',
    claimsFolder: remotePath(join(folder, 'claims')),
  };
}

describe('the claim', () => {
  const queue = () => new PjmQueue(window.remote, silentLogger);
  const folder = () => join(bench.furo.endpoint.remoteFolder, "it's a folder");

  it('gives the same job for the same submission, one after the other and at once', async () => {
    const submission = submissionIn(folder(), 'a-1');
    const first = await queue().submit(submission);
    const again = await Promise.all([1, 2, 3].map(() => queue().submit(submission)));
    expect(new Set([first, ...again]).size).toBe(1);
    const other = submissionIn(folder(), 'a-2');
    const raced = await Promise.all([1, 2, 3, 4].map(() => queue().submit(other)));
    expect(new Set(raced).size).toBe(1);
    expect(raced[0]).not.toBe(first);
    expect(bench.takenJobs).toBe(2);
  });

  it('repeats a refusal word for word and asks PJM only once', async () => {
    const submission = submissionIn(folder(), 'a-1');
    writeFileSync(join(folder(), 'job.sh'), '#!/bin/bash\n#PJM -L rscgrp=nowhere\ntrue\n');
    const refused = await queue()
      .submit(submission)
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ reason: 'submitRefused', values: { code: '0058' } });
    writeFileSync(join(folder(), 'job.sh'), script('true'));
    await expect(queue().submit(submission)).rejects.toEqual(refused);
    expect(bench.takenJobs).toBe(0);
  });

  it('finds what got through, and shuts the door behind what did not', async () => {
    const sent = submissionIn(folder(), 'sent');
    const pjmId = await queue().submit(sent);
    expect(await queue().findSubmitted(sent)).toBe(pjmId);
    const lost = submissionIn(folder(), 'lost');
    expect(await queue().findSubmitted(lost)).toBeUndefined();
    // The late command of a half-dead connection arrives after the look.
    await expect(queue().submit(lost)).rejects.toMatchObject({ reason: 'submitUnclear' });
    expect(await queue().findSubmitted(lost)).toBeUndefined();
    expect(bench.takenJobs).toBe(1);
  });

  it('does not lose the id when the answer cannot be kept', async () => {
    const submission = submissionIn(folder(), 'full');
    // The disk fills while pjsub runs: the file for its answer cannot be written.
    bench.wrapCommand('pjsub', [
      `mkdir ${shellWord(folder())}/claims/full/reply`,
      'exec $real "$@"',
    ]);
    expect(await queue().submit(submission)).toMatch(/^\d+$/);
    expect(bench.takenJobs).toBe(1);
  });
});

function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

describe('a connection that is cut while pjsub runs', () => {
  it('leads to one job, found again by the same call', async () => {
    const pjsub = slowPjsub();
    const submitting = window.submit(hello);
    await until(pjsub.isCalled);
    bench.furo.faults.cutConnections();
    pjsub.release();
    const job = await submitting;
    expect(job.pjmId).toMatch(/^\d+$/);
    expect(bench.takenJobs).toBe(1);
    expect((await window.ended(job.id)).phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  });

  it('leads to one job also when it breaks as the answer comes back', async () => {
    const pjsub = slowPjsub();
    const submitting = window.submit(hello);
    await until(pjsub.isCalled);
    // The next byte to the client is the last.
    bench.furo.faults.set({ cutAfterBytes: 1 });
    pjsub.release();
    await until(() => bench.takenJobs === 1);
    await until(() => window.remote.state.kind !== 'connected');
    bench.furo.faults.clear();
    // Either a further attempt of the same call found it, or the call gave up and the look did.
    await submitting.catch((error: unknown) => {
      expect(error).toMatchObject({ reason: 'submitLost' });
    });
    const { id } = newest(window);
    expect((await window.ended(id, 15_000)).phase).toMatchObject({
      outcome: { kind: 'succeeded' },
    });
    expect(window.store.all).toHaveLength(1);
    expect(bench.takenJobs).toBe(1);
  });

  it('keeps the record while the machine is away, and settles it when it is back', async () => {
    const pjsub = slowPjsub();
    const submitting = window.submit(hello);
    await until(pjsub.isCalled);
    bench.furo.faults.set({ hostKey: 'refuse' });
    bench.furo.faults.cutConnections();
    await expect(submitting).rejects.toMatchObject({
      reason: 'submitLost',
      values: { job: 'hello' },
    });
    const record = newest(window);
    expect(record.phase.kind).toBe('submitting');
    pjsub.release();
    bench.furo.faults.clear();
    await window.remote.connect();
    expect((await window.ended(record.id)).phase).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(bench.takenJobs).toBe(1);
  });
});

describe('a window that is closed in between', () => {
  it('is followed by one that finds the job', async () => {
    const pjsub = slowPjsub();
    const submitting = window.submit(hello).catch((error: unknown) => error);
    await until(pjsub.isCalled);
    window.close();
    expect(await submitting).toMatchObject({ reason: 'submitLost' });
    pjsub.release();
    let asked = 0;
    const next = bench.window({
      trustFile: join(bench.root, 'client', 'nobody_known'),
      prompts: { confirmHostKey: () => Promise.resolve((asked += 1) > 0) },
    });
    expect(next.store.all.map(({ phase }) => phase.kind)).toEqual(['submitting']);
    // Nobody waits for what a window does by itself, so nobody is asked; but the state says what is missing.
    await next.center.resume();
    await until(() => next.remote.state.kind === 'blocked');
    expect(next.remote.state).toMatchObject({ reason: 'personNeeded', isUnattended: true });
    expect(asked).toBe(0);
    await next.remote.connect();
    const { id } = newest(next);
    expect((await next.ended(id)).phase).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(bench.takenJobs).toBe(1);
  });

  it('is followed by one that says so when nothing was submitted', async () => {
    const job = await window.submit(hello);
    await window.ended(job.id);
    window.close();
    // What a power cut right after the record leaves: no pjsub was ever called.
    const { pjmId, ...rest } = newest(window);
    const open: Job = { ...rest, id: 'never', phase: { kind: 'submitting', sinceMs: 1 } };
    expect(pjmId).toBeDefined();
    await bench.memory.update('furo.jobs', { version: 1, jobs: [open] });
    const next = bench.window();
    await next.remote.connect();
    await next.center.resume();
    expect(next.store.get('never')?.phase).toMatchObject({
      outcome: { kind: 'rejected', reason: 'neverSubmitted' },
    });
    expect(bench.takenJobs).toBe(1);
  });
});

describe('a person who cancels', () => {
  it('during pjsub sees the job that got through all the same', async () => {
    const pjsub = slowPjsub();
    const abort = new AbortController();
    const submitting = window.submit(hello, { signal: abort.signal });
    await until(pjsub.isCalled);
    abort.abort();
    await expect(submitting).rejects.toMatchObject({ name: 'AbortError' });
    pjsub.release();
    const { id } = newest(window);
    expect((await window.ended(id)).phase).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(bench.takenJobs).toBe(1);
  });

  it('during the sync leaves no record and no half file', async () => {
    for (let n = 0; n < 60; n += 1) bench.write(`data/${String(n)}.bin`, Buffer.alloc(40_000, n));
    const abort = new AbortController();
    const { center } = window;
    const submitting = center.submit({
      job: hello,
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
      signal: abort.signal,
      onStep: (step) => {
        if (step.kind === 'sync' && step.progress.filesDone > 5) abort.abort();
      },
    });
    await expect(submitting).rejects.toMatchObject({ name: 'AbortError' });
    expect(window.store.all).toEqual([]);
    expect(bench.takenJobs).toBe(0);
    const ended = await window.ended((await window.submit(hello)).id);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
    const { project } = projectPlaces(
      remotePath(bench.furo.endpoint.remoteFolder),
      bench.workspace,
      computer,
    );
    for (const folder of [project, String(ended.files?.submitFolder)]) {
      const names = readdirSync(join(folder, 'data'));
      expect(names.filter((name) => !/^\d+\.bin$/.test(name))).toEqual([]);
      expect(names).toHaveLength(60);
    }
  });
});
