// Jobs as real processes, without a queue: what a script sees, what it leaves, how it ends.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log';
import { findPython } from '../../../src/simulator/installation';
import { JobProcesses } from '../../../src/simulator/jobProcess';
import type { JobEnd, JobStart, RunningJob } from '../../../src/simulator/jobRunner';
import { ComputeNodes, renderPjrsh } from '../../../src/simulator/nodes';
import { findMarked, jobMarker } from '../../../src/simulator/processes';
import { until } from './loginNode';

let root: string;
let jobs: JobProcesses;
let nodes: ComputeNodes;

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-job-')));
  const etc = join(root, 'etc');
  nodes = new ComputeNodes({
    root,
    folder: etc,
    nodeCount: 4,
    log: silentLogger,
    usesNamespaces: false,
  });
  await nodes.open();
  writeFileSync(join(etc, 'pjrsh'), renderPjrsh(etc), { mode: 0o755 });
  mkdirSync(join(root, 'submit'));
  jobs = new JobProcesses({
    nodes,
    environment: { HOME: root, PATH: '/usr/bin:/bin' },
    instance: root,
    spoolFolder: join(root, 'spool'),
    localFolder: join(root, 'local'),
    python: findPython(),
    log: silentLogger,
  });
});

afterEach(async () => {
  await jobs.dispose();
  await nodes.dispose();
  rmSync(root, { recursive: true, force: true });
});

const at = (name: string): string => join(root, 'submit', name);
const read = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), 'utf8') : '');

function makeStart(script: string, changes: Partial<JobStart> = {}): JobStart {
  writeFileSync(at('.d0000000007'), script);
  return {
    subJobId: '7',
    user: 'researcher',
    scriptPath: at('.d0000000007'),
    shell: '/bin/bash',
    submitFolder: join(root, 'submit'),
    stdoutPath: at('out'),
    stderrPath: at('err'),
    environment: { PJM_JOBID: '7' },
    nodes: [0],
    gpus: [0],
    isInteractive: false,
    isRestart: false,
    ...changes,
  };
}

interface Started {
  readonly job: RunningJob;
  readonly end: Promise<JobEnd>;
}

function start(script: string, changes: Partial<JobStart> = {}): Started {
  let onEnd: (end: JobEnd) => void = () => undefined;
  const end = new Promise<JobEnd>((resolve) => (onEnd = resolve));
  return { job: jobs.start(makeStart(script, changes), onEnd), end };
}

describe('a script', () => {
  it('runs under its own name in the submit folder with both outputs apart', async () => {
    const { end } = start('echo "$0 $PWD $PJM_JOBID $HF_HUB_OFFLINE"; echo bad >&2; exit 5');
    expect(await end).toMatchObject({ exitCode: 5 });
    expect(read('out')).toBe(`${at('.d0000000007')} ${root}/submit 7 1\n`);
    expect(read('err')).toBe('bad\n');
  });

  it('runs with the interpreter of its first line and one argument', async () => {
    const { end } = start('#!/usr/bin/env -S awk -f\nBEGIN { print "awk" ; exit 4 }\n');
    expect((await end).exitCode).toBe(4);
    expect(read('out')).toBe('awk\n');
  });

  it('is measured: processor time and the largest memory', async () => {
    const python = findPython();
    const { end } = start(
      `exec ${python} -c 'x = bytearray(150_000_000); import time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass'`,
    );
    const use = await end;
    expect(use.userCpuMs + use.systemCpuMs).toBeGreaterThan(300);
    expect(use.maxMemoryBytes).toBeGreaterThan(150_000_000);
    expect(use.maxMemoryBytes).toBeLessThan(400_000_000);
  });

  it('continues its output after a restart and empties it otherwise', async () => {
    writeFileSync(at('out'), 'before\n');
    await start('echo again', { isRestart: true }).end;
    expect(read('out')).toBe('before\nagain\n');
    await start('echo fresh').end;
    expect(read('out')).toBe('fresh\n');
  });

  it('writes both outputs in order into one file with -j', async () => {
    const { end } = start('for i in 1 2 3; do echo $i; echo $i >&2; done', {
      stderrPath: at('out'),
    });
    await end;
    expect(read('out')).toBe('1\n1\n2\n2\n3\n3\n');
  });

  it('has a folder of its own that goes with it', async () => {
    await start('echo $PJM_LOCALDIR; touch $PJM_LOCALDIR/x; ls $PJM_LOCALDIR').end;
    const [folder = '', file] = read('out').split('\n');
    expect([file, existsSync(folder)]).toEqual(['x', false]);
  });

  it('reaches its nodes with pjrsh, without its variables, and only from within a job', async () => {
    await start(
      `wc -l < $PJM_O_NODEINF; '${root}/etc/pjrsh' $(head -n1 $PJM_O_NODEINF) 'echo "job \${PJM_JOBID-not told}"'; PJM_O_NODEINF= '${root}/etc/pjrsh' cx001 true; echo $?`,
      {
        nodes: [0, 1],
      },
    ).end;
    expect(read('out')).toBe('2\njob not told\n1\n');
    expect(read('err')).toBe('pjrsh: not in a job\n');
  });
});

