// Bulk, step and interactive jobs.
import { describe, expect, it } from 'vitest';
import { deletesStep, parseStepRule } from '../../../src/simulator/stepRules';
import { folder, PjmBench } from './pjmBench';

describe('bulk jobs', () => {
  it('run once for each number and stay until the last has ended', async () => {
    const bench = new PjmBench();
    const id = await bench.submit(['pjsub', '--bulk', '--sparam', '3-5', 'share.sh']);
    expect(id).toBe('1996122');
    bench.clock.advance(5000);
    const { start } = bench.runner.find('1996122[4]');
    expect(start.stdoutPath).toBe(`${folder}/share.sh.1996122[4].out`);
    expect(start.environment).toMatchObject({
      PJM_BULKNUM: '4',
      PJM_JOBID: '1996122',
      PJM_SUBJOBID: '1996122[4]',
    });
    bench.runner.find('1996122[3]').end(0);
    bench.clock.advance(3000);
    const list = async (...words: string[]) => {
      const { out } = await bench.run(['pjstat', '--data', '--choose', 'jid,jmdl,st', ...words]);
      return out.trimEnd().split('\n').slice(1);
    };
    expect(await list()).toEqual([',1996122,BU,RUN']);
    expect(await list('-E')).toEqual([
      ',1996122,BU,RUN',
      ',1996122[3],BU,EXT',
      ',1996122[4],BU,RUN',
      ',1996122[5],BU,RUN',
    ]);
    expect(await list('1996122[4-5]')).toEqual([',1996122[4],BU,RUN', ',1996122[5],BU,RUN']);
    await bench.run(['pjdel', '1996122[4]']);
    bench.runner.find('1996122[5]').end(1);
    bench.clock.advance(5000);
    expect(await list()).toEqual([]);
    expect(await list('-H')).toEqual([',1996122,BU,EXT']);
    expect(bench.files.read(`${folder}/.d0001996122`)).toBeUndefined();
  });

  it.each(['5-3', 'x', '0-2000000'])('refuse --sparam %s', async (range) => {
    const bench = new PjmBench();
    expect((await bench.run(['pjsub', '--bulk', '--sparam', range, 'share.sh'])).status).toBe(1);
  });
});

async function steps(bench: PjmBench, rules: readonly string[]): Promise<void> {
  for (const rule of rules)
    await bench.submit(['pjsub', '--step', '--sparam', `jnam=chain,sd=${rule}`, 'share.sh']);
}

describe('step jobs', () => {
  it('join by name and run one after the other', async () => {
    const bench = new PjmBench();
    const first = await bench.run(['pjsub', '--step', '--sparam', 'jnam=chain', 'share.sh']);
    expect(first.out).toBe('[INFO] PJM 0000 pjsub Job 1996122_0 submitted.\n');
    await steps(bench, ['ec!=0:after']);
    bench.clock.advance(5000);
    expect(await bench.state('1996122_0')).toBe('RUN');
    expect(await bench.state('1996122_1')).toBe('QUE');
    bench.runner.find('1996122_0').end(0);
    bench.clock.advance(8000);
    expect(await bench.state('1996122_1')).toBe('RUN');
    expect(bench.runner.find('1996122_1').start.environment['PJM_STEPNUM']).toBe('1');
  });

  it('are deleted with code 6 when the form comes true', async () => {
    const bench = new PjmBench();
    await steps(bench, ['NONE', 'ec!=0', 'NONE']);
    bench.clock.advance(5000);
    bench.runner.find('1996122_0').end(2);
    bench.clock.advance(8000);
    expect((await bench.run('pjwait -w waitnone 1996122_1')).out).toBe('1996122_1 6 0 -\n');
    expect(await bench.state('1996122_2')).toBe('RUN');
  });

  // That both types do the same is a guess: the manual's words for their difference are not known here.
  it.each(['all', 'after'])('take all later steps along with "%s"', async (type) => {
    const bench = new PjmBench();
    await steps(bench, ['NONE', `ec!=0:${type}`, 'NONE']);
    bench.clock.advance(5000);
    bench.runner.find('1996122_0').end(2);
    bench.clock.advance(8000);
    expect((await bench.run('pjstat')).out.split('\n')).toHaveLength(2);
    const { out } = await bench.run('pjstat -H -E --data --choose jid,st');
    expect(out).toBe('H,JOB_ID,ST\n,1996122,EXT\n,1996122_0,EXT\n,1996122_1,CCL\n,1996122_2,CCL\n');
  });

  it.each([
    ['ec==1,3', 3, 0, true],
    ['ec==1,3', 2, 0, false],
    ['ec!=0', 0, 0, false],
    ['ec>0', 5, 0, true],
    ['pc==11', 0, 11, true],
    ['NONE', 9, 9, false],
    ['ec!=0:one:7', 1, 0, false],
  ])('rule %s with ec %i and pc %i', (text, exitCode, pjmCode, isDeleted) => {
    const rule = parseStepRule(text)!;
    expect(deletesStep(rule, 1, [{ number: 0, exitCode, pjmCode }])).toBe(isDeleted);
  });

  it.each(['', 'ec=0', 'ec==0:some', 'ec>1,2', 'ec!=0:one:x'])('"%s" is no rule', (text) => {
    expect(parseStepRule(text)).toBeUndefined();
  });
});

describe('interactive jobs', () => {
  it('run on the caller terminal', async () => {
    const bench = new PjmBench();
    const words = ['pjsub', '--interact', '-L', 'rscgrp=cx-interactive'];
    const ended = { exitCode: 0, userCpuMs: 0, systemCpuMs: 0, maxMemoryBytes: 0 };
    const answer = bench.run(words, { interact: () => Promise.resolve(ended) });
    for (let second = 0; second < 60; second += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      bench.clock.advance(200);
    }
    expect(await answer).toEqual({
      status: 0,
      err: '',
      out: [
        '[INFO] PJM 0000 pjsub Job 1996122 submitted.',
        '[INFO] PJM 0081 .connected.',
        '[INFO] PJM 0082 pjsub Interactive job 1996122 started.',
        '[INFO] PJM 0083 pjsub Interactive job 1996122 completed.',
        '',
      ].join('\n'),
    });
  });

  it('give up when no node is free, and need --interact', async () => {
    const bench = new PjmBench({ options: { nodeCount: 1 } });
    await bench.submit('pjsub single.sh');
    bench.clock.advance(5000);
    const answer = bench.run('pjsub --interact -L rscgrp=cx-interactive');
    for (let second = 0; second < 30; second += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      bench.clock.advance(200);
    }
    const { status, out } = await answer;
    expect(status).toBe(1);
    expect(out).toContain(
      '[INFO] PJM 0080 pjsub Interactive job 1996123 is canceled due to the resource allocation timeout.\n       The timeout period "t" can be specified by "--sparam wait-time=t".\n',
    );
    expect((await bench.run('pjsub -L rscgrp=cx-interactive plain.sh')).err).toContain('PJM 0070');
  });
});
