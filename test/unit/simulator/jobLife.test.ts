// One job from pjsub to its statistics, on virtual time.
import { describe, expect, it } from 'vitest';
import { folder, PjmBench } from './pjmBench';

describe('a normal job', () => {
  it('waits, runs, ends and leaves the plain list', async () => {
    const bench = new PjmBench();
    expect(await bench.run('pjsub share.sh')).toEqual({
      status: 0,
      out: '[INFO] PJM 0000 pjsub Job 1996122 submitted.\n',
      err: '',
    });
    expect(await bench.state('1996122')).toBe('QUE');
    bench.clock.advance(0);
    expect(await bench.state('1996122')).toBe('RNA');
    bench.clock.advance(4000);
    expect(await bench.state('1996122')).toBe('RUN');
    bench.clock.advance(310_000);
    bench.runner.find('1996122').end(0);
    expect(await bench.state('1996122')).toBe('RNE');
    bench.clock.advance(0);
    expect(await bench.state('1996122')).toBe('RNO');
    bench.clock.advance(2000);
    const live = await bench.run('pjstat');
    expect(live.out.split('\n')).toHaveLength(2);
    expect((await bench.run('pjstat -H')).out).toContain('1996122    share.sh   NM EXT user1');
    expect(bench.files.texts.has(`${folder}/share.sh.1996122.stats`)).toBe(true);
  });

  it('stays ERR after a system error until it is deleted', async () => {
    const bench = new PjmBench();
    bench.scheduler.faults.breaksJobs = true;
    await bench.run('pjsub share.sh');
    bench.clock.advance(0);
    expect(await bench.state('1996122')).toBe('ERR');
    const { out } = await bench.run('pjstat -v --choose jid,st,ermsg');
    expect(out).toContain('INTERNAL ERROR');
    bench.scheduler.faults.breaksJobs = false;
    await bench.run('pjdel 1996122');
    bench.clock.advance(10_000);
    expect((await bench.run('pjstat -H')).out).toContain('CCL');
    // The nodes are free again.
    await bench.run('pjsub share.sh');
    bench.clock.advance(5000);
    expect(await bench.state('1996123')).toBe('RUN');
  });

  it('copies the script at submission and gives the PJM variables', async () => {
    const bench = new PjmBench();
    await bench.run(['pjsub', '-x', 'A=1,PJM_JOBID=7', '--comment', 'try', 'share.sh']);
    bench.files.write(`${folder}/share.sh`, 'changed');
    expect(bench.files.read(`${folder}/.d0001996122`)).toContain('python inference.py');
    bench.clock.advance(4000);
    const { start } = bench.runner.find('1996122');
    expect(start).toMatchObject({
      scriptPath: `${folder}/.d0001996122`,
      shell: '/bin/bash',
      stdoutPath: `${folder}/share.sh.1996122.out`,
      stderrPath: `${folder}/share.sh.1996122.out`,
      nodes: [0],
      isRestart: false,
    });
    expect(start.gpus).toHaveLength(1);
    expect(start.environment).toMatchObject({
      A: '1',
      PJM_JOBID: '1996122',
      PJM_SUBJOBID: '1996122',
      PJM_JOBNAME: 'share.sh',
      PJM_ENVIRONMENT: 'BATCH',
      PJM_ELAPSE_LIMIT: '3600',
      PJM_RSCGRP: 'cx-share',
      PJM_RSCUNIT: 'cx',
      PJM_O_WORKDIR: folder,
      PJM_O_HOST: 'flow-cx05',
      PJM_O_HOME: '/home/user1',
      PJM_CUSTOM_RESOURCES: 'gpu=1',
      PJM_VNODE: '1',
      PJM_MPI_PROC: '1',
      PJM_COMMENT: 'try',
    });
    expect(start.environment['PJM_NODE']).toBeUndefined();
    expect(start.environment['PJM_PROC_BY_NODE']).toBeUndefined();
  });

  it('gets SIGXCPU at the limit and SIGKILL ten seconds later', async () => {
    const bench = new PjmBench({ options: { showsPjmMessages: true } });
    bench.runner.caught.add('SIGXCPU');
    await bench.submit('pjsub -L elapse=60 share.sh');
    bench.clock.advance(4000 + 60_000);
    const job = bench.runner.find('1996122');
    expect(job.signals).toEqual(['SIGXCPU']);
    expect(job.errors).toEqual([
      '[ERR.] PJM 7004 Job 1996122 was canceled. The job exceeded its elapse time limit.',
    ]);
    bench.clock.advance(9999);
    expect(job.signals).toEqual(['SIGXCPU']);
    bench.clock.advance(1);
    expect(job.signals).toEqual(['SIGXCPU', 'SIGKILL']);
    bench.clock.advance(3000);
    const { out } = await bench.run('pjstat -H -v --choose st,ec,pc,sn,ermsg --data 1996122');
    expect(out).toBe('H,ST,EC,PC,SN,REASON\n,EXT,0,11,24,ELAPSE LIMIT EXCEEDED\n');
    expect((await bench.run('pjwait 1996122')).out).toBe('1996122 11 0 24\n');
  });

  it('keeps its own exit code when it catches the signal of the limit', async () => {
    const bench = new PjmBench();
    bench.runner.caught.add('SIGXCPU');
    await bench.submit('pjsub -L elapse=60 share.sh');
    bench.clock.advance(65_000);
    bench.runner.find('1996122').end(75);
    bench.clock.advance(3000);
    expect((await bench.run('pjwait 1996122')).out).toBe('1996122 11 75 -\n');
    expect(bench.runner.find('1996122').errors).toEqual([]);
  });

  it('ends as CCL after pjdel, later than the answer of pjdel', async () => {
    const bench = new PjmBench({ options: { showsPjmMessages: true } });
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    expect(await bench.run('pjdel 1996122')).toEqual({
      status: 0,
      out: '[INFO] PJM 0100 pjdel Accepted job 1996122.\n',
      err: '',
    });
    expect(await bench.state('1996122')).toBe('RUN');
    expect((await bench.run('pjdel 1996122')).out).toBe(
      '[INFO] PJM 0119 pjdel Already accepted job 1996122.\n',
    );
    bench.clock.advance(5000);
    expect(bench.runner.find('1996122').signals).toEqual(['SIGTERM']);
    expect(bench.runner.find('1996122').errors).toEqual([
      '[INFO] PJM 7090 Job 1996122 was canceled. User user1 executed pjdel command.',
    ]);
    expect(await bench.state('1996122')).toBe('CCL');
    expect((await bench.run('pjwait 1996122')).out).toBe('1996122 1 0 15\n');
  });

  it('is killed when it does not heed the signal of pjdel', async () => {
    const bench = new PjmBench();
    bench.runner.caught.add('SIGTERM');
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    await bench.run('pjdel 1996122');
    bench.clock.advance(20_000);
    expect(bench.runner.find('1996122').signals).toEqual(['SIGTERM', 'SIGKILL']);
    expect(await bench.state('1996122')).toBe('CCL');
  });

  it('reports a script that could not be started', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    bench.clock.advance(4000);
    bench.runner.find('1996122').end(0, { pjmCode: 16 });
    bench.clock.advance(3000);
    const { out } = await bench.run('pjstat -H -v --choose pc,ermsg --data');
    expect(out).toBe('H,PC,REASON\n,16,NO CURRENT DIR\n');
  });
});

