// When PJM is asked and what its answers do, over a virtual clock and a scripted queue.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/base/clock';
import { toDisposable } from '../../../src/base/disposable';
import { silentLogger } from '../../../src/base/log';
import type { Job, JobPhase } from '../../../src/jobs/job';
import { JobStore } from '../../../src/jobs/jobStore';
import { nextPhase, Poller } from '../../../src/jobs/poller';
import type { Queue } from '../../../src/jobs/queue';
import { pjmStates } from '../../../src/pjm/jobState';
import type { QueueEntry } from '../../../src/pjm/pjstat';
import { jobOf } from './bench';

/** Time that moves only when told. */
class VirtualClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  get timerCount(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void) {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return toDisposable(() => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    });
  }

  async run(seconds: number): Promise<void> {
    const end = this.#now + seconds * 1000;
    await turns();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = next.at;
      next.callback();
      await turns();
    }
    this.#now = end;
  }
}

/** Lets everything that waits for nothing but a turn come to its end. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

type Answer = Record<string, Partial<QueueEntry>> | Error;

let clock: VirtualClock;
let store: JobStore;
let asked: { atSeconds: number; ids: readonly string[] }[];
let answer: Answer;
let ended: { id: string; state: string | undefined }[];
let onEnded: (job: Job) => Promise<void>;
let poller: Poller;
let isConnected: boolean;
let timesBroughtBack: number;

beforeEach(() => {
  clock = new VirtualClock();
  store = new JobStore();
  [asked, ended, answer] = [[], [], {}];
  [isConnected, timesBroughtBack] = [true, 0];
  onEnded = () => Promise.resolve();
  const queue: Queue = {
    submit: () => Promise.reject(new Error('not asked')),
    findSubmitted: () => Promise.reject(new Error('not asked')),
    cancel: () => Promise.reject(new Error('not asked')),
    list: (ids) => {
      asked.push({ atSeconds: clock.now() / 1000, ids });
      if (answer instanceof Error) return Promise.reject(answer);
      const entries = Object.entries(answer).map(([pjmId, entry]) => [
        pjmId,
        { pjmId, state: 'RUN', isStartPlanned: false, ...entry },
      ] as const); // prettier-ignore
      return Promise.resolve(new Map(entries));
    },
  };
  poller = new Poller({
    store,
    queue,
    clock,
    log: silentLogger,
    target: 'here',
    pollSeconds: () => 10,
    isConnected: () => isConnected,
    bringBack: () => (timesBroughtBack += 1),
    onEnded: (job, entry) => {
      ended.push({ id: job.id, state: entry?.state });
      return onEnded(job);
    },
  });
});

afterEach(() => {
  poller.dispose();
  expect(clock.timerCount).toBe(0);
});

function put(id: string, phase: JobPhase, values: Partial<Job> = {}): void {
  store.put({
    id,
    pjmId: `p-${id}`,
    name: id,
    resourceGroup: 'cx-share',
    elapseLimitSeconds: 60,
    target: 'here',
    workspaceFolder: '/w',
    submittedMs: 0,
    phase,
    workflow: jobOf(id, { kind: 'script', script: 'a.sh' }),
    ...values,
  });
}

const running = { kind: 'running', state: 'RUN', startedMs: 0 } as const;
const waiting = { kind: 'waiting', state: 'QUE' } as const;
const finish = (job: Job) => {
  const outcome = { kind: 'succeeded' } as const;
  store.change(job.id, { phase: { kind: 'finished', outcome, endedMs: 0 } });
  return Promise.resolve();
};

describe('Poller', () => {
  it('asks at once, then after 1, 2, 4, 8 seconds and then every interval', async () => {
    put('a', running);
    answer = { 'p-a': {} };
    poller.start();
    await clock.run(50);
    expect(asked.map(({ atSeconds }) => atSeconds)).toEqual([0, 1, 3, 7, 15, 25, 35, 45]);
    expect(clock.timerCount).toBe(1);
  });

  it('asks soon again after a change, and when it is told to', async () => {
    put('a', waiting);
    answer = { 'p-a': { state: 'QUE' } };
    poller.start();
    await clock.run(20);
    answer = { 'p-a': { state: 'RUN' } };
    await clock.run(10);
    expect(asked.map(({ atSeconds }) => atSeconds)).toEqual([0, 1, 3, 7, 15, 25, 26, 28]);
    poller.pollSoon();
    await clock.run(0);
    expect(asked.at(-1)?.atSeconds).toBe(30);
  });

  it('asks once for all live jobs of its own machine', async () => {
    put('a', running);
    put('b', waiting);
    put('other', running, { target: 'there' });
    put('done', { kind: 'finished', outcome: { kind: 'cancelled' }, endedMs: 0 });
    put('open', { kind: 'submitting', sinceMs: 0 });
    const open = { ...store.get('open') } as Job & { pjmId?: string };
    delete open.pjmId;
    store.put(open);
    answer = { 'p-a': {}, 'p-b': {} };
    poller.start();
    poller.start();
    await clock.run(0);
    expect(asked.map(({ ids }) => [...ids].sort())).toEqual([['p-a', 'p-b']]);
  });

  it('asks nobody without a live job, and begins anew for a new one', async () => {
    poller.start();
    await clock.run(100);
    expect(asked).toEqual([]);
    put('a', waiting);
    answer = { 'p-a': { state: 'EXT' } };
    onEnded = finish;
    poller.start();
    await clock.run(100);
    expect(asked).toHaveLength(1);
    put('b', waiting);
    poller.start();
    await clock.run(0);
    expect(asked).toHaveLength(2);
  });

  it('calls a job unknown after one miss and lost only after three in a row', async () => {
    put('a', running);
    poller.start();
    await clock.run(0);
    expect(store.get('a')?.phase).toEqual({ kind: 'unknown', lastState: 'RUN', lastSeenMs: 0 });
    await clock.run(1);
    expect(ended).toEqual([]);
    answer = { 'p-a': {} };
    await clock.run(2);
    expect(store.get('a')?.phase.kind).toBe('running');
    answer = {};
    await clock.run(3);
    expect(ended).toEqual([]);
    await clock.run(20);
    expect(ended[0]).toEqual({ id: 'a', state: undefined });
    expect(store.get('a')?.phase.kind).toBe('unknown');
  });

  it('never takes an unknown code for an end', async () => {
    put('a', running);
    answer = { 'p-a': { state: 'ZZZ' } };
    poller.start();
    await clock.run(300);
    expect(ended).toEqual([]);
    expect(store.get('a')?.phase).toMatchObject({ kind: 'unknown', lastState: 'ZZZ' });
  });

  it('goes on after a failed question without counting it as a miss', async () => {
    put('a', running);
    answer = new Error('connectionLost');
    poller.start();
    await clock.run(60);
    expect(asked.length).toBeGreaterThan(5);
    expect(store.get('a')?.phase).toEqual(running);
    expect(ended).toEqual([]);
  });

  it('asks nothing without a connection, which it brings back, and at once when that stands', async () => {
    put('a', running);
    answer = { 'p-a': {} };
    isConnected = false;
    poller.start();
    await clock.run(60);
    expect(asked).toEqual([]);
    expect(timesBroughtBack).toBeGreaterThan(5);
    isConnected = true;
    poller.start();
    await clock.run(0);
    expect(asked).toHaveLength(1);
  });

  it('does not let others wait while the results of one come, nor settles it twice', async () => {
    put('a', running);
    put('b', waiting);
    answer = { 'p-a': { state: 'EXT' }, 'p-b': { state: 'QUE' } };
    let release = (): void => undefined;
    onEnded = (job) => new Promise<void>((resolve) => (release = resolve)).then(() => finish(job));
    poller.start();
    await clock.run(5);
    answer = { 'p-a': { state: 'EXT' }, 'p-b': { state: 'RUN' } };
    await clock.run(5);
    expect(ended).toEqual([{ id: 'a', state: 'EXT' }]);
    expect(asked.at(-1)?.ids).toEqual(['p-b']);
    expect(store.get('b')?.phase.kind).toBe('running');
    release();
    await clock.run(1);
    expect(store.get('a')?.phase.kind).toBe('finished');
  });

  it('tries a job again whose end could not be read', async () => {
    put('a', running);
    answer = { 'p-a': { state: 'EXT' } };
    poller.start();
    await clock.run(2);
    expect(ended.length).toBeGreaterThan(1);
    onEnded = finish;
    await clock.run(20);
    const before = asked.length;
    await clock.run(100);
    expect(asked).toHaveLength(before);
  });

  it('waits with pollOnce until those that ended are settled', async () => {
    put('a', running);
    answer = { 'p-a': { state: 'CCL' } };
    onEnded = async (job) => {
      await turns();
      await finish(job);
    };
    await poller.pollOnce(new AbortController().signal);
    expect(store.get('a')?.phase.kind).toBe('finished');
  });

  it('leaves no timer and asks nothing more once disposed', async () => {
    put('a', running);
    answer = { 'p-a': {} };
    poller.start();
    await clock.run(2);
    expect(clock.timerCount).toBe(1);
    poller.dispose();
    await turns();
    expect(clock.timerCount).toBe(0);
    const before = asked.length;
    poller.start();
    await clock.run(100);
    expect(asked).toHaveLength(before);
  });
});

describe('nextPhase', () => {
  const entry = (state: string, more: Partial<QueueEntry> = {}): QueueEntry => ({
    pjmId: '1',
    state,
    isStartPlanned: false,
    ...more,
  });

  it.each([
    ['ACC', {}, { kind: 'waiting', state: 'ACC' }],
    [
      'QUE',
      { isStartPlanned: true, startDate: '11/24 10:00' },
      { kind: 'waiting', state: 'QUE', plannedStart: '11/24 10:00' },
    ],
    ['QUE', { startDate: '11/24 10:00' }, { kind: 'waiting', state: 'QUE' }],
    ['RNA', { reason: 'LACK' }, { kind: 'waiting', state: 'RNA', reason: 'LACK' }],
    ['HLD', {}, { kind: 'waiting', state: 'HLD' }],
    ['ERR', {}, { kind: 'waiting', state: 'ERR' }],
    ['RUN', { elapsedSeconds: 10 }, { kind: 'running', state: 'RUN', startedMs: 90_000 }],
    ['RNE', {}, { kind: 'running', state: 'RNE', startedMs: 100_000 }],
    ['SPD', {}, { kind: 'running', state: 'SPD', startedMs: 100_000 }],
    ['???', {}, { kind: 'unknown', lastState: '???', lastSeenMs: 100_000 }],
    ['', {}, { kind: 'unknown', lastState: '', lastSeenMs: 100_000 }],
  ] as const)('%s %j', (state, more, expected) => {
    expect(nextPhase(waiting, entry(state, more), 100_000)).toEqual(expected);
  });

  it('keeps the first start of a running job', () => {
    expect(nextPhase(running, entry('RUN', { elapsedSeconds: 99 }), 100_000)).toEqual(running);
  });

  it('keeps what was last seen of a job without an answer', () => {
    const lost = nextPhase(running, undefined, 100_000);
    expect(lost).toEqual({ kind: 'unknown', lastState: 'RUN', lastSeenMs: 100_000 });
    expect(nextPhase(lost, undefined, 200_000)).toBe(lost);
    expect(nextPhase({ kind: 'submitting', sinceMs: 1 }, undefined, 5)).toEqual({
      kind: 'unknown',
      lastSeenMs: 5,
    });
  });

  it('finishes nothing by itself, whatever the state', () => {
    for (const state of [...pjmStates, 'XYZ', 'ext'])
      for (const before of [running, waiting])
        expect(nextPhase(before, entry(state), 0).kind).not.toBe('finished');
  });
});
