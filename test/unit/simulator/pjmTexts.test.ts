// Every message of the PJM commands that was captured or stands in the manual: code, text, stream and exit status.
import { describe, expect, it } from 'vitest';
import { folder, PjmBench } from './pjmBench';

const usage = (program: string) => `Try \`${program} --help\` for more information.\n`;

/** Words, standard error; `{{usage}}` marks the second line. */
const refusals: readonly (readonly [name: string, words: readonly string[], err: string])[] = [
  [
    'unknown option',
    ['--foo', 'share.sh'],
    `[ERR.] PJM 0001 pjsub Unknown option or no option argument: --foo.\n${usage('pjsub')}`,
  ],
  [
    'exclusive options',
    ['-s', '-S', 'share.sh'],
    `[ERR.] PJM 0002 pjsub Invalid combination: -S and -s.\n${usage('pjsub')}`,
  ],
  [
    'unreadable elapse',
    ['-L', 'elapse=abc', 'share.sh'],
    `[ERR.] PJM 0004 pjsub Invalid option argument: -L elapse=abc.\n${usage('pjsub')}`,
  ],
  ['job name', ['-N', '1st', 'share.sh'], '[ERR.] PJM 0018 pjsub Job name is mismatch: 1st.\n'],
  ['no such script', ['none.sh'], '[ERR.] PJM 0020 pjsub File open failed: none.sh (2).\n'],
  [
    'two scripts',
    ['share.sh', 'single.sh'],
    '[ERR.] PJM 0023 pjsub Multiple script files specified.\n',
  ],
  [
    'priority',
    ['-p', '300', 'share.sh'],
    '[ERR.] PJM 0046 pjsub Option argument is out of range (0-255): -p.\n',
  ],
  [
    'too few nodes',
    ['-L', 'rscgrp=cx-large,node=1', 'single.sh'],
    '[ERR.] PJM 0054 pjsub node=1 is less than the lower limit (16).\n',
  ],
  [
    'start in the past',
    ['--at', '202506180000', 'share.sh'],
    '[ERR.] PJM 0056 pjsub The specified execution time is earlier than the current time: 202506180000.\n',
  ],
  [
    'too many nodes',
    ['-L', 'rscgrp=cx-small,node=32', 'single.sh'],
    '[ERR.] PJM 0057 pjsub node=32 is greater than the upper limit (8).\n',
  ],
  [
    'too long',
    ['-L', 'rscgrp=cx-debug,elapse=5:00:00', 'single.sh'],
    '[ERR.] PJM 0057 pjsub elapse=18000 is greater than the upper limit (3600).\n',
  ],
  [
    'unknown group',
    ['-L', 'rscgrp=cx-tiny', 'share.sh'],
    '[ERR.] PJM 0058 pjsub rscgrp=cx-tiny does not exist.\n',
  ],
  ['no group', ['plain.sh'], '[ERR.] PJM 0069 pjsub rscgrp in -L option is not specified.\n'],
  [
    'foreign project',
    ['-g', 'grp-zzzz', 'share.sh'],
    '[ERR.] PJM 0071 pjsub Group not authorized to submit a job: grp-zzzz(59999)\n',
  ],
  [
    'job environment',
    ['-L', 'jobenv=docker', 'share.sh'],
    '[ERR.] PJM 0076 pjsub jobenv=docker cannot be specified. The value must be specified as follows: singularity\n',
  ],
  [
    'step job to join',
    ['--step', '--sparam', 'jid=77', 'share.sh'],
    '[ERR.] PJM 0012 pjsub Job 77 does not exist.\n',
  ],
];

describe('pjsub refuses', () => {
  it.each(refusals)('%s', async (_, words, err) => {
    const bench = new PjmBench();
    expect(await bench.run(['pjsub', ...words])).toEqual({ status: 1, out: '', err });
    expect([...bench.scheduler.jobs.live()]).toEqual([]);
  });
});

const directiveRefusals: readonly (readonly [name: string, line: string, err: string])[] = [
  [
    'a resource without -L',
    '#PJM elapse=24:00:00',
    `[ERR.] PJM 0009 pjsub Invalid argument: elapse=24:00:00.\nScript file bad.sh line 2.\n${usage('pjsub')}`,
  ],
  [
    'an open quote',
    '#PJM -L "rscgrp=cx-share',
    '[ERR.] PJM 0008 pjsub Option arguments must be enclosed in quotation mark.\nScript file bad.sh line 2.\n',
  ],
  [
    'an unknown option',
    '#PJM --output x',
    `[ERR.] PJM 0001 pjsub Unknown option or no option argument: --output.\nScript file bad.sh line 2.\n${usage('pjsub')}`,
  ],
  [
    'a line that is too long',
    `#PJM --comment ${'x'.repeat(4100)}`,
    '[ERR.] PJM 0025 pjsub Line length too long.\nScript file bad.sh line 2.\n',
  ],
];

