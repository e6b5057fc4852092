// Ten thousand jobs on virtual time: quick answers, no node given twice, first come first served.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log';
import { furoGroups, gpusPerNode } from '../../../src/pjm/furo';
import { NodePool } from '../../../src/simulator/allocation';
import type { ServerMessage } from '../../../src/simulator/commandClient';
import { CommandSocket } from '../../../src/simulator/commandSocket';
import { foldersOf } from '../../../src/simulator/folders';
import { findPython, installExecutables } from '../../../src/simulator/installation';
import { JobProcesses } from '../../../src/simulator/jobProcess';
import { ComputeNodes } from '../../../src/simulator/nodes';
import { furoOptions } from '../../../src/simulator/schedulerOptions';
import { readStateFile, StateFile } from '../../../src/simulator/stateFile';
import { folder, PjmBench } from './pjmBench';

const groupNames = furoGroups.filter((group) => !group.isInteractive).map(({ name }) => name);

/** Fails as soon as a GPU of a node is used by two jobs at once. */
function watchNodes(bench: PjmBench): { readonly mostGpus: () => number } {
  const owners = new Map<string, string>();
  let most = 0;
  bench.runner.onStart = ({ subJobId, nodes, gpus }) => {
    for (const [slot, owner] of owners)
      if (bench.scheduler.jobs.find(owner)?.nodes.length === 0) owners.delete(slot);
    for (const node of nodes)
      for (const gpu of gpus) {
        const slot = `${node}.${gpu}`;
        const owner = owners.get(slot);
        const before = owner === undefined ? undefined : bench.scheduler.jobs.find(owner);
        if (before && before.exitedAt === undefined) throw new Error(`${slot} is given twice`);
        owners.set(slot, subJobId);
        most = Math.max(
          most,
          bench.scheduler.options.nodeCount * gpusPerNode - bench.scheduler.free.gpus,
        );
      }
  };
  return { mostGpus: () => most };
}

/** Another processor may do half as much in the same time, and a CI machine is shared: it gets twice as long. */
const answerMs = process.env['CI'] === 'true' ? 200 : 100;
/** A `-v` of all 10,000 has 24 columns for each job and is near 100; this only catches what grows out of bounds. */
const verboseMs = 300;

/** The lowest of three processor times in milliseconds: what the work costs, whoever else uses the machine. */
async function bestOfThree(work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const begin = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(begin);
    times.push((user + system) / 1000);
  }
  return Math.min(...times);
}

it('answers pjstat quickly with 10,000 jobs waiting and drains the queue', async () => {
  const bench = new PjmBench();
  const count = 10_000;
  for (let index = 0; index < count; index += 1)
    await bench.run(index % 2 === 0 ? 'pjsub share.sh' : 'pjsub single.sh');
  bench.clock.advance(5000);
  const watch = watchNodes(bench);
  bench.runner.runMs = ({ subJobId }) => 60_000 * (1 + (Number(subJobId) % 50));
  for (const job of bench.runner.jobs) bench.clock.after(60_000, () => job.end());
  const limits = {
    pjstat: answerMs,
    'pjstat -v': verboseMs,
    'pjstat -v --choose jid,st,ec --data': answerMs,
  };
  for (const [words, limitMs] of Object.entries(limits)) {
    const ms = await bestOfThree(async () => {
      expect((await bench.run(words)).out.split('\n')).toHaveLength(count + 2);
    });
    expect(ms, words).toBeLessThan(limitMs);
  }
  bench.clock.drain();
  expect([...bench.scheduler.jobs.live()]).toEqual([]);
  expect([...bench.scheduler.jobs.history()].every(({ state }) => state === 'EXT')).toBe(true);
  expect(bench.scheduler.free).toEqual({ nodes: 221, gpus: 884 });
  expect(watch.mostGpus()).toBeGreaterThan(800);
}, 60_000);

