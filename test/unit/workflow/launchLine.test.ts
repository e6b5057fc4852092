// The body of a job script, run by the real bash with small stand-ins for `module`, conda and python.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultSettings } from '../../../src/settings';
import { ranksOf, renderBody } from '../../../src/workflow/launchLine';
import type { Inference, JobSettings, Work } from '../../../src/workflow/workflow';

let root: string;
let project: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'furo-launch-')));
  project = join(root, "project of 研究's");
  await mkdir(project);
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

interface Outcome {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

const bare: JobSettings = { ...defaultSettings.job, modules: [], condaEnvironment: '' };

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o755);
}

/** Runs the body as PJM would: a plain bash, no login, with `before` ahead of it. */
async function runBody(
  work: Work,
  settings: Partial<JobSettings> = {},
  before: readonly string[] = [],
): Promise<Outcome> {
  const lines = renderBody(
    { name: 'j', settings: { ...bare, ...settings }, work },
    {
      startFolder: project,
      projectFolder: join(root, "everybody's"),
      runtimeFolder: join(root, 'run time'),
      jobFile: join(root, 'runs', "it's", 'job.json'),
    },
  );
  const script = join(root, 'job.sh');
  await writeFile(script, ['#!/bin/bash', ...before, ...lines, ''].join('\n'));
  return new Promise((resolve) => {
    const env = { PATH: `${join(root, 'bin')}:/usr/bin:/bin`, HOME: root };
    execFile('/bin/bash', [script], { cwd: root, env }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? error?.signal ?? 0, stdout, stderr });
    });
  });
}

/** A `python` that tells how it was started and ends with the code of `EXIT`. */
async function putPython(): Promise<void> {
  const tell = [
    '#!/bin/bash',
    'printf "arg:%s\\n" "$@"',
    'echo "at:$PWD"',
    'echo "unbuffered:$PYTHONUNBUFFERED"',
    'echo "path:$PYTHONPATH"',
    'echo "conda:$CONDA"',
    'echo "modules:$MODULES"',
    'exit "${EXIT:-0}"',
  ];
  await put(join(root, 'bin', 'python'), tell.join('\n'));
}

const python: Work = { kind: 'python', script: 'a.py', arguments: [] };
const inference: Work = { kind: 'inference', inference: defaultSettings.inference };

describe('the work', () => {
  it.each([0, 1, 3, 75, 137])('ends the job with its own exit code %d', async (code) => {
    await putPython();
    expect((await runBody(python, { environment: { EXIT: String(code) } })).code).toBe(code);
    expect((await runBody(inference, { environment: { EXIT: String(code) } })).code).toBe(code);
  });

  it('is a Python program in the project folder, with its arguments as they are', async () => {
    await putPython();
    const words = [
      'plain',
      'two words',
      "it's",
      '"q"',
      '$HOME',
      '`id`',
      '日本語',
      '',
      '-x',
      '*',
      'a\nb',
      '\\',
    ];
    const { stdout, code } = await runBody({
      kind: 'python',
      script: 'scripts/数 える.py',
      arguments: words,
    });
    expect(code).toBe(0);
    const told = stdout.slice(0, stdout.indexOf('\nat:'));
    expect(told).toBe(['scripts/数 える.py', ...words].map((word) => `arg:${word}`).join('\n'));
    expect(stdout).toContain(`at:${project}\nunbuffered:1\n`);
  });

  it('is the runtime with its own folder first in PYTHONPATH', async () => {
    await putPython();
    const { stdout } = await runBody(inference);
    expect(stdout).toContain(
      ['-m', 'furo_infer', 'run', join(root, 'runs', "it's", 'job.json')]
        .map((word) => `arg:${word}`)
        .join('\n'),
    );
    expect(stdout).toContain(`path:${join(root, 'run time')}\n`);
    const { stdout: withOwn } = await runBody(inference, { environment: { PYTHONPATH: '/own' } });
    expect(withOwn).toContain(`path:${join(root, 'run time')}:/own\n`);
  });

  it('is a script of the project', async () => {
    await put(join(project, 'my job.sh'), 'echo "ran $0"; exit 4\n');
    const outcome = await runBody({ kind: 'script', script: 'my job.sh' });
    expect(outcome).toMatchObject({ code: 4, stdout: 'ran my job.sh\n' });
  });

  it.each([
    ['a program', python],
    ['the runtime', inference],
  ])('as %s replaces the shell, so that signals reach it', async (_, work) => {
    await put(join(root, 'bin', 'python'), '#!/bin/bash\necho "$$ $PPID"\nkill -XCPU $$\n');
    const { stdout, code } = await runBody(work, {}, ['echo "$$"']);
    const [shell, program] = stdout.split('\n');
    expect(program?.split(' ')[0]).toBe(shell);
    expect(code).toBe('SIGXCPU');
  });
});

