// Messages of PJM that need a special machine, a fault or a place: closed groups, slow answers, other hardware, jobs.
import { describe, expect, it } from 'vitest';
import { folder, PjmBench, type Answer } from './pjmBench';

const usage = 'Try `pjsub --help` for more information.\n';

const refusals: readonly (readonly [name: string, words: readonly string[], err: string])[] = [
  [
    'layered storage',
    ['--llio', 'localtmp-size=10Gi', 'share.sh'],
    '[ERR.] PJM 0050 pjsub The option --llio cannot used in this resource unit.\n',
  ],
  [
    'more than 64 custom resources',
    ['-L', Array.from({ length: 65 }, (_, index) => `site${index}=1`).join(','), 'share.sh'],
    '[ERR.] PJM 0077 pjsub Too many custom resources specified.\n',
  ],
  [
    // The code is a guess.
    'virtual nodes in a group of whole nodes',
    ['-L', 'rscgrp=cx-single,vnode=3', 'single.sh'],
    `[ERR.] PJM 0004 pjsub Invalid option argument: -L vnode=3.\n${usage}`,
  ],
  [
    'unknown placement',
    ['-P', 'vn-policy=foo', 'share.sh'],
    `[ERR.] PJM 0003 pjsub Unknown option argument: -P vn-policy=foo.\n${usage}`,
  ],
  [
    'unknown policy',
    ['-P', 'policy=pack', 'share.sh'],
    `[ERR.] PJM 0003 pjsub Unknown option argument: -P policy=pack.\n${usage}`,
  ],
];

describe('pjsub refuses', () => {
  it.each(refusals)('%s', async (_, words, err) => {
    const bench = new PjmBench();
    expect(await bench.run(['pjsub', ...words])).toEqual({ status: 1, out: '', err });
    expect([...bench.scheduler.jobs.live()]).toEqual([]);
  });

  it('64 custom resources for their names, not for their number', async () => {
    const bench = new PjmBench();
    const list = Array.from({ length: 63 }, (_, index) => `site${index}=1`).join(',');
    expect((await bench.run(['pjsub', '-L', list, 'share.sh'])).err).toContain('PJM 0003');
  });

  it('a folder whose path holds a line break', async () => {
    const bench = new PjmBench();
    const place = `${folder}/a\nb`;
    bench.files.folders.add(place);
    bench.files.write(`${place}/share.sh`, bench.files.read(`${folder}/share.sh`) ?? '');
    expect((await bench.run('pjsub share.sh', { folder: place })).err).toBe(
      '[ERR.] PJM 0027 pjsub Current working directory path contains a newline character.\n',
    );
  });

  it('a group that is closed, which pjstat --rsc shows', async () => {
    const bench = new PjmBench();
    bench.scheduler.faults.closedGroups = ['cx-share'];
    expect(await bench.run('pjsub share.sh')).toEqual({
      status: 1,
      out: '',
      err: '[ERR.] PJM 0059 pjsub rscgrp=cx-share is disabled.\n',
    });
    expect((await bench.run('pjsub single.sh')).status).toBe(0);
    const { out } = await bench.run('pjstat --rsc');
    expect(out).toContain(' cx-share[DISABLE,START] ');
    expect(out).toContain(' cx-single[ENABLE,START] ');
  });

  it.each([
    ['pjsub share.sh', '[ERR.] PJM 0093 pjsub '],
    ['pjsub --interact', '[ERR.] PJM 0084 pjsub Interactive job cannot be submitted except login'],
    ['pjdel 1996122', '[ERR.] PJM 0193 pjdel '],
    ['pjhold 1996122', '[ERR.] PJM 0393 pjhold '],
    ['pjrls 1996122', '[ERR.] PJM 0493 pjrls '],
  ])('"%s" inside a job, as it is no login node', async (words, err) => {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    const { environment } = bench.runner.find('1996122').start;
    const answer = await bench.run(words, { environment });
    expect(answer).toMatchObject({ status: 1, out: '' });
    expect(answer.err.startsWith(err)).toBe(true);
    expect((await bench.run('pjstat', { environment })).status).toBe(0);
  });

  it('an interactive job that a system error kept from its nodes', async () => {
    const bench = new PjmBench();
    bench.scheduler.faults.breaksJobs = true;
    const answer = bench.run('pjsub --interact -L rscgrp=cx-interactive');
    const { status, err } = await settled(bench, answer);
    expect([status, err]).toEqual([
      1,
      '[ERR.] PJM 0085 pjsub Interactive job 1996122 was not able to start.\n',
    ]);
  });
});

