// The answers of pjstat in both forms. Samples are quoted from the Command Reference (CR), the End-user's Guide
// (EU) and public recordings, user and group names replaced by others of the same width.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  pjdelWords,
  pjstatTableWords,
  pjstatWords,
  pjsubWords,
} from '../../../src/pjm/pjmCommands';
import { chosenItems, hasHeader, parsePjstat } from '../../../src/pjm/pjstat';

const fixture = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../fixtures/pjm', name), 'utf8');

// What pjstatWords asks for, as a Furo-like PJM answers it.
const dataHeader = 'H|JOB_ID|ST|RSC_GRP|START_DATE|ELAPSE_TIM|EC|SN|PC|REASON';
const data = (...rows: string[]) => [dataHeader, ...rows, ''].join('\n');

describe('machine form', () => {
  it("reads the manual's sample, whose header has one field too many", () => {
    expect(parsePjstat(fixture('pjstat-data.txt'))).toEqual([
      { pjmId: '2927', state: 'RUN', startDate: '08/06 10:41:45', isStartPlanned: false },
    ]);
  });

  it.each([
    [
      '|1996122|QUE|cx-share|-|0000:00:00|0|0|0|-',
      { state: 'QUE', isStartPlanned: false, elapsedSeconds: 0 },
    ],
    [
      '|1996122|RNA|cx-share|(11/17 09:01)|0000:00:00|0|0|0|INSUFF NODE',
      {
        state: 'RNA',
        isStartPlanned: true,
        startDate: '11/17 09:01',
        elapsedSeconds: 0,
        reason: 'INSUFF NODE',
      },
    ],
    [
      '|1996122|QUE|cx-share|(11/17 09:01)<|0000:00:00|0|0|0|-',
      { state: 'QUE', isStartPlanned: true, startDate: '11/17 09:01', elapsedSeconds: 0 },
    ],
    [
      '|1996122|QUE|cx-share|(2027/01/01)#|0000:00:00|0|0|0|-',
      { state: 'QUE', isStartPlanned: true, startDate: '2027/01/01', elapsedSeconds: 0 },
    ],
    [
      // Elapsed as OOD sees it on Fugaku.
      '|1996122|RUN|cx-share|11/17 09:01:41|00:05:10 (310)|0|0|0|-',
      {
        state: 'RUN',
        isStartPlanned: false,
        startDate: '11/17 09:01:41',
        elapsedSeconds: 310,
      },
    ],
    [
      // Killed at the limit: seen on Genkai with SIGXCPU.
      '|1996122|EXT|cx-share|11/17 09:01:41|0001:00:00|0|24|11|ELAPSE LIMIT EXCEEDED',
      {
        state: 'EXT',
        isStartPlanned: false,
        startDate: '11/17 09:01:41',
        elapsedSeconds: 3600,
        signal: 24,
        pjmCode: 11,
        reason: 'ELAPSE LIMIT EXCEEDED',
      },
    ],
    [
      '|1996122|EXT|cx-share|11/17 09:01:41|0001:00:00|75|0|0|-',
      {
        state: 'EXT',
        isStartPlanned: false,
        startDate: '11/17 09:01:41',
        elapsedSeconds: 3600,
        exitCode: 75,
      },
    ],
    [
      // A state of an older PJM stays as it is printed.
      '|1996122|STO|cx-share|-|-|-|-|-|-',
      { state: 'STO', isStartPlanned: false },
    ],
  ])('%s', (row, expected) => {
    const [entry, ...more] = parsePjstat(data(row));
    expect(more).toEqual([]);
    const { exitCode, signal, pjmCode, ...rest } = entry ?? {};
    const zeros = { ...(exitCode && { exitCode }), ...(signal && { signal }), ...(pjmCode && { pjmCode }) }; // prettier-ignore
    expect({ ...rest, ...zeros }).toEqual({
      pjmId: '1996122',
      resourceGroup: 'cx-share',
      ...expected,
    });
  });

  it('keeps zeros apart from absence', () => {
    const [first, second] = parsePjstat(data('|1|EXT|g|-|-|0|0|0|-', '|2|EXT|g|-|-|-|-|-|-'));
    expect(first).toMatchObject({ exitCode: 0, signal: 0, pjmCode: 0 });
    expect(second).toEqual({
      pjmId: '2',
      state: 'EXT',
      resourceGroup: 'g',
      isStartPlanned: false,
    });
  });

  it('reads a site that hides items', () => {
    expect(parsePjstat('H|JOB_ID|ST\n|17|RUN\n')).toEqual([
      { pjmId: '17', state: 'RUN', isStartPlanned: false },
    ]);
  });

  it('reads ids of bulk and step sub-jobs', () => {
    const rows = ['239[1]', '239[999999]', '240_0', '932267_1'].map(
      (id) => `|${id}|RUN|g|-|-|0|0|0|-`,
    );
    expect(parsePjstat(data(...rows)).map(({ pjmId }) => pjmId)).toEqual([
      '239[1]',
      '239[999999]',
      '240_0',
      '932267_1',
    ]);
  });

  it('skips loading lines, site lines, blank lines and Windows line ends', () => {
    const output = [
      'Furo: maintenance on 30 Nov',
      '[INFO] PJM 0281 pjstat Data loading...',
      '',
      dataHeader,
      '|1|RUN|g|-|-|0|0|0|-',
      'remaining points | 12 | 3',
      '|2|QUE|g|-|-|0|0|0|-',
      '',
      'bye',
    ].join('\r\n');
    expect(parsePjstat(output).map(({ pjmId }) => pjmId)).toEqual(['1', '2']);
    expect(hasHeader(output)).toBe(true);
  });

  it('says nothing about a job that has no row', () => {
    expect(parsePjstat(`${dataHeader}\n`)).toEqual([]);
    expect(hasHeader(`${dataHeader}\n`)).toBe(true);
    expect(hasHeader('')).toBe(false);
    expect(hasHeader('[ERR.] PJM 0290 pjstat PJM daemon is not present.\n')).toBe(false);
  });

  it('drops rows without an id or a state', () => {
    expect(
      parsePjstat(data('|abc|RUN|g|-|-|0|0|0|-', '||RUN|g|-|-|0|0|0|-', '|7||g|-|-|0|0|0|-')),
    ).toEqual([]);
  });
});