describe('the processes of an inference', () => {
  const { inference: base } = defaultSettings;
  const ranks = (settings: Partial<JobSettings>, inference: Partial<Inference> = {}) =>
    ranksOf({ ...bare, ...settings }, { ...base, ...inference });

  it.each([
    ['cx-share', 3, {}, [1, 1, 1]],
    ['new-share', 1, {}, [1, 1, 1]],
    ['cx-single', 1, {}, [1, 4, 4]],
    ['cx-small', 2, {}, [2, 8, 4]],
    ['cx-small', 2, { backend: 'own' }, [2, 8, 4]],
    ['cx-small', 2, { layout: { stages: 2, tensorParallel: 1 } }, [2, 8, 4]],
    ['cx-small', 2, { layout: { replicas: 2, stages: 2, tensorParallel: 1 } }, [2, 4, 2]],
    ['cx-single', 1, { layout: { replicas: 1, stages: 1, tensorParallel: 1 } }, [1, 1, 1]],
    ['cx-small', 2, { layout: { replicas: 1, stages: 3, tensorParallel: 1 } }, [2, 3, 2]],
    ['cx-single', 1, { backend: 'transformers' }, [1, 1, 1]],
    ['cx-small', 2, { backend: 'vllm' }, [2, 2, 1]],
  ] as const)('%s with %d nodes and %j', (resourceGroup, nodes, inference, [n, count, each]) => {
    const given = ranks({ resourceGroup, nodes }, inference);
    expect(given).toEqual({ nodes: n, count, perNode: each });
  });
});

describe('several processes', () => {
  const job = { resourceGroup: 'cx-small', nodes: 2 };
  const files = () => [`export PJM_O_NODEINF=${join(root, 'nodes')} PJM_JOBID=1234567`];

  beforeEach(async () => {
    await putPython();
    await writeFile(join(root, 'nodes'), '10.0.0.7\n10.0.0.8\n');
    await put(join(root, 'bin', 'pjrsh'), '#!/bin/sh\n');
  });

  /** A `mpirun` that tells its words and variables, then does `lines`. */
  const putMpirun = (...lines: readonly string[]) =>
    put(
      join(root, 'bin', 'mpirun'),
      [
        '#!/bin/bash',
        'echo "words: $*"',
        'env | grep -E "^(MASTER|NCCL|GLOO|OMP|FURO)_" | sort',
        ...lines,
      ].join('\n'),
    );

  it('are started on all nodes, with every variable that they need and the Python of this node', async () => {
    await putMpirun();
    const environment = { HF_HOME: '/models', MY_OWN: '1', NCCL_DEBUG: 'INFO' };
    const { stdout, code, stderr } = await runBody(inference, { ...job, environment }, files());
    expect([code, stderr]).toEqual([0, '']);
    const [words = '', ...variables] = stdout.trimEnd().split('\n');
    expect(words).toContain(
      `words: -np 8 -machinefile ${join(root, 'nodes')} --map-by ppr:4:node --bind-to none -mca plm_rsh_agent ${join(root, 'bin/pjrsh')} `,
    );
    expect(words.endsWith(`${join(root, 'bin/python')} -m furo_infer run ${join(root, 'runs', "it's", 'job.json')}`)).toBe(true); // prettier-ignore
    const passed = [...words.matchAll(/ -x (\S+)/g)].map((match) => match[1]);
    expect(passed.sort()).toEqual(
      [
        ...[
          'FURO_ELAPSE_SECONDS',
          'FURO_JOB_STARTED',
          'FURO_PROJECT',
          'GLOO_SOCKET_IFNAME',
          'HF_HOME',
        ],
        ...['MASTER_ADDR', 'MASTER_PORT', 'MY_OWN', 'NCCL_DEBUG', 'NCCL_SOCKET_IFNAME'],
        ...['OMP_NUM_THREADS', 'PATH', 'PJM_JOBID', 'PJM_O_NODEINF'],
        ...['PYTHONPATH', 'PYTHONUNBUFFERED'],
      ].sort(),
    );
    const started = variables.find((line) => line.startsWith('FURO_JOB_STARTED='));
    expect(Math.abs(Number(started?.split('=')[1]) - Date.now() / 1000)).toBeLessThan(30);
    expect(variables.filter((line) => line !== started)).toEqual([
      'FURO_ELAPSE_SECONDS=3600',
      `FURO_PROJECT=${join(root, "everybody's")}`,
      'GLOO_SOCKET_IFNAME=ib0',
      'MASTER_ADDR=10.0.0.7',
      'MASTER_PORT=24567',
      'NCCL_DEBUG=INFO',
      'NCCL_SOCKET_IFNAME=ib0',
      'OMP_NUM_THREADS=10',
    ]);
  });

  it('take what the settings say about network and threads', async () => {
    await putMpirun();
    const environment = { GLOO_SOCKET_IFNAME: 'eth0', OMP_NUM_THREADS: '4' };
    const { stdout } = await runBody(inference, { ...job, environment }, files());
    expect(stdout).toMatch(/GLOO_SOCKET_IFNAME=eth0\n[^]*OMP_NUM_THREADS=4\n/);
  });

  it('need no interface on one node', async () => {
    await putMpirun();
    const { stdout } = await runBody(inference, { resourceGroup: 'cx-single' }, files());
    expect(stdout).toContain('words: -np 4 ');
    expect(stdout).not.toContain('SOCKET_IFNAME');
  });

  it.each([0, 1, 6, 75])('end the job with the code %d of mpirun', async (code) => {
    await putMpirun(`exit ${String(code)}`);
    expect((await runBody(inference, job, files())).code).toBe(code);
  });

  it('say which module brings mpirun', async () => {
    const path = [`export PATH=${join(root, 'only')}`];
    for (const name of ['head', 'date', 'dirname'])
      await put(join(root, 'only', name), `#!/bin/sh\nexec /usr/bin/${name} "$@"\n`);
    const { code, stderr } = await runBody(inference, job, [...files(), ...path]);
    expect(code).toBe(127);
    expect(stderr).toBe('mpirun is not there: add openmpi_cuda/4.0.5 to the modules of the job.\n');
  });

  it.each(['TERM', 'XCPU', 'USR1'])(
    'get %s as USR1 and time to save, and the job is one to run again',
    async (signal) => {
      await putMpirun('trap "kill %1; sleep 0.3; echo saved; exit 1" USR1', 'sleep 20 &', `kill -s ${signal} $PPID`, 'wait'); // prettier-ignore
      const { code, stdout } = await runBody(inference, job, files());
      expect(stdout).toContain('saved\n');
      expect(code).toBe(75);
    },
  );
});