/** Lets virtual time pass, a second at a time, until the command has answered. */
async function settled(bench: PjmBench, answer: Promise<Answer>): Promise<Answer> {
  const progress = { isDone: false };
  void answer.then(() => (progress.isDone = true));
  for (let second = 0; second < 60 && !progress.isDone; second += 1) {
    bench.clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answer;
}

describe('pjsub --verbose', () => {
  const warning =
    '[WARN] PJM 0029 pjsub The option is ignored in the use environment: --net-route.\n';

  it('tells of options for other machines, which are ignored in silence otherwise', async () => {
    const bench = new PjmBench();
    const words = ['pjsub', '--net-route', 'dynamic', 'share.sh'];
    expect((await bench.run(words)).err).toBe('');
    expect(await bench.run([...words, '--verbose'])).toEqual({
      status: 0,
      out: '[INFO] PJM 0000 pjsub Job 1996123 submitted.\n',
      err: warning,
    });
  });
});

describe('a slow answer', () => {
  it.each([
    ['pjstat 77', 10, '[INFO] PJM 0281 pjstat Data loading...\n'],
    ['pjstat 77', 3, ''],
    ['pjdel 1996122', 18, '[INFO] PJM 0181 pjdel ......done.\n'],
    ['pjhold 1996122', 4, '[INFO] PJM 0381 pjhold .done.\n'],
    ['pjwait 77', 10, ''],
  ])('%s after %d s', async (words, seconds, line) => {
    const bench = new PjmBench();
    await bench.submit('pjsub --at 202507010000 share.sh');
    const quick = new PjmBench();
    await quick.submit('pjsub --at 202507010000 share.sh');
    const { out } = await quick.run(words);
    bench.scheduler.faults.answerDelayMs = seconds * 1000;
    const begin = bench.clock.now();
    expect(await settled(bench, bench.run(words))).toEqual({ status: 0, out: line + out, err: '' });
    expect(bench.clock.now() - begin).toBeGreaterThanOrEqual(seconds * 1000);
  });
});

describe('options reach the job as they were written', () => {
  it.each([
    [['--at', '202506190200'], { PJM_AT: '202506190200' }],
    [['-P', 'vn-policy=abs-unpack=2'], { PJM_VN_POLICY: 'abs-unpack=2' }],
    [['-P', 'vn-policy=pack,exec-policy=simplex'], { PJM_EXEC_POLICY: 'simplex' }],
    [[], { PJM_EXEC_POLICY: 'share' }],
  ])('%j', async (words, variables) => {
    const bench = new PjmBench();
    await bench.submit(['pjsub', ...words, 'share.sh']);
    bench.clock.advance(2 * 3600 * 1000);
    const { environment } = bench.runner.find('1996122').start;
    expect(environment).toMatchObject(variables);
    if (words.length === 0) {
      expect(environment['PJM_AT']).toBeUndefined();
      expect(environment['PJM_VN_POLICY']).toBeUndefined();
    }
  });
});

describe("lines of PJM in the job's own output", () => {
  const shows = { options: { showsPjmMessages: true } };

  it.each([
    [16, '[ERR.] PJM 7007 Job 1996122 was canceled. The current directory did not exist or have permission.'],
    [21, '[ERR.] PJM 7009 Job 1996122 was canceled. The job script execution failed.'],
  ])('PJM code %d', async (pjmCode, line) => {
    const bench = new PjmBench(shows);
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    bench.runner.find('1996122').end(0, { pjmCode });
    expect(bench.runner.find('1996122').errors).toEqual([line]);
  }); // prettier-ignore

  it('pjhold', async () => {
    const bench = new PjmBench(shows);
    await bench.submit('pjsub share.sh');
    bench.clock.advance(5000);
    await bench.run('pjhold 1996122');
    expect(bench.runner.find('1996122').errors).toEqual([
      '[INFO] PJM 7091 Job 1996122 was canceled. User user1 executed pjhold command.',
    ]);
  });

  async function lost(more: object): Promise<PjmBench> {
    const before = new PjmBench();
    await before.submit('pjsub share.sh');
    await before.submit('pjsub --norestart share.sh');
    before.clock.advance(5000);
    const bench = new PjmBench({ snapshot: before.scheduler.snapshot(), options: more });
    bench.files.write(`${folder}/share.sh.1996123.out`, 'half done\n');
    bench.clock.advance(10_000);
    return bench;
  }

  it('a job that restarts after its node went away, and one that may not', async () => {
    const bench = await lost({ showsPjmMessages: true });
    expect(bench.runner.find('1996122').outputs).toEqual(['[INFO] PLE 1700 The job restarts.']);
    expect(bench.files.read(`${folder}/share.sh.1996123.out`)).toBe(
      'half done\n[ERR.] PJM 7002 Job 1996123 was canceled. The job was submitted with no-restart attribute.\n',
    );
  });

  it('a job whose node was down', async () => {
    const bench = await lost({ showsPjmMessages: true, lostJobs: 'fail' });
    expect(bench.files.read(`${folder}/share.sh.1996122.out`)).toBe(
      '[ERR.] PJM 7008 Job 1996122 was canceled. The node running the job was down.\n',
    );
  });

  it('are not there unless switched on', async () => {
    const bench = await lost({});
    expect(bench.runner.find('1996122').outputs).toEqual([]);
    expect(bench.files.read(`${folder}/share.sh.1996123.out`)).toBe('half done\n');
  });
});

describe('pjdel', () => {
  it('leaves no statistics and no history when told so', async () => {
    const bench = new PjmBench();
    for (const options of ['', '--no-stats ', '--no-history ']) {
      const id = await bench.submit('pjsub share.sh');
      bench.clock.advance(5000);
      await bench.run(`pjdel ${options}${id}`);
    }
    bench.clock.advance(5000);
    const has = (id: string) => bench.files.texts.has(`${folder}/share.sh.${id}.stats`);
    expect(['1996122', '1996123', '1996124'].map(has)).toEqual([true, false, true]);
    expect((await bench.run('pjstat -H --data --choose jid')).out).toBe(
      'H,JOB_ID\n,1996122\n,1996123\n',
    );
  });

  it('is the last word: a job that waits for its end cannot be held', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub --at 202507010000 share.sh');
    await bench.run('pjdel 1996122');
    expect(await bench.run('pjhold 1996122')).toEqual({
      status: 1,
      out: '',
      err: '[ERR.] PJM 0313 pjhold Job 1996122 is not in the state that pjhold can be accepted.\n',
    });
    bench.clock.advance(5000);
    expect(await bench.state('1996122')).toBe('CCL');
  });
});
