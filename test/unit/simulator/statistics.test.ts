// The simulator's `.stats` files against real ones of Furo: same sections, same keys, same order, same columns.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folder, PjmBench, shareScript, singleScript } from './pjmBench';

function readFixture(name: string): string {
  return readFileSync(join(import.meta.dirname, '../../fixtures/furo', name), 'utf8');
}

/** Everything up to the value of each line: keys, columns, blank lines and headings. */
function layout(text: string): string[] {
  return text.split('\n').map((line) => line.replace(/^( .*? :)(?: .*)?$/, '$1'));
}

const cases = [
  { script: shareScript, name: 'inference_on_1gpu.sh', id: 1996122, waitMs: 310_000 },
  {
    script: singleScript,
    name: 'infer_device_map_on_1node4gpu.sh',
    id: 1996132,
    waitMs: 105_000,
  },
];

async function runCase({ script, name, id, waitMs }: (typeof cases)[number]): Promise<string> {
  const bench = new PjmBench({ options: { firstJobId: id, schedulingDelayMs: 5000 } });
  bench.files.write(`${folder}/${name}`, script);
  await bench.submit(['pjsub', name]);
  bench.clock.advance(5000 + waitMs);
  bench.runner.find(String(id)).end(0, {
    userCpuMs: 238_760,
    systemCpuMs: 23_260,
    maxMemoryBytes: 1_868_382_208,
  });
  bench.clock.advance(2000);
  return bench.files.read(`${folder}/${name}.${id}.stats`) ?? '';
}

describe.each(cases)('statistics of $name', (one) => {
  const real = readFixture(`${one.name}.${one.id}.stats`);

  it('have the layout of the real file', async () => {
    // One of the two real files ends with one more empty line.
    expect(layout((await runCase(one)).trimEnd())).toEqual(layout(real.trimEnd()));
  });
});

it('has the values of the real job where the simulator knows them', async () => {
  const real = readFixture('inference_on_1gpu.sh.1996122.stats');
  const own = await runCase(cases[0]!);
  const measured = /gpu_|NODE ID|CPU BITMAP|GROUP|DIRECTORY|FILE|gpuids/;
  const known = (text: string) => text.split('\n').filter((line) => !measured.test(line));
  expect(known(own.trimEnd())).toEqual(known(real.trimEnd()));
});

it('leaves the node sections out with -s and writes one for each node with -S', async () => {
  const bench = new PjmBench();
  const script = '#!/bin/bash\n#PJM -L rscgrp=cx-small,node=2\n#PJM --mpi proc=8 -j\n';
  bench.files.write(`${folder}/two.sh`, script);
  await bench.submit('pjsub -S --spath stats/%n-%j.txt two.sh');
  await bench.submit('pjsub -s two.sh');
  bench.clock.advance(5000);
  for (const job of bench.runner.jobs) job.end(0);
  bench.clock.advance(3000);
  const count = (path: string) =>
    (bench.files.read(path) ?? 'none').split('Node Statistical Information').length - 1;
  expect(count(`${folder}/stats/two.sh-1996122.txt`)).toBe(2);
  expect(bench.files.read(`${folder}/stats/two.sh-1996122.txt`)).toMatch(/RANK NO +: 1\n/);
  expect(count(`${folder}/two.sh.1996123.stats`)).toBe(0);
  expect(bench.files.read(`${folder}/two.sh.1996123.stats`)).toContain('JOB ID');
});
