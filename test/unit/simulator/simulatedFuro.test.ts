// The whole simulated Furo: start, a job, restart with everything kept, faults of PJM, and an end without leftovers.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findMarked, machineMarker } from '../../../src/simulator/processes';
import {
  startSimulatedFuro,
  type SimulatedFuro,
  type SimulatedFuroOptions,
} from '../../../src/simulator/simulatedFuro';
import { connect, exec, openSftp, until, type CommandResult } from './loginNode';

const scheduling = {
  schedulingDelayMs: 20,
  terminationMs: 20,
  deleteDelayMs: 20,
  killDelayMs: 300,
};

let root: string;
let furo: SimulatedFuro;
let client: Client;

async function start(options: Partial<SimulatedFuroOptions> = {}): Promise<void> {
  furo = await startSimulatedFuro({ root, scheduling, usesNamespaces: false, ...options });
  client = await connect(furo.endpoint);
}

async function stop(): Promise<void> {
  client.destroy();
  await furo.dispose();
}

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-sim-')));
  await start();
});

afterEach(async () => {
  await stop();
  rmSync(root, { recursive: true, force: true });
});

const run = (command: string): Promise<CommandResult> =>
  exec(client, `cd ${furo.endpoint.remoteFolder} && ${command}`);

function writeJob(name: string, ...lines: readonly string[]): void {
  const head = ['#!/bin/bash', '#PJM -L rscgrp=cx-share', '#PJM -j', '#PJM -s'];
  writeFileSync(join(furo.endpoint.remoteFolder, name), [...head, ...lines, ''].join('\n'));
}

