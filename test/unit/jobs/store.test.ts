// The list of jobs and how it is kept over restarts.
import { describe, expect, it } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import { silentLogger } from '../../../src/base/log';
import { keepHistory } from '../../../src/jobs/history';
import type { Job, JobPhase } from '../../../src/jobs/job';
import { JobStore, type JobChange } from '../../../src/jobs/jobStore';
import { jobOf, Memory } from './bench';

const done = { kind: 'finished', outcome: { kind: 'succeeded' }, endedMs: 5 } as const;

function record(id: string, submittedMs: number, phase: JobPhase = done): Job {
  const workflow = jobOf(`name-${id}`, { kind: 'script', script: 'a.sh' });
  return {
    id,
    pjmId: `1${id}`,
    name: workflow.name,
    resourceGroup: 'cx-share',
    elapseLimitSeconds: 60,
    target: 'u@h:22',
    workspaceFolder: '/w',
    submittedMs,
    phase,
    workflow,
  };
}

describe('JobStore', () => {
  it('lists the newest first and finds by either id or name', () => {
    const store = new JobStore();
    for (const [id, at] of [['1', 10], ['2', 30], ['3', 20]] as const) store.put(record(id, at)); // prettier-ignore
    expect(store.all.map(({ id }) => id)).toEqual(['2', '3', '1']);
    expect(store.find('11')?.id).toBe('1');
    expect(store.find('3')?.id).toBe('3');
    expect(store.find('name-2')?.id).toBe('2');
    expect(store.find('nothing')).toBeUndefined();
  });

  it('announces what changed, and nothing when nothing did', () => {
    const store = new JobStore();
    const changes: JobChange[] = [];
    store.onDidChange((change) => changes.push(change));
    const first = record('1', 10, { kind: 'submitting', sinceMs: 1 });
    store.put(first);
    expect(store.change('1', { phase: { kind: 'submitting', sinceMs: 1 } })).toEqual(first);
    const after = store.change('1', { phase: done });
    expect(store.change('2', { phase: done })).toBeUndefined();
    store.remove('1');
    store.remove('1');
    expect(changes).toEqual([
      { before: undefined, after: first },
      { before: first, after },
      { before: after, after: undefined },
    ]);
    store.dispose();
    store.put(first);
    expect(changes).toHaveLength(3);
  });
});

describe('keepHistory', () => {
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it('brings the same jobs back', async () => {
    const memory = new Memory();
    const store = new JobStore();
    const history = keepHistory(store, memory, silentLogger);
    const jobs = [record('1', 10), record('2', 20, { kind: 'running', state: 'RUN' })];
    for (const job of jobs) store.put(job);
    await settle();
    // Changes of one turn are written once.
    expect(memory.updates).toBe(1);
    history.dispose();
    store.put(record('3', 30));
    await settle();
    const next = new JobStore();
    keepHistory(next, memory, silentLogger);
    expect(next.all).toEqual([...jobs].reverse());
  });

  it('forgets the oldest finished jobs beyond 200, and never one that lives', async () => {
    const memory = new Memory();
    const store = new JobStore();
    keepHistory(store, memory, silentLogger);
    store.put(record('live', 0, { kind: 'waiting', state: 'QUE' }));
    for (let n = 1; n <= 205; n += 1) store.put(record(String(n), n));
    await settle();
    const next = new JobStore();
    keepHistory(next, memory, silentLogger);
    expect(next.all).toHaveLength(201);
    expect(next.get('live')).toBeDefined();
    expect(next.get('5')).toBeUndefined();
    expect(next.get('6')).toBeDefined();
  });

  it.each([
    ['a newer version', { version: 2, jobs: [] }, '2'],
    ['a list that is none', { version: 1, jobs: 'x' }, '1'],
    ['something else', 'text', 'undefined'],
  ])('refuses %s and leaves it as it is', async (_what, kept, version) => {
    const memory = new Memory();
    await memory.update('furo.jobs', kept);
    const store = new JobStore();
    const read = () => keepHistory(store, memory, silentLogger);
    expect(read).toThrow(
      expect.objectContaining({ reason: 'historyUnreadable', values: { version } }) as Error,
    );
    store.put(record('1', 1));
    await settle();
    expect(memory.get('furo.jobs')).toEqual(kept);
  });

  it('goes on when a value cannot be kept, and says so', async () => {
    const said: string[] = [];
    const log = { ...silentLogger, error: (text: string | Error) => said.push(String(text)) };
    const broken = { get: () => undefined, update: () => Promise.reject(new Error('disk full')) };
    const store = new JobStore();
    keepHistory(store, broken, log);
    store.put(record('1', 1));
    await settle();
    expect(said).toEqual([expect.stringContaining('disk full')]);
    expect(isFailure(said)).toBe(false);
  });
});
