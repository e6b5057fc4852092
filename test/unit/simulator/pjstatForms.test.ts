// The forms of pjstat for more than one user and node, and what START_DATE can be.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PjmBench } from './pjmBench';

describe('with a job on two nodes, and one of another user', () => {
  async function twoUsers(): Promise<PjmBench> {
    const bench = new PjmBench();
    await bench.submit('pjsub -L rscgrp=cx-small,node=2,elapse=10:00 single.sh');
    await bench.run('pjsub -N secret share.sh', { user: 'user2' });
    bench.clock.advance(5000);
    return bench;
  }

  const summary = readFileSync(
    join(import.meta.dirname, '../../fixtures/pjm/pjstat-summary.txt'),
    'utf8',
  ).split('\n');
  const header =
    'JOB_ID     JOB_NAME   MD ST  USER     START_DATE      ELAPSE_LIM            NODE_REQUIRE    VNODE  CORE V_MEM       \n';
  const own =
    '1996122    single.sh  NM RUN user1    06/19 01:01:59  0000:10:00            2               -      -    -           \n';
  const other =
    '1996123    ********   NM RUN ******** ********        ********              ********        ******** ******** ********    \n';
  const map =
    'JOB_ID     RANK   NODE_ID\n1996122    0      0xFFFF0003\n1996122    1      0xFFFF0004\n';

  it.each([
    ['', header + own],
    ['-A', header + own + other],
    [
      '-A --data --choose jid,jnam,usr,rscg',
      'H,JOB_ID,JOB_NAME,USER,RSC_GRP\n,1996122,single.sh,user1,cx-small\n,1996123,********,********,cx-share\n',
    ],
    [
      '-A -s --data --choose jid,std,st 1996123',
      'H,JOB ID,STANDARD OUT FILE,STATE\n,1996123,********,RUN\n',
    ],
    ['-X', map],
    ['-X -A', `${map}1996123    0      ********\n`],
    [
      '--with-summary',
      [
        '',
        summary[0],
        '       0      0      1      0      0      0      0      0      0      0      1',
        `s${'      0'.repeat(11)}`,
        '',
        header + own,
      ].join('\n'),
    ],
  ])('answers pjstat %s', async (options, out) => {
    const bench = await twoUsers();
    const words = `pjstat ${options}`.trim();
    expect(await bench.run(words)).toEqual({ status: 0, out, err: '' });
  });

  it('adds sub-jobs, nodes and unit to -v with --pattern=1', async () => {
    const bench = await twoUsers();
    await bench.run('pjsub --bulk --sparam 0-3 share.sh');
    const verbose = (await bench.run('pjstat -v')).out.split('\n');
    const pattern = (await bench.run('pjstat -v --pattern=1')).out.split('\n');
    const width = verbose[0]?.length ?? 0;
    expect(pattern.map((line) => line.slice(0, width))).toEqual(verbose);
    expect(pattern.map((line) => line.slice(width).trimEnd())).toEqual([
      ' SUB_JOB_NUM NODE_ALLOC RSC_UNIT',
      ' -           2          cx',
      ' 4           -          cx',
      '',
    ]);
  });

  it('adds a block for each node to -s with -S, and hides what belongs to others', async () => {
    const bench = await twoUsers();
    const [job = '', ...nodes] = (await bench.run('pjstat -S')).out.split('\n\n');
    expect(`${job}\n`).toBe((await bench.run('pjstat -s')).out);
    const values = (key: string) =>
      nodes.map((text) => new RegExp(`^ ${key} +: (\\w+)$`, 'm').exec(text)?.[1]);
    expect(values('RANK NO')).toEqual(['0', '1']);
    expect(values('NODE ID')).toEqual(['0xFFFF0003', '0xFFFF0004']);
    const lines = (await bench.run('pjstat -A -S 1996123')).out.split('\n').filter(Boolean);
    const open = lines.filter((line) => !line.endsWith(' : ********'));
    expect(open.map((line) => line.replace(/ +: /, ': '))).toEqual([
      ' JOB ID: 1996123',
      ' JOB MODEL: NM',
      ' RESOURCE UNIT: cx',
      ' RESOURCE GROUP: cx-share',
      ' STATE: RUN',
    ]);
    expect(lines.filter((line) => /^ RANK NO +: \*{8}$/.test(line))).toHaveLength(1);
  });
});

describe('START_DATE', () => {
  const busy = 'pjsub -L rscgrp=cx-special,node=1';
  const next = 'pjsub -L rscgrp=cx-special,node=2';

  it.each([
    ['a start', '06/19 01:01:59', ['pjsub share.sh']],
    ['a planned start', '(06/19 02:01)', [`${busy},elapse=1:00:00 plain.sh`, `${next} plain.sh`]],
    [
      'a start in a gap before a job that waits',
      '06/19 01:01:59<',
      [`${busy},elapse=1:00:00 plain.sh`, `${next} plain.sh`, 'pjsub -L elapse=10:00 share.sh'],
    ],
    [
      'a planned start beyond the schedule',
      '(07/30 17:01)#',
      [`${busy},elapse=1000:00:00 plain.sh`, `${next} plain.sh`],
    ],
    [
      'a planned start that is more than a year away',
      '(2026/06/29)#',
      [`${busy},elapse=9000:00:00 plain.sh`, `${next} plain.sh`],
    ],
    ['a wanted start', '(06/19 01:10)@', ['pjsub --at 202506190110 share.sh']],
    [
      'a wanted start that is more than a year away',
      '(2026/07/01)@',
      ['pjsub --at 202607010000 share.sh'],
    ],
  ])('shows %s', async (_, date, commands) => {
    const bench = new PjmBench({ options: { nodeCount: 2 } });
    let id = '';
    for (const command of commands) {
      id = await bench.submit(command);
      bench.clock.advance(0);
    }
    bench.clock.advance(5000);
    const { out } = await bench.run(`pjstat -v --choose sdt,jid ${id}`);
    expect(out.split('\n')[1]).toBe(`${date.padEnd(15)} ${id.padEnd(10)}`);
  });

  it('keeps the mark of a wanted start when the job has started', async () => {
    const bench = new PjmBench();
    const id = await bench.submit('pjsub --at 202506190110 share.sh');
    bench.clock.advance(10 * 60_000);
    expect((await bench.run(`pjstat --choose sdt ${id}`)).out).toBe(
      'START_DATE     \n06/19 01:10:04@\n',
    );
  });
});