describe('a directive is refused', () => {
  it.each(directiveRefusals)('%s', async (_, line, err) => {
    const bench = new PjmBench();
    bench.files.write(`${folder}/bad.sh`, `#!/bin/bash\n${line}\necho\n`);
    expect(await bench.run('pjsub bad.sh')).toEqual({ status: 1, out: '', err });
  });
});

/** Commands about jobs: 1996122 waits, 1996123 runs, 1996124 has ended. */
const answers: readonly (readonly [words: string, status: number, out: string, err: string])[] = [
  ['pjdel 77', 1, '', '[ERR.] PJM 0112 pjdel Job 77 does not exist.\n'],
  ['pjdel x', 1, '', '[ERR.] PJM 0111 pjdel Invalid jobid: x.\n'],
  ['pjdel', 1, '', `[ERR.] PJM 0110 pjdel No jobid(s) specified.\n${usage('pjdel')}`],
  [
    'pjdel 1996124',
    1,
    '',
    '[ERR.] PJM 0113 pjdel Job 1996124 is not in the state that pjdel can be accepted.\n',
  ],
  [
    'pjdel 77 1996122',
    1,
    '[INFO] PJM 0100 pjdel Accepted job 1996122.\n',
    '[ERR.] PJM 0112 pjdel Job 77 does not exist.\n',
  ],
  [
    'pjhold 1996122 1996124 1996123',
    1,
    '[INFO] PJM 0300 pjhold Accepted job 1996122.\n[INFO] PJM 0300 pjhold Accepted job 1996123.\n',
    '[ERR.] PJM 0313 pjhold Job 1996124 is not in the state that pjhold can be accepted.\n',
  ],
  ['pjrls 1996122', 1, '', '[ERR.] PJM 0413 pjrls Job 1996122 status is not hold.\n'],
  ['pjsig -s SIGUSR1 1996123', 0, '[INFO] PJM 0700 pjsig Accepted job 1996123.\n', ''],
  ['pjsig -s SIGUSR1 1996122', 1, '', '[ERR.] PJM 0713 pjsig Job 1996122 status is not running.\n'],
  [
    'pjalter -L elapse=30:00 1996122',
    0,
    '[INFO] PJM 0500 pjalter Job 1996122 is accepted -L elapse=30:00.\n',
    '',
  ],
  [
    'pjalter -L elapse=30:00 1996123',
    1,
    '',
    '[ERR.] PJM 0513 pjalter Job 1996123 is not in the state that pjalter can be accepted.\n',
  ],
  ['pjstat r1', 1, '', '[ERR.] PJM 0211 pjstat Invalid jobid: r1.\n'],
  ['pjstat --ru xx', 1, '', '[ERR.] PJM 0297 pjstat Resource unit does not exist: xx.\n'],
  ['pjstat -v --choose jid,st,ec,sn 1996124', 0, 'JOB_ID     ST  EC  SN\n', ''],
  [
    'pjstat -H -v --choose jid,st,ec,sn 1996124',
    0,
    'JOB_ID     ST  EC  SN\n1996124    EXT 0   0 \n',
    '',
  ],
  [
    'pjwait -w waitnone 77 1996122 1996123 1996124',
    0,
    '1996122 X - -\n1996123 X - -\n1996124 0 0 -\n',
    '',
  ],
];

async function threeJobs(): Promise<PjmBench> {
  const bench = new PjmBench();
  await bench.submit('pjsub --at 202506200000 share.sh');
  await bench.submit('pjsub share.sh');
  await bench.submit('pjsub share.sh');
  bench.clock.advance(5000);
  bench.runner.find('1996124').end(0);
  bench.clock.advance(3000);
  return bench;
}

describe('commands about jobs answer', () => {
  it.each(answers)('%s', async (words, status, out, err) => {
    const bench = await threeJobs();
    expect(await bench.run(words)).toEqual({ status, out, err });
  });

  it('says that an ended job does not exist after a while, and so for other users', async () => {
    const bench = await threeJobs();
    expect((await bench.run('pjdel 1996123', { user: 'user2' })).err).toContain('0112');
    bench.clock.advance(120_000);
    expect((await bench.run('pjdel 1996124')).err).toBe(
      '[ERR.] PJM 0112 pjdel Job 1996124 does not exist.\n',
    );
  });
});