const output = (name: string): string => {
  const path = join(furo.endpoint.remoteFolder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

async function submit(name: string): Promise<string> {
  const { stdout } = await run(`pjsub ${name}`);
  return String(/Job (\d+) submitted/.exec(stdout)?.[1]);
}

describe('a machine in a folder', () => {
  it('tells what a client needs', () => {
    const { endpoint } = furo;
    expect(endpoint.hostKeyFingerprint).toMatch(/^SHA256:[\w+/]{43}$/);
    expect(endpoint.knownHostsLine).toMatch(/^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+$/);
    expect(endpoint.remoteFolder).toBe(join(root, 'data/group1/researcher'));
    expect(statSync(endpoint.identityFile).mode & 0o777).toBe(0o600);
  });

  it('opens its command socket to nobody else', () => {
    const client = readFileSync(join(root, 'etc/client.py'), 'utf8');
    const path = String(/^socket_path = "(.+)"$/m.exec(client)?.[1]);
    const modes = [path, join(path, '..')].map((name) => statSync(name).mode & 0o777);
    expect(modes).toEqual([0o600, 0o700]);
  });

  it('keeps keys, files and the queue over a restart, and goes on counting', async () => {
    writeJob('short.sh', 'echo done');
    writeJob('held.sh', 'echo held');
    const first = await submit('short.sh');
    await until(() => output(`short.sh.${first}.out`) === 'done\n');
    await until(() => existsSync(join(furo.endpoint.remoteFolder, `short.sh.${first}.stats`)));
    const held = await submit('held.sh');
    await run(`pjhold ${held}`);
    const { hostKeyFingerprint } = furo.endpoint;
    await stop();
    await start();
    expect(furo.endpoint.hostKeyFingerprint).toBe(hostKeyFingerprint);
    expect((await run(`pjstat -H --choose st ${first}`)).stdout).toContain('EXT');
    expect(Number(await submit('short.sh'))).toBe(Number(held) + 1);
  });

  it('queues a job again that ran when the machine went down, and continues its output', async () => {
    writeJob('long.sh', 'echo run ${PJM_JOBID}; while [ ! -e go ]; do sleep 0.05; done; echo end');
    const id = await submit('long.sh');
    const out = `long.sh.${id}.out`;
    await until(() => output(out) === `run ${id}\n`);
    await stop();
    writeFileSync(join(root, 'data/group1/researcher/go'), '');
    await start();
    await until(() => output(out) === `run ${id}\nrun ${id}\nend\n`);
  });

  it('serves models by their hub name and an environment by conda', async () => {
    const venv = join(root, 'venv');
    mkdirSync(join(venv, 'bin'), { recursive: true });
    const python = join(venv, 'bin/python');
    writeFileSync(python, '#!/bin/sh\necho the environment\n', { mode: 0o755 });
    const model = join(root, 'model');
    mkdirSync(model);
    writeFileSync(join(model, 'config.json'), '{}');
    await stop();
    await start({ python, models: { 'Org/Name-1B': model } });
    const hook = 'eval "$(~/miniconda3/bin/conda shell.bash hook)"; conda activate furo && python';
    expect((await run(hook)).stdout).toBe('the environment\n');
    const cache = '~/.cache/huggingface/hub/models--Org--Name-1B';
    const { stdout } = await run(`ls ${cache}/snapshots/$(cat ${cache}/refs/main)/`);
    expect(stdout).toBe('config.json\n');
    const sftp = await openSftp(client);
    const seen = await new Promise((resolve) => {
      const path = `.cache/huggingface/hub/models--Org--Name-1B/snapshots`;
      sftp.readdir(path, (_error, list) => {
        sftp.readFile(`${path}/${list[0]?.filename ?? ''}/config.json`, (_failed, bytes) => {
          resolve(bytes.toString());
        });
      });
    });
    expect(seen).toBe('{}');
  });
});

describe('the variables of a job', () => {
  /** Every `PJM_` variable that the job's own shell sees. */
  async function variablesOf(options: string): Promise<Record<string, string>> {
    writeJob('env.sh', 'env | grep ^PJM_ > seen && mv seen whole');
    const { stdout, stderr } = await run(`pjsub ${options} env.sh`);
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^\[INFO\] PJM 0000 pjsub /), '']);
    await until(() => output('whole') !== '');
    const lines = output('whole').trimEnd().split('\n');
    return Object.fromEntries(
      lines.map((line) => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)] as const;
      }),
    );
  }

  /** What is the same for each first job of a machine. */
  function common(): Record<string, string> {
    const { remoteFolder, user } = furo.endpoint;
    const id = '1996122';
    return {
      PJM_JOBID: id,
      PJM_SUBJOBID: id,
      PJM_ENVIRONMENT: 'BATCH',
      PJM_RSCUNIT: 'cx',
      PJM_SHELL: '/bin/bash',
      PJM_DPREFIX: '#PJM',
      PJM_JOBDIR: remoteFolder,
      PJM_LOCALDIR: join(root, 'local', id),
      PJM_O_HOME: join(root, 'home', user),
      PJM_O_HOST: 'flow-cx02',
      PJM_O_LANG: 'C.UTF-8',
      PJM_O_LOGNAME: user,
      PJM_O_MAIL: `/var/spool/mail/${user}`,
      PJM_O_NODEINF: expect.stringMatching(new RegExp(`^${root}/.*/nodes\\.${id}$`)) as string,
      PJM_O_PATH: String(furo.environment['PATH']),
      PJM_O_SHELL: '/bin/bash',
      PJM_O_TZ: 'JST-9',
      PJM_O_WORKDIR: remoteFolder,
    };
  }

  it('are these and no others on a shared node', async () => {
    const out = join(furo.endpoint.remoteFolder, 'env.sh.1996122.out');
    expect(await variablesOf('-L elapse=10:00')).toEqual({
      ...common(),
      PJM_JOBNAME: 'env.sh',
      PJM_RSCGRP: 'cx-share',
      PJM_ELAPSE_LIMIT: '600',
      PJM_STDOUT_PATH: out,
      PJM_STDERR_PATH: out,
      PJM_CUSTOM_RESOURCES: 'gpu=1',
      PJM_VNODE: '1',
      PJM_VNODE_CORE: '10',
      PJM_VNODE_MEM_LIMIT: '90194313216',
      PJM_EXEC_POLICY: 'share',
      PJM_MPI_PROC: '1',
    });
  });

  it('are these and no others on two nodes, with what the options give', async () => {
    const given = '--comment try --appname app --fs data --norestart -P vn-policy=pack';
    const size = '-L rscgrp=cxgfs-small,node=2,jobenv=singularity --mpi proc=8';
    const { remoteFolder } = furo.endpoint;
    expect(await variablesOf(`${size} ${given} -N pair -e %n.%j.log`)).toEqual({
      ...common(),
      PJM_JOBNAME: 'pair',
      PJM_RSCGRP: 'cxgfs-small',
      PJM_ELAPSE_LIMIT: '3600',
      PJM_STDOUT_PATH: join(remoteFolder, 'pair.1996122.out'),
      PJM_STDERR_PATH: join(remoteFolder, 'pair.1996122.log'),
      PJM_CUSTOM_RESOURCES: 'gpu=4/n,jobenv=singularity',
      PJM_NODE: '2',
      PJM_MPI_PROC: '8',
      PJM_PROC_BY_NODE: '4',
      PJM_COMMENT: 'try',
      PJM_APPNAME: 'app',
      PJM_FSNAME: 'data',
      PJM_NORESTART: '1',
      PJM_VN_POLICY: 'pack',
    });
  });
});