describe('human table', () => {
  it('reads the recording of a real `pjstat -v`', () => {
    expect(parsePjstat(fixture('pjstat-v-fugaku.txt'))).toEqual([
      {
        pjmId: '6291500',
        state: 'RNA',
        resourceGroup: 'small',
        startDate: '04/12 11:25',
        isStartPlanned: true,
        elapsedSeconds: 0,
        exitCode: 0,
        pjmCode: 0,
        signal: 0,
      },
      {
        pjmId: '6291501',
        state: 'RNA',
        resourceGroup: 'small',
        startDate: '04/12 11:25',
        isStartPlanned: true,
        elapsedSeconds: 0,
        exitCode: 0,
        pjmCode: 0,
        signal: 0,
      },
      {
        pjmId: '6291500',
        state: 'RUN',
        resourceGroup: 'small',
        startDate: '04/12 11:25:55',
        isStartPlanned: false,
        elapsedSeconds: 7,
        exitCode: 0,
        pjmCode: 0,
        signal: 0,
      },
    ]);
  });

  // EU, plain pjstat: a blank inside START_DATE, or none where nothing is planned.
  const plain = `
JOB_ID       JOB_NAME       MD ST USER             START_DATE            ELAPSE_LIM            NODE_REQUIRE         VNODE     CORE V_MEM
238          job.sh         NM RUN user1           11/17 09:01:41        0001:00:00            12:2x3x2             -         -    -
239          bulk.sh        BU RUN user1           11/17 09:01:42        0001:00:00            12:2x3x2             -         -    -
240          step.sh        ST RUN user1           11/17 09:01:42        -                     -                    -         -    -
241          job2.sh        NM QUE user1           -                     0001:00:00            2                    -         -    4096 MiB
`;

  it("reads the manual's samples of the plain table and of -H", () => {
    const states = (name: string) =>
      parsePjstat(fixture(name)).map(({ pjmId, state, startDate }) => [pjmId, state, startDate]);
    expect(states('pjstat-plain.txt')).toEqual([
      ['238', 'RUN', '11/17 09:01:41'],
      ['239', 'RUN', '11/17 09:01:42'],
      ['240', 'RUN', '11/17 09:01:42'],
      ['241', 'RUN', '11/17 09:01:42'],
    ]);
    expect(states('pjstat-history.txt')).toEqual([
      ['1234567', 'EXT', '01/01 00:00:00'],
      ['1234570', 'RJT', '01/01 00:00:00'],
      ['1234590', 'CCL', '01/01 00:00:00'],
    ]);
  });

  it.each([
    // Rows of other PRIMERGY systems, narrower than any header: Kyushu-type, and ITO with a backfilled start.
    '43067      pjsub_test NM RUN user0001 02/23 20:53:49  0024:00:00 - 1 1 4096 MiB',
    '24302383   ito.sh     NM RUN p00000a  12/25 18:17:58< 0096:00:00 - 1 36 unlimited',
  ])('reads the virtual-node row %s', (row) => {
    const header =
      'JOB_ID     JOB_NAME   MD ST  USER     START_DATE      ELAPSE_LIM NODE_REQUIRE VNODE CORE V_MEM';
    expect(parsePjstat(`${header}\n${row}\n`)).toEqual([
      {
        pjmId: row.split(' ')[0],
        state: 'RUN',
        startDate: /\d\d\/\d\d \d\d:\d\d:\d\d/.exec(row)?.[0],
        isStartPlanned: false,
      },
    ]);
  });

  it('reads the plain table by its header', () => {
    expect(
      parsePjstat(plain).map(({ pjmId, state, startDate, isStartPlanned }) => [
        pjmId,
        state,
        startDate,
        isStartPlanned,
      ]),
    ).toEqual([
      ['238', 'RUN', '11/17 09:01:41', false],
      ['239', 'RUN', '11/17 09:01:42', false],
      ['240', 'RUN', '11/17 09:01:42', false],
      ['241', 'QUE', undefined, false],
    ]);
  });

  it.each([
    ['padded by bytes', '242          あ.sh        NM HLD user1'],
    ['padded by columns', '242          あ.sh          NM HLD user1'],
    ['padded by characters', '242          あ.sh           NM HLD user1'],
    ['cut inside a character', '242          あいう\ufffd   NM HLD user1'],
    ['with a trap in its name', '242          x NM EXT       NM HLD user1'],
  ])('reads the state behind a job name %s', (_, start) => {
    const row = `${start}           (11/18 10:00)<        0001:00:00            -    `;
    const table = `${plain.split('\n')[1] ?? ''}\n${row}\n`;
    expect(parsePjstat(table)).toEqual([
      { pjmId: '242', state: 'HLD', startDate: '11/18 10:00', isStartPlanned: true },
    ]);
  });

  it.each([
    // Recorded on Fugaku: a job that just ended, with chosen columns.
    [
      'JOB_ID     ST  EC  SN\n48969021   EXT 0   0\n',
      [{ pjmId: '48969021', state: 'EXT', isStartPlanned: false, exitCode: 0, signal: 0 }],
    ],
    // Test data of autosubmit: the reason is wider than what follows.
    [
      'JOB_ID     ST  REASON                         \n167728     RNO -               \n167736     HLD ASHOLD               \n',
      [
        { pjmId: '167728', state: 'RNO', isStartPlanned: false },
        { pjmId: '167736', state: 'HLD', isStartPlanned: false, reason: 'ASHOLD' },
      ],
    ],
    // A reason of several words at the end of a row.
    [
      'JOB_ID     ST  REASON          \n167736     EXT ELAPSE LIMIT EXCEEDED\n',
      [{ pjmId: '167736', state: 'EXT', isStartPlanned: false, reason: 'ELAPSE LIMIT EXCEEDED' }],
    ],
  ])('%j', (output, expected) => {
    expect(parsePjstat(output)).toEqual(expected);
  });

  it('follows a row that a long sub-job id pushes to the right', () => {
    const output = [
      'JOB_ID     JOB_NAME   MD ST  USER',
      '1996122[999999] bulk.sh    BU RUN user1',
      '1996122[0] bulk.sh    BU EXT user1',
    ].join('\n');
    expect(parsePjstat(output).map(({ pjmId, state }) => [pjmId, state])).toEqual([
      ['1996122[999999]', 'RUN'],
      ['1996122[0]', 'EXT'],
    ]);
  });

  it('reads sub-jobs of `pjstat -E`', () => {
    const output = [
      'JOB_ID        JOB_NAME       MD ST USER           START_DATE             ELAPSE_LIM',
      '4             t1.sh          ST RUN user1         07/12 13:09:43         -         ',
      '4_0           t1.sh          ST EXT user1         07/12 13:09:43         0001:00:00',
      '4_1           t2.sh          ST RUN user1         07/12 13:50:32         0001:00:00',
    ].join('\n');
    expect(parsePjstat(output).map(({ pjmId, state }) => `${pjmId} ${state}`)).toEqual([
      '4 RUN',
      '4_0 EXT',
      '4_1 RUN',
    ]);
  });

  it('skips the counts of a summary above the table', () => {
    const output = fixture('pjstat-summary.txt') + plain;
    expect(parsePjstat(output)).toHaveLength(4);
  });

  it.each([
    // Wisteria's own pjstat has other columns; nothing is read from it, and nothing is concluded.
    'JOB_ID       JOB_NAME   STATUS  PROJECT    RSCGROUP\n5170490      J03_signal RUNNING gg00       short-a\n',
    fixture('pjstat-rsc.txt'),
    fixture('pjstat-limit.txt'),
    fixture('pjshowrsc.txt'),
    'bash: pjstat: command not found\n',
    '43067      pjsub_test NM RUN user0001 02/23 20:53:49  0024:00:00 - 1 1 4096 MiB\n',
  ])('reads no job from %j', (output) => {
    expect(parsePjstat(output)).toEqual([]);
    expect(hasHeader(output)).toBe(false);
  });
});