describe('hold and release', () => {
  it('takes a waiting job out of the queue and puts it back', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    const held = await bench.run('pjhold --reason later 1996122');
    expect(held.out).toBe('[INFO] PJM 0300 pjhold Accepted job 1996122.\n');
    bench.clock.advance(60_000);
    expect(await bench.state('1996122')).toBe('HLD');
    expect((await bench.run('pjwait -w waitnone 1996122')).out).toBe('1996122 H - -\n');
    const { out } = await bench.run('pjstat -v --choose ermsg --data');
    expect(out).toContain(',user1:later\n');
    expect((await bench.run('pjrls 1996122')).out).toBe(
      '[INFO] PJM 0400 pjrls Job 1996122 released.\n',
    );
    bench.clock.advance(5000);
    expect(await bench.state('1996122')).toBe('RUN');
  });

  it('aborts a running job, which starts again after pjrls', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    await bench.run('pjhold 1996122');
    bench.clock.advance(5000);
    expect(await bench.state('1996122')).toBe('HLD');
    expect(bench.scheduler.free.nodes).toBe(221);
    await bench.run('pjrls 1996122');
    bench.clock.advance(5000);
    expect(bench.runner.jobs).toHaveLength(2);
    expect(bench.runner.jobs[1]?.start.isRestart).toBe(true);
  });

  it('refuses a running job with --norestart', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub --norestart share.sh');
    bench.clock.advance(5000);
    expect(await bench.run('pjhold 1996122')).toMatchObject({
      status: 1,
      err: '[ERR.] PJM 0313 pjhold Job 1996122 is not in the state that pjhold can be accepted.\n',
    });
  });
});