describe('an end', () => {
  it('tells the signal that ended the shell', async () => {
    expect(await start('kill -9 $$').end).toMatchObject({ exitCode: 137, signal: 9 });
    expect(await start('kill -TERM $$').end).toMatchObject({ exitCode: 143, signal: 15 });
    expect(await start('exit 143').end).not.toHaveProperty('signal');
  });

  it('takes along what the script left behind', async () => {
    await start('setsid sleep 600 & (sleep 600 &) ; echo left').end;
    expect(read('out')).toBe('left\n');
    await until(() => findMarked(jobMarker, `${root}:7`).length === 0);
  });

  it('signals every process of the job', async () => {
    const trap = (name: string): string =>
      `trap "echo ${name}; exit" USR1; echo ready; while :; do sleep 0.05; done`;
    const { job, end } = start(
      `(${trap('child')}) & setsid bash -c '${trap('apart')}' & ${trap('shell')}`,
    );
    await until(() => read('out') === 'ready\nready\nready\n');
    job.signal('SIGUSR1');
    await until(() => ['child', 'apart', 'shell'].every((name) => read('out').includes(name)));
    await end;
  });

  it('kills those who do not listen, also right after the start', async () => {
    const stubborn = "trap '' TERM XCPU; while :; do sleep 0.05; done";
    const early = start(stubborn);
    early.job.signal('SIGKILL');
    expect(await early.end).toMatchObject({ exitCode: 137, signal: 9 });
    const late = start(`${stubborn} & echo ready; ${stubborn}`);
    await until(() => read('out') === 'ready\n');
    late.job.signal('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(jobs.runningCount).toBe(1);
    late.job.signal('SIGKILL');
    expect(await late.end).toMatchObject({ exitCode: 137, signal: 9 });
  });

  it('says what prevented a start', async () => {
    const none = start('true', { submitFolder: join(root, 'nothere') });
    expect((await none.end).pjmCode).toBe(16);
    const noOutput = start('true', { stdoutPath: join(root, 'nothere/out') });
    expect((await noOutput.end).pjmCode).toBe(16);
    const noScript = start('true', { scriptPath: at('nothere') });
    expect((await noScript.end).pjmCode).toBe(21);
  });

  it('takes a line of PJM itself without harm to what the job wrote', async () => {
    const { job, end } = start('echo one; while [ ! -e go ]; do sleep 0.05; done; echo two', {
      stderrPath: at('out'),
    });
    await until(() => read('out') === 'one\n');
    job.writeError('PJM 7004 says something');
    writeFileSync(at('go'), '');
    await end;
    expect(read('out')).toBe('one\nPJM 7004 says something\ntwo\n');
  });
});