describe('hostile text', () => {
  const piece = fc.constantFrom(
    'H|JOB_ID|ST|REASON', 'H,JOB_ID,ST', '|1|RUN|x', ',2,EXT', 'JOB_ID     ST  EC', '12345      RUN 0',
    'JOB_ID ST', '1[2]', '|', '||||', '\n', '\r\n', '(', '\0', '\u001b[2J', '漢字', ' ', '9'.repeat(400),
  ); // prettier-ignore

  it('never throws, and gives ids and states only', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 }), (pieces) => {
        for (const { pjmId, state } of parsePjstat(pieces.join(''))) {
          expect(pjmId).toMatch(/^\d+(?:\[\d+\]|_\d+)?$/);
          expect(state).not.toBe('');
        }
      }),
    );
  });

  it('reads 10,000 rows in well under a second', () => {
    const rows = Array.from(
      { length: 10_000 },
      (_, index) => `|${index}|RUN|g|-|0000:00:01|0|0|0|-`,
    );
    const begin = performance.now();
    expect(parsePjstat(data(...rows))).toHaveLength(10_000);
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});

describe('pjmCommands', () => {
  it('asks about all jobs in one call, by a delimiter that no value holds', () => {
    expect(pjstatWords(['1', '2[3]'], 'live')).toEqual([
      'pjstat', '-v', '--choose', chosenItems.join(','), '--data', '--delimiter', '|', '1', '2[3]',
    ]); // prettier-ignore
    expect(pjstatWords(['1'], 'ended').slice(0, 3)).toEqual(['pjstat', '-H', '-v']);
  });

  it('asks for no item that a user can fill with anything', () => {
    expect(chosenItems).not.toContain('jnam');
    expect(chosenItems).not.toContain('cmt');
  });

  it('knows the other commands', () => {
    expect(pjsubWords('job.sh')).toEqual(['pjsub', 'job.sh']);
    expect(pjsubWords('job.sh', { A: '1', B: '2' })).toEqual(['pjsub', '-x', 'A=1,B=2', 'job.sh']);
    expect(pjdelWords('1_2')).toEqual(['pjdel', '1_2']);
    expect(pjstatTableWords('live')).toEqual(['pjstat', '-v']);
    expect(pjstatTableWords('ended')).toEqual(['pjstat', '-H', '-v']);
  });
});