describe('the environment', () => {
  it('holds values as they were written', async () => {
    await put(join(root, 'bin', 'python'), '#!/bin/bash\nprintf "%s|" "$A" "$B" "$C" "$D"\n');
    const environment = { A: 'a b', B: '$HOME `id` "x"', C: "it's", D: '日本\n語' };
    const { stdout } = await runBody(python, { environment });
    expect(stdout).toBe(`${Object.values(environment).join('|')}|`);
  });

  const modulesFile = (line: string) => `module() { ${line}; }\n`;

  it('loads modules in their order, by the function that is already there', async () => {
    await putPython();
    const before = [modulesFile('shift; export MODULES="$*"')];
    const { stdout, code } = await runBody(python, { modules: ['gcc/11.3.0', 'cuda 12'] }, before);
    expect(code).toBe(0);
    expect(stdout).toContain('modules:gcc/11.3.0 cuda 12\n');
  });

  it('ends with the error of a module that cannot be loaded', async () => {
    await putPython();
    const before = [modulesFile('echo "no such module" >&2; return 3')];
    const outcome = await runBody(python, { modules: ['gcc/0'] }, before);
    expect(outcome).toEqual({ code: 3, stdout: '', stderr: 'no such module\n' });
  });

  it('ends when the machine has no modules, or not this one', async () => {
    await putPython();
    const { code, stdout, stderr } = await runBody(python, { modules: ['no-such-module/0'] });
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/module/);
  });

  const conda = (lines: string) =>
    put(join(root, 'miniconda3', 'bin', 'conda'), `#!/bin/bash\ncat <<'END'\n${lines}\nEND\n`);

  it('activates the conda environment', async () => {
    await putPython();
    await conda('conda() { [ "$1" = activate ] && export CONDA="$2"; }');
    const { stdout, code } = await runBody(python, { condaEnvironment: 'my env' });
    expect(code).toBe(0);
    expect(stdout).toContain('conda:my env\n');
  });

  it('ends when the environment is not there', async () => {
    await putPython();
    await conda('conda() { echo "EnvironmentNameNotFound: $2" >&2; return 1; }');
    const outcome = await runBody(python, { condaEnvironment: 'nobody' });
    expect(outcome).toEqual({ code: 1, stdout: '', stderr: 'EnvironmentNameNotFound: nobody\n' });
  });

  it('ends when there is no conda', async () => {
    await putPython();
    const { code, stdout, stderr } = await runBody(python, { condaEnvironment: 'furo' });
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain('conda');
  });

  it('ends when the project folder is not there', async () => {
    await putPython();
    await rm(project, { recursive: true });
    const { code, stdout } = await runBody(python);
    expect(code).toBe(1);
    expect(stdout).toBe('');
  });

  it('asks for no modules and no conda where the settings name none', () => {
    const places = { startFolder: '/s', projectFolder: '/p', runtimeFolder: '/r', jobFile: '/j' };
    expect(renderBody({ name: 'j', settings: bare, work: python }, places)).toEqual([
      'set -eo pipefail',
      'cd /s',
      'export FURO_PROJECT=/p',
      'export PYTHONUNBUFFERED=1',
      'exec python a.py',
    ]);
  });
});