it('keeps the order of each group apart from backfill, for any mix of jobs', async () => {
  const job = fc.record({
    group: fc.constantFrom(...groupNames),
    minutes: fc.integer({ min: 1, max: 60 }),
    used: fc.double({ min: 0.01, max: 1, noNaN: true }),
    extraNodes: fc.integer({ min: 0, max: 3 }),
  });
  const mix = fc.array(job, { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(mix, async (jobs) => {
      const bench = new PjmBench({ options: { nodeCount: 64 } });
      watchNodes(bench);
      const durations = new Map<string, number>();
      bench.runner.runMs = ({ subJobId }) => durations.get(subJobId) ?? 1;
      for (const { group: name, minutes, used, extraNodes } of jobs) {
        const group = furoGroups.find((candidate) => candidate.name === name)!;
        const nodes = Math.min(group.minNodes + extraNodes, group.maxNodes);
        const resources = `rscgrp=${name},elapse=${minutes}:00${group.isShared ? '' : `,node=${nodes}`}`;
        const id = await bench.submit(['pjsub', '-L', resources, 'plain.sh']);
        durations.set(id, Math.ceil(minutes * 60_000 * used));
      }
      bench.clock.drain();
      const ended = [...bench.scheduler.jobs.history()].sort((a, b) => a.sequence - b.sequence);
      expect(ended).toHaveLength(jobs.length);
      const lastStart = new Map<string, number>();
      for (const { spec, startedAt = 0, isBackfilled } of ended) {
        if (isBackfilled) continue;
        expect(startedAt).toBeGreaterThanOrEqual(lastStart.get(spec.resourceGroup) ?? 0);
        lastStart.set(spec.resourceGroup, startedAt);
      }
    }),
    { numRuns: 60 },
  );
});

it('never delays the first blocked job by a backfilled one', async () => {
  const bench = new PjmBench({ options: { nodeCount: 2, schedulingDelayMs: 0 } });
  bench.files.write(`${folder}/x.sh`, '#!/bin/bash\n');
  const submit = (resources: string) => bench.submit(['pjsub', '-L', resources, 'x.sh']);
  await submit('rscgrp=cx-single,elapse=1:00:00');
  const wide = await submit('rscgrp=cx-small,node=2,elapse=1:00:00');
  const long = await submit('rscgrp=cx-single,elapse=2:00:00');
  const short = await submit('rscgrp=cx-single,elapse=30:00');
  bench.clock.advance(1000);
  expect(await bench.state(wide)).toBe('QUE');
  expect(await bench.state(long)).toBe('QUE');
  expect(await bench.state(short)).toBe('RUN');
  const { out } = await bench.run('pjstat --choose jid,sdt');
  expect(out).toContain(`${wide}    (06/19 02:01) `);
  expect(out).toContain(`${short}    06/19 01:01:55<`);
});

it('gives no GPU twice and takes none back twice', () => {
  const pool = new NodePool(1);
  const first = pool.place({ isShared: true, nodes: 1 }, 0)!;
  pool.take(first);
  expect(() => {
    pool.take(first);
  }).toThrow('given twice');
  expect(pool.place({ isShared: false, nodes: 1 }, 0)).toBeUndefined();
  pool.release(first);
  expect(() => {
    pool.release(first);
  }).toThrow('released twice');
  expect(furoOptions.nodeCount).toBe(221);
});

describe('through the command socket', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'furo-scale-'));
  });

  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('answers pjstat and pjsub quickly with 10,000 jobs waiting and its state on disk', async () => {
    const bench = new PjmBench();
    for (let index = 0; index < 10_000; index += 1) await bench.run('pjsub share.sh');
    const state = openState(bench, root);
    state.flush();
    const socket = openSocket(bench, root, state);
    await socket.listen();
    try {
      const ask = (...words: string[]) => askSocket(socket.path, words);
      const list = await bestOfThree(async () => {
        expect((await ask('pjstat')).split('\n')).toHaveLength(
          [...bench.scheduler.jobs.live()].length + 2,
        );
      });
      expect(list).toBeLessThan(answerMs);
      const submit = await bestOfThree(async () => {
        expect(await ask('pjsub', 'single.sh')).toContain('submitted');
      });
      // Far less than the list: the whole state is not written before each answer.
      expect(submit).toBeLessThan(answerMs / 4);
      const kept = readStateFile(join(root, 'scheduler.json'), silentLogger);
      expect(kept?.changes).toHaveLength(3);
    } finally {
      socket.dispose();
    }
  }, 60_000);

  it('starts an executable in less time than a Node takes to start', async () => {
    const bench = new PjmBench();
    const id = await bench.submit('pjsub share.sh');
    const socket = openSocket(bench, root, openState(bench, root));
    await socket.listen();
    try {
      const folders = foldersOf(root, 'user1');
      for (const path of [folders.etc, folders.bin]) mkdirSync(path, { recursive: true });
      installExecutables(folders, socket.path, findPython());
      const run = promisify(execFile);
      const list = await quickestOfFive(async () => {
        expect((await run(join(folders.bin, 'pjstat'))).stdout).toContain(id);
      });
      const node = await quickestOfFive(() => run(process.execPath, ['--eval', '0']));
      expect(list).toBeLessThan(node);
    } finally {
      socket.dispose();
    }
  });
});

/** The lowest of five times on the wall, in milliseconds. */
async function quickestOfFive(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const begin = performance.now();
    await work();
    times.push(performance.now() - begin);
  }
  return Math.min(...times);
}

function openState(bench: PjmBench, root: string): StateFile<unknown> {
  return new StateFile({
    path: join(root, 'scheduler.json'),
    clock: bench.clock,
    log: silentLogger,
    snapshot: () => bench.scheduler.snapshot(),
    changes: () => bench.scheduler.jobs.takeTouched(),
  });
}

function openSocket(bench: PjmBench, root: string, state: StateFile<unknown>): CommandSocket {
  const { scheduler, files } = bench;
  const log = silentLogger;
  // Neither runs anything here: only interactive jobs go through the socket to processes.
  const nodes = new ComputeNodes({ root, folder: root, nodeCount: 1, log, usesNamespaces: false });
  const jobs = new JobProcesses({
    nodes,
    environment: {},
    instance: 'scale',
    spoolFolder: root,
    localFolder: root,
    python: 'python3',
    log,
  });
  return new CommandSocket({
    path: join(root, 'socket', 'pjm.sock'),
    scheduler,
    jobs,
    files,
    user: 'user1',
    group: 'grp-aaaa',
    hostName: 'flow-cx05',
    shell: '/bin/bash',
    log,
    keep: () => {
      state.keep();
    },
  });
}

/** What an executable does: one call, then everything it is told to print. */
async function askSocket(path: string, words: readonly string[]): Promise<string> {
  const [program = '', ...rest] = words;
  const socket = connect(path);
  const call = { program, arguments: rest, folder, environment: {}, isTerminal: false };
  socket.write(`${JSON.stringify({ call })}\n`);
  let printed = '';
  for await (const line of createInterface({ input: socket })) {
    const { out = '', err = '', exit } = JSON.parse(line) as ServerMessage;
    printed += out + err;
    if (exit !== undefined) break;
  }
  socket.destroy();
  return printed;
}