describe('faults of PJM', () => {
  it('says that the daemon is not present', async () => {
    furo.faults.set({ isDaemonDown: true });
    const { stdout, stderr, code } = await run('pjstat');
    expect([stdout, code]).toEqual(['', 1]);
    expect(stderr).toMatch(/^\[ERR\.\] PJM \d{4} pjstat PJM daemon is not present\.\n$/);
  });

  it('puts the site’s lines around an answer', async () => {
    furo.faults.set({ linesBefore: ['*** notice ***'], linesAfter: ['bye'] });
    writeJob('a.sh', 'true');
    const { stdout } = await run('pjsub a.sh');
    expect(stdout).toMatch(
      /^\*\*\* notice \*\*\*\n\[INFO\] PJM 0000 pjsub Job \d+ submitted\.\nbye\n$/,
    );
  });

  it('cannot keep a script on a full disk', async () => {
    writeJob('a.sh', 'true');
    furo.faults.set({ isDiskFull: true });
    const { stderr, code } = await run('pjsub a.sh');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^\[ERR\.\] PJM \d{4} pjsub /)]);
  });

  it('closes a group, and is slow to answer', async () => {
    furo.faults.set({ closedGroups: ['cx-share'], answerDelaySeconds: 3.2 });
    const begin = Date.now();
    expect((await run('pjstat 77')).stdout).toMatch(
      /^\[INFO\] PJM 0281 pjstat Data loading\.\nJOB_ID /,
    );
    expect(Date.now() - begin).toBeGreaterThanOrEqual(3000);
    furo.faults.set({ answerDelaySeconds: 0 });
    writeJob('a.sh', 'true');
    const { stderr, code } = await run('pjsub a.sh');
    expect([code, stderr]).toEqual([1, '[ERR.] PJM 0059 pjsub rscgrp=cx-share is disabled.\n']);
  });

  it('keeps the queue slow', async () => {
    furo.faults.set({ queueDelaySeconds: 1 });
    writeJob('a.sh', 'echo ran');
    const id = await submit('a.sh');
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(output(`a.sh.${id}.out`)).toBe('');
    await until(() => output(`a.sh.${id}.out`) === 'ran\n');
  });
});

describe('the end', () => {
  it('leaves no process, socket, timer or job folder', async () => {
    writeJob('endless.sh', 'setsid sleep 600 & sleep 600');
    const id = await submit('endless.sh');
    await until(() => existsSync(join(root, 'local', id)));
    await exec(client, 'setsid sleep 600 >/dev/null 2>&1 </dev/null & exit');
    const instance = String(furo.environment[machineMarker]);
    expect(findMarked(machineMarker, instance).length).toBeGreaterThan(0);
    await stop();
    // Zombies of killed processes have no environment any more.
    await until(() => findMarked(machineMarker, instance).length === 0);
    expect(existsSync(join(root, 'local', id))).toBe(false);
    await expect(connect(furo.endpoint)).rejects.toThrow(/ECONNREFUSED/);
    const env = { ...furo.environment };
    const words = ['-c', 'pjstat; echo "status $?"'];
    const orphan = execFileSync('/bin/bash', words, { env, encoding: 'utf8', stdio: 'pipe' });
    expect(orphan).toBe('status 1\n');
    await start();
  });
});
