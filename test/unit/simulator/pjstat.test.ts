// pjstat and its relatives against a recording and the manual's samples.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folder, PjmBench } from './pjmBench';

function fixture(name: string): string[] {
  const path = join(import.meta.dirname, '../../fixtures/pjm', name);
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}

/** Where each blank-separated word of a header begins. */
function starts(header: string): (readonly [string, number])[] {
  return [...header.matchAll(/\S+/g)].map((match) => [match[0], match.index] as const);
}

describe('pjstat', () => {
  it('-v has the columns of the recording, and a row of the same shape', async () => {
    const real = readFileSync(
      join(import.meta.dirname, '../../fixtures/pjm/pjstat-v-fugaku.txt'),
      'utf8',
    ).split('\n');
    const bench = new PjmBench();
    await bench.submit('pjsub -L rscgrp=cx-small,node=8,elapse=1:00 single.sh');
    bench.clock.advance(0);
    const planned = (await bench.run('pjstat -v')).out.split('\n');
    expect(planned[0]).toBe(real[0]);
    expect(planned[1]).toBe(
      '1996122    single.sh  NM RNA user1    grp-aaaa (06/19 01:01)   0000:00:00 0000:01:00            8               -      -    -            -     -     bychip    QUE 0   0   0  127 06/19 01:01:55 cx-small -               ',
    );
    expect(planned[1]).toHaveLength(real[1]?.length ?? 0);
    bench.clock.advance(11_000);
    const running = (await bench.run('pjstat -v 1996122')).out.split('\n')[1] ?? '';
    expect(running).toContain(' RUN user1    grp-aaaa 06/19 01:01:59  0000:00:07 0000:01:00 ');
    expect(running).toContain('bychip    RNP ');
  });

  it('cuts names and shows a quarter node with a blank in V_MEM', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub -N a_very_long_name -L rscgrp=cxgfs-share share.sh');
    bench.clock.advance(4000);
    const [header = '', row = ''] = (await bench.run('pjstat -v')).out.split('\n');
    const at = new Map(starts(header));
    const cell = (name: string, width: number) => {
      const from = at.get(name) ?? 0;
      return row.slice(from, from + width).trim();
    };
    expect(cell('JOB_NAME', 10)).toBe('a_very_lon');
    expect(cell('RSC_GRP', 8)).toBe('cxgfs-sh');
    expect(cell('NODE_REQUIRE', 15)).toBe('-');
    expect(cell('VNODE', 6)).toBe('1');
    expect(cell('CORE', 4)).toBe('10');
    expect(cell('V_MEM', 12)).toBe('86016 MiB');
  });

  it('--data has whole names, and with --rg the two leading fields of the manual', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub -N a_very_long_name share.sh');
    bench.clock.advance(4000);
    const { out } = await bench.run('pjstat --data --choose jid,jnam,sdt --delimiter |');
    expect(out).toBe('H|JOB_ID|JOB_NAME|START_DATE\n|1996122|a_very_long_name| 06/19 01:01:59\n');
    const grouped = await bench.run('pjstat --ru cx --rg cx-share --data');
    const [head = '', row = ''] = fixture('pjstat-data.txt');
    expect(grouped.out.split('\n')[0]).toBe(head);
    expect(grouped.out.split('\n')[1]?.split(',')).toHaveLength(row.split(',').length);
    expect(grouped.out.split('\n')[1]).toMatch(/^,cx,cx-share,1996122,.*, 06\/19 01:01:59,/);
  });

  /** Cells of each row by the header's columns, without those that Furo's sizes decide. */
  function cells(lines: readonly string[]): Record<string, string>[] {
    const [header = '', ...rows] = lines;
    const places = starts(header);
    return rows
      .filter((row) => row !== '')
      .map((row) =>
        Object.fromEntries(
          places.map(([name, at], index) => [name, row.slice(at, places[index + 1]?.[1]).trim()]),
        ),
      );
  }

  it("has the plain table of the manual: the same columns, and '-' in the same places", async () => {
    const real = fixture('pjstat-plain.txt');
    const bench = new PjmBench({ options: { firstJobId: 238 } });
    const size = ['-L', 'rscgrp=cx-small,node=2,elapse=1:00:00'];
    for (const name of ['job.sh', 'bulk.sh', 'step.sh', 'job2.sh'])
      bench.files.write(`${folder}/${name}`, '#!/bin/bash\n');
    await bench.submit(['pjsub', ...size, 'job.sh']);
    await bench.submit(['pjsub', '--bulk', '--sparam', '0-1', ...size, 'bulk.sh']);
    await bench.submit(['pjsub', '--step', ...size, 'step.sh']);
    await bench.submit(['pjsub', ...size, 'job2.sh']);
    bench.clock.advance(5000);
    const own = (await bench.run('pjstat')).out.split('\n');
    expect(starts(own[0] ?? '').map(([name]) => name)).toEqual(
      starts(real[0] ?? '').map(([name]) => name),
    );
    const shape = (text: string) =>
      text.replace(/^\d\d\/\d\d (\d\d:){2}\d\d$/, 'date').replace(/^(12:2x3x2|2)$/, 'nodes');
    const shapes = (lines: readonly string[]) =>
      cells(lines).map((row) => Object.values(row).map(shape));
    expect(shapes(own)).toEqual(shapes(real));
  });

  it("has the blocks and the result lines of the manual's samples", async () => {
    const bench = new PjmBench({ options: { firstJobId: 9417 } });
    bench.files.write(`${folder}/script.sh`, '#!/bin/bash\n');
    await bench.submit('pjsub -L rscgrp=cx-single script.sh');
    const block = (await bench.run('pjstat -s', {})).out.split('\n');
    for (const line of fixture('pjstat-s.txt'))
      expect(block).toContain(line.replace(/: user$/, ': user1'));
    const ended = new PjmBench({ options: { firstJobId: 5300 } });
    for (const code of [0, 1, 0]) {
      const id = await ended.submit('pjsub share.sh');
      ended.clock.advance(5000);
      ended.runner.find(id).end(code);
    }
    ended.clock.advance(5000);
    expect((await ended.run('pjwait 5300 5301 5302')).out.trimEnd().split('\n')).toEqual(
      fixture('pjwait.txt'),
    );
  });

  it('counts states in the columns of the manual', async () => {
    const bench = new PjmBench();
    await bench.run(['pjsub', '--bulk', '--sparam', '0-3', 'share.sh']);
    await bench.submit('pjsub --at 202507010000 share.sh');
    bench.clock.advance(5000);
    const lines = (await bench.run('pjstat --summary')).out.split('\n');
    expect(lines[1]).toBe(fixture('pjstat-summary.txt')[0]);
    expect(lines[2]).toBe(
      '       0      1      1      0      0      0      0      0      0      0      2',
    );
    expect(lines[3]).toBe(
      's      0      0      4      0      0      0      0      0      0      0      4',
    );
  });

  it('filters with or, and, ranges and wildcards, and sorts', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub -N alpha share.sh');
    await bench.submit('pjsub -N beta single.sh');
    await bench.submit('pjsub -N gamma share.sh');
    const ids = async (...words: string[]) => {
      const { out } = await bench.run(['pjstat', '--data', '--choose', 'jid', ...words]);
      return out.match(/(?<=^,)\d+/gm) ?? [];
    };
    expect(await ids('--filter', 'jid=1996122+1996124')).toEqual(['1996122', '1996124']);
    expect(await ids('--filter', 'jid=1996123-1996130')).toEqual(['1996123', '1996124']);
    expect(await ids('--filter', 'rscg=cx-share,jnam=*a')).toEqual(['1996122', '1996124']);
    expect(await ids('--filter', 'jnam=be.a')).toEqual(['1996123']);
    expect(await ids('--sort', 'rscg:D,jid:D')).toEqual(['1996123', '1996124', '1996122']);
    expect(await ids('1996123-1996124')).toEqual(['1996123', '1996124']);
    expect(await ids('77')).toEqual([]);
  });

  it('shows the history of three days unless told otherwise', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    bench.clock.advance(4000);
    bench.runner.find('1996122').end(3);
    bench.clock.advance(4 * 24 * 3600 * 1000);
    const rows = async (...words: string[]) =>
      (await bench.run(['pjstat', '-H', ...words])).out.split('\n').length - 2;
    expect(await rows()).toBe(0);
    expect(await rows('day=5')).toBe(1);
    expect(await rows('start=20250619,end=20250620')).toBe(1);
    expect(await rows('start=20250620')).toBe(0);
    expect((await bench.run('pjstat -H day=400')).status).toBe(1);
  });

  it('-s prints blocks, with --choose only the chosen lines', async () => {
    const bench = new PjmBench();
    await bench.submit('pjsub share.sh');
    const { out } = await bench.run('pjstat -s');
    expect(out).toMatch(/^ JOB ID {26}: 1996122\n SUB JOB NUM {21}: -\n/);
    expect((await bench.run('pjstat -s --choose jid,jtyp,std')).out).toBe(
      ` JOB ID                          : 1996122\n JOB TYPE                        : BATCH\n STANDARD OUT FILE               : /home/user1/exp/share.sh.1996122.out\n`,
    );
  });

  it('--rsc, --limit and pjshowrsc have the headings of the manual', async () => {
    const bench = new PjmBench();
    expect((await bench.run('pjstat --rsc')).out.split('\n')[0]).toBe(fixture('pjstat-rsc.txt')[0]);
    const limits = (await bench.run('pjstat --limit --ru cx --rg cx-share')).out.split('\n');
    expect(limits[4]).toBe(fixture('pjstat-limit.txt')[4]);
    expect(limits[5]).toBe((fixture('pjstat-limit.txt')[5] ?? '').replace(/5$/, '0'));
    const nodes = (await bench.run('pjshowrsc --ru cx --rg')).out.split('\n');
    expect(nodes.slice(2, 4)).toEqual(fixture('pjshowrsc.txt').slice(2, 4));
    expect(nodes.find((line) => line.startsWith('cx-large'))).toHaveLength(
      fixture('pjshowrsc.txt')[4]?.length ?? 0,
    );
    expect((await bench.run('pjacl --rg cx-debug --data')).out).toContain(
      ',cx,cx-debug,(elapse=),1,3600,3600\n',
    );
    expect((await bench.run('charge')).out).toContain('used');
  });

  it('--rsc has a line for each group, whose sizes are node counts, also with --shape', async () => {
    const bench = new PjmBench();
    const { out } = await bench.run('pjstat --rsc');
    const line = out.split('\n').find((text) => text.includes('cx-small')) ?? '';
    const places = (text = '') => starts(text).map(([, at]) => at);
    expect(places(line)).toEqual(places(fixture('pjstat-rsc.txt')[1]));
    expect(line.split(/ +/)).toEqual(['cx[ENABLE,START]', '221', 'cx-small[ENABLE,START]', '8']);
    expect(await bench.run('pjstat --rsc --shape')).toEqual({ status: 0, out, err: '' });
  });
});