describe('pjsub', () => {
  it('prints only the id with -z jid and names a job from standard input STDIN', async () => {
    const bench = new PjmBench();
    const stdin = '#!/bin/sh\n#PJM -L rscgrp=cx-share\n';
    expect(await bench.run('pjsub -z jid', { stdin })).toMatchObject({ out: '1996122\n', err: '' });
    bench.clock.advance(5000);
    const { start } = bench.runner.find('1996122');
    expect(start.stdoutPath).toBe(`${folder}/STDIN.1996122.out`);
    expect(start.stderrPath).toBe(`${folder}/STDIN.1996122.err`);
    expect(start.shell).toBe('/bin/sh');
  });

  it('lets the command line win key by key and reads only the leading comments', async () => {
    const bench = new PjmBench();
    const script = [
      '#!/bin/bash',
      '#PJM -L "rscgrp=cx-small, node=2,elapse=10:00" -j',
      '# a remark',
      '#PJM --vset "tag=day1"',
      '#PJM -N ${tag} -L node=3',
      '',
      'export A=1',
      '#PJM -L elapse=86400',
    ];
    bench.files.write(`${folder}/7up.sh`, script.join('\n'));
    await bench.submit('pjsub -L elapse=20:00 -o out/%n.%j.%J 7up.sh');
    bench.clock.advance(5000);
    const { start } = bench.runner.find('1996122');
    expect(start.nodes).toEqual([0, 1, 2]);
    expect(start.environment).toMatchObject({
      PJM_ELAPSE_LIMIT: '1200',
      PJM_NODE: '3',
      PJM_PROC_BY_NODE: '1',
      PJM_JOBNAME: 'day1',
    });
    expect(start.stdoutPath).toBe(`${folder}/out/day1.1996122.1996122`);
  });

  it('puts a J before a file name that begins with a digit', async () => {
    const bench = new PjmBench();
    bench.files.write(`${folder}/7up.sh`, '#!/bin/bash\n');
    await bench.submit('pjsub -L rscgrp=cx-share 7up.sh');
    bench.clock.advance(5000);
    expect(bench.runner.find('1996122').start.stdoutPath).toBe(`${folder}/J7up.sh.1996122.out`);
  });

  it('refuses where no copy of the script can be written', async () => {
    const bench = new PjmBench();
    bench.files.locked.add(folder);
    expect((await bench.run('pjsub share.sh')).err).toBe(
      `[ERR.] PJM 0028 pjsub File creation failed: ${folder}/.d0001996122.\n`,
    );
  });

  it('rejects a job that is deleted while it is accepted', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub -w nowait share.sh');
    expect(await bench.state('1996122')).toBe('ACC');
    await bench.run('pjdel 1996122');
    bench.clock.advance(600);
    expect(await bench.state('1996122')).toBe('RJT');
  });
});

describe('faults', () => {
  it.each([
    ['pjsub share.sh', '0090'],
    ['pjdel 1', '0190'],
    ['pjstat', '0290'],
    ['pjhold 1', '0390'],
    ['pjrls 1', '0490'],
  ])('%s without the daemon', async (words, code) => {
    const bench = new PjmBench();
    bench.scheduler.faults.daemonDown = true;
    const program = words.split(' ')[0] ?? '';
    expect(await bench.run(words)).toEqual({
      status: 1,
      out: '',
      err: `[ERR.] PJM ${code} ${program} PJM daemon is not present.\n`,
    });
  });

  it('site lines, a refusing site and a slow queue', async () => {
    const bench = new PjmBench();
    const { faults } = bench.scheduler;
    faults.siteLinesBefore = ['Maintenance on Friday'];
    faults.siteLinesAfter = ['----'];
    faults.queueSlowdownMs = 60_000;
    expect((await bench.run('pjsub -z jid share.sh')).out).toBe(
      'Maintenance on Friday\n1996122\n----\n',
    );
    bench.clock.advance(60_000);
    expect(await bench.state('1996122')).toBe('RNA');
    bench.clock.advance(4000);
    expect(await bench.state('1996122')).toBe('RUN');
    faults.submitRefusal = 'Computing resources shortage occurred.[grp-aaaa]';
    expect((await bench.run('pjsub share.sh')).err).toBe(
      '[ERR.] PJM 0079 pjsub Computing resources shortage occurred.[grp-aaaa]\n',
    );
  });
});
