// The simulated Furo as a process of its own: it ends by itself after `dispose`, and a killed one is cleaned up.
import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findMarked, machineMarker } from '../../src/simulator/processes';
import { startSimulatedFuro, type SimulatedFuro } from '../../src/simulator/simulatedFuro';
import { connect, exec, until, type Target } from '../unit/simulator/loginNode';
import { quickScheduling } from './pjmJobSuite';

const repository = resolve(import.meta.dirname, '../..');
const program = `
import { startSimulatedFuro } from '${repository}/src/simulator/simulatedFuro';
import { writeFileSync } from 'node:fs';
void startSimulatedFuro({ root: process.argv[2], scheduling: ${JSON.stringify(quickScheduling)} }).then((furo) => {
  const { endpoint, environment } = furo;
  writeFileSync(process.argv[3], JSON.stringify({ endpoint, environment }));
  process.once('SIGTERM', () => void furo.dispose());
});`;

let folder: string;
let root: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'furo-process-')));
  root = join(folder, 'furo');
  await build({
    stdin: { contents: program, resolveDir: repository, loader: 'ts' },
    outfile: join(folder, 'furo.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['ssh2'],
    logLevel: 'silent',
  });
});

afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Announced {
  readonly endpoint: Target & { readonly remoteFolder: string };
  readonly environment: Readonly<Record<string, string>>;
}

async function start(): Promise<Announced> {
  const file = join(folder, 'announced.json');
  rmSync(file, { force: true });
  const env = { ...process.env, NODE_PATH: join(repository, 'node_modules') };
  child = spawn(process.execPath, [join(folder, 'furo.cjs'), root, file], { env, stdio: 'ignore' });
  await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('}'));
  return JSON.parse(readFileSync(file, 'utf8')) as Announced;
}

/** Starts the process, submits an endless job and waits until it runs. */
async function startWithJob(): Promise<{ announced: Announced; output: string }> {
  const announced = await start();
  const { remoteFolder } = announced.endpoint;
  const script =
    '#!/bin/bash\n#PJM -L rscgrp=cx-share\n#PJM -j\necho run\nsetsid sleep 600 &\nsleep 600\n';
  writeFileSync(join(remoteFolder, 'endless.sh'), script);
  const client = await connect(announced.endpoint);
  const { stdout } = await exec(client, `cd ${remoteFolder} && pjsub endless.sh`);
  client.destroy();
  const id = String(/Job (\d+) submitted/.exec(stdout)?.[1]);
  const output = join(remoteFolder, `endless.sh.${id}.out`);
  await until(() => existsSync(output) && readFileSync(output, 'utf8') === 'run\n');
  return { announced, output };
}

function exitOf(ended: ChildProcess | undefined): Promise<number | null> {
  return new Promise((done) => {
    ended?.once('exit', done);
  });
}

it('ends by itself when disposed: no timer, socket or process holds it', async () => {
  const { announced } = await startWithJob();
  const instance = String(announced.environment[machineMarker]);
  const exit = exitOf(child);
  child?.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(findMarked(machineMarker, instance)).toEqual([]);
  expect(existsSync(join(tmpdir(), `furo-pjm-${instance}`))).toBe(false);
});

it('refuses a folder that another process uses', async () => {
  await startWithJob();
  await expect(startSimulatedFuro({ root })).rejects.toThrow(/another simulated Furo runs in/);
});

/** Runs a command of PJM and kills the simulator as soon as the first words of the answer are there. */
async function answeredBeforeKill(
  { environment, endpoint }: Announced,
  words: string,
): Promise<string> {
  const command = spawn('/bin/bash', ['-c', words], {
    env: { ...environment },
    cwd: endpoint.remoteFolder,
  });
  const exit = exitOf(child);
  const answer = await new Promise<string>((done) => {
    command.stdout.once('data', (chunk: Buffer) => {
      child?.kill('SIGKILL');
      done(chunk.toString());
    });
  });
  await exit;
  return answer;
}

it('forgets no command that it answered, killed at the first word of the answer', async () => {
  let announced = await start();
  const script = '#!/bin/bash\n#PJM -L rscgrp=cx-share\n#PJM --at 209901010000\ntrue\n';
  writeFileSync(join(announced.endpoint.remoteFolder, 'later.sh'), script);
  for (const id of ['1996122', '1996123']) {
    expect(await answeredBeforeKill(announced, 'pjsub later.sh')).toBe(
      `[INFO] PJM 0000 pjsub Job ${id} submitted.\n`,
    );
    announced = await start();
  }
  expect(await answeredBeforeKill(announced, 'pjhold 1996123')).toContain('PJM 0300');
  announced = await start();
  const list = 'pjstat --data --choose jid,st';
  expect(await answeredBeforeKill(announced, list)).toBe(
    'H,JOB_ID,ST\n,1996122,QUE\n,1996123,HLD\n',
  );
});

it('cleans up after a killed process and runs its jobs again', async () => {
  const { announced, output } = await startWithJob();
  const instance = String(announced.environment[machineMarker]);
  // That a job began to run is written soon after, not at once.
  await new Promise((done) => setTimeout(done, 500));
  const exit = exitOf(child);
  child?.kill('SIGKILL');
  await exit;
  const orphans = findMarked(machineMarker, instance);
  expect(orphans.length).toBeGreaterThanOrEqual(3);
  let furo: SimulatedFuro | undefined;
  try {
    furo = await startSimulatedFuro({ root, scheduling: quickScheduling });
    expect(findMarked(machineMarker, instance).filter((pid) => orphans.includes(pid))).toEqual([]);
    await until(
      () => readFileSync(output, 'utf8') === 'run\n[INFO] PLE 1700 The job restarts.\nrun\n',
    );
  } finally {
    await furo?.dispose();
  }
});
