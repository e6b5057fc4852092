// What the scheduler knows after its process died: snapshot, and the changes of commands that were answered since.
import { describe, expect, it } from 'vitest';
import {
  isSnapshot,
  withChanges,
  type SchedulerSnapshot,
} from '../../../src/simulator/schedulerSnapshot';
import type { SchedulerOptions } from '../../../src/simulator/schedulerOptions';
import { PjmBench } from './pjmBench';

describe('a restart of the simulator', () => {
  async function interrupted(): Promise<SchedulerSnapshot> {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    bench.runner.find('1996122').end(0);
    bench.clock.advance(3000);
    await bench.submit('pjsub share.sh');
    await bench.submit('pjsub --norestart share.sh');
    bench.clock.advance(5000);
    await bench.submit('pjsub --at 202507010000 share.sh');
    return JSON.parse(JSON.stringify(bench.scheduler.snapshot())) as SchedulerSnapshot;
  }

  it('keeps history and waiting jobs and runs lost ones again', async () => {
    const snapshot = await interrupted();
    expect(isSnapshot(snapshot)).toBe(true);
    const bench = new PjmBench({ snapshot });
    bench.clock.advance(13_000);
    bench.clock.advance(5000);
    expect(await bench.state('1996122')).toBe('EXT');
    expect(await bench.state('1996123')).toBe('RUN');
    expect(bench.runner.find('1996123').start.isRestart).toBe(true);
    expect(await bench.state('1996125')).toBe('QUE');
    expect((await bench.run('pjwait -w waitnone 1996124')).out).toBe('1996124 9 0 -\n');
    expect(await bench.submit('pjsub share.sh')).toBe('1996126');
  });

  it('can fail lost jobs instead', async () => {
    const bench = new PjmBench({ snapshot: await interrupted(), options: { lostJobs: 'fail' } });
    bench.clock.advance(20_000);
    expect((await bench.run('pjwait -w waitnone 1996123')).out).toBe('1996123 20 0 -\n');
  });
});

/** A bench whose scheduler died as soon as `words` were answered, long after its last snapshot. */
async function diedAfter(
  bench: PjmBench,
  words: string | readonly string[],
  options: Partial<SchedulerOptions> = {},
): Promise<PjmBench> {
  const snapshot = bench.scheduler.snapshot();
  const text = JSON.stringify(snapshot);
  bench.scheduler.jobs.takeTouched();
  expect((await bench.run(words)).status).toBe(0);
  const changes = JSON.stringify([bench.scheduler.jobs.takeTouched() ?? []]);
  return new PjmBench({
    snapshot: withChanges(
      JSON.parse(text) as SchedulerSnapshot,
      JSON.parse(changes) as SchedulerSnapshot[],
    ),
    options,
  });
}

const later = 'pjsub --at 202507010000 share.sh';

describe('a command that was answered holds after a restart', () => {
  it('pjsub', async () => {
    const bench = await diedAfter(new PjmBench(), 'pjsub share.sh');
    expect(await bench.submit('pjsub share.sh')).toBe('1996123');
    bench.clock.advance(5000);
    expect(await bench.state('1996122')).toBe('RUN');
  });

  it('pjsub --bulk and --step', async () => {
    const first = await diedAfter(new PjmBench(), 'pjsub --bulk --sparam 0-1 share.sh');
    const bench = await diedAfter(first, 'pjsub --step share.sh single.sh');
    bench.clock.advance(5000);
    const { out } = await bench.run('pjstat -E --data --choose jid,st');
    expect(out.trimEnd().split('\n').slice(1)).toEqual([
      ',1996122,RUN',
      ',1996122[0],RUN',
      ',1996122[1],RUN',
      ',1996123,RUN',
      ',1996123_0,RUN',
      ',1996123_1,QUE',
    ]);
  });

  it.each(['waiting', 'running'])('pjdel of a %s job', async (kind) => {
    const before = new PjmBench();
    await before.submit(kind === 'waiting' ? later : 'pjsub share.sh');
    before.clock.advance(5000);
    const bench = await diedAfter(before, 'pjdel --reason wrong --no-stats 1996122');
    bench.clock.advance(60_000);
    expect(await bench.state('1996122')).toBe('CCL');
    expect((await bench.run('pjstat -H -v --data --choose pc,ermsg')).out).toContain(
      ',1,user1:wrong\n',
    );
    expect(bench.files.texts.has('/home/user1/exp/share.sh.1996122.stats')).toBe(false);
    expect(bench.scheduler.free.nodes).toBe(221);
  });

  it('pjdel of a job in acceptance', async () => {
    const before = new PjmBench();
    await before.submit('pjsub -w nowait share.sh');
    const bench = await diedAfter(before, 'pjdel 1996122');
    bench.clock.advance(1000);
    expect(await bench.state('1996122')).toBe('RJT');
  });

  it.each([
    ['waiting', later, 'QUE'],
    ['running', 'pjsub share.sh', 'RUN'],
  ])('pjhold of a %s job, and its pjrls', async (_, submit, state) => {
    const before = new PjmBench();
    await before.submit(submit);
    before.clock.advance(5000);
    const held = await diedAfter(before, 'pjhold 1996122');
    held.clock.advance(60_000);
    expect(await held.state('1996122')).toBe('HLD');
    const bench = await diedAfter(held, 'pjrls 1996122');
    bench.clock.advance(5000);
    expect(await bench.state('1996122')).toBe(state);
  });

  it('pjalter', async () => {
    const before = new PjmBench();
    await before.submit(later);
    const bench = await diedAfter(before, 'pjalter -L elapse=30:00 1996122');
    expect((await bench.run('pjstat -v --data --choose elpl')).out).toContain(',0000:30:00\n');
  });
});

it('does not start an interactive job again whose terminal is gone', async () => {
  const before = new PjmBench({ options: { nodeCount: 1 } });
  await before.submit('pjsub single.sh');
  before.clock.advance(5000);
  const call = new AbortController();
  void before.run('pjsub --interact -L rscgrp=cx-interactive --sparam wait-time=600', {
    signal: call.signal,
  });
  await new Promise((resolve) => setImmediate(resolve));
  const bench = new PjmBench({ snapshot: before.scheduler.snapshot() });
  call.abort();
  bench.clock.advance(10_000);
  expect(bench.runner.jobs.map(({ start }) => start.subJobId)).toEqual(['1996122']);
  expect(await bench.state('1996123')).toBe('EXT');
});
