// The system's own ssh, sftp, scp and rsync against the simulated login node.
import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startSimulatedFuro, type SimulatedFuro } from '../../src/simulator/simulatedFuro';
import { until } from '../unit/simulator/loginNode';
import { quickScheduling } from './pjmJobSuite';

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

let folder: string;
let furo: SimulatedFuro;
let options: string[];
let login: string;

/** Runs a program of the system; never rejects for its exit status. */
function run(program: string, words: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(program, words, { timeout: 30_000 }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
      resolve({ stdout, stderr, code });
    });
    // A client that is refused ends without reading; its exit status tells it.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function missing(...programs: readonly string[]): string | undefined {
  return programs.find((program) => {
    try {
      execFileSync('which', [program], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
}

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'furo-clients-')));
  furo = await startSimulatedFuro({ root: join(folder, 'furo'), scheduling: quickScheduling });
  const { identityFile, knownHostsLine, port, user } = furo.endpoint;
  const knownHosts = join(folder, 'known_hosts');
  writeFileSync(knownHosts, `${knownHostsLine}\n`);
  const settings = [
    `Port=${String(port)}`,
    `IdentityFile=${identityFile}`,
    `UserKnownHostsFile=${knownHosts}`,
    'StrictHostKeyChecking=yes',
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'LogLevel=ERROR',
  ];
  options = ['-F', '/dev/null', ...settings.flatMap((setting) => ['-o', setting])];
  login = `${user}@127.0.0.1`;
});

beforeEach((context) => {
  const program = missing('ssh', 'sftp', 'scp', 'rsync');
  if (program === undefined) return;
  if (process.env['CI'] === 'true') throw new Error(`needs ${program}`);
  context.skip(`needs ${program}`);
});

afterEach(() => {
  furo.faults.clear();
});

afterAll(async () => {
  await furo.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('ssh', () => {
  it('runs a command with its streams and exit status', async () => {
    const outcome = await run('ssh', [...options, login, 'cat; echo err >&2; exit 7'], 'in\n');
    expect(outcome).toEqual({ stdout: 'in\n', stderr: 'err\n', code: 7 });
  });

  it('finds the PJM commands and a module function', async () => {
    const { stdout } = await run('ssh', [...options, login, 'which pjsub pjstat; type -t module']);
    expect(stdout).toBe(`${furo.binFolder}/pjsub\n${furo.binFolder}/pjstat\nfunction\n`);
  });

  it('gives an interactive shell on a terminal', async () => {
    const input = 'echo I am $(id -u) in $PWD; tty; exit 6\n';
    const { stdout, code } = await run('ssh', ['-tt', ...options, login], input);
    expect(stdout).toContain(` in ${furo.environment['HOME'] ?? ''}\r\n`);
    expect(stdout).toMatch(/\/dev\/\S+\r\n/);
    expect(code).toBe(6);
  });

  it('carries several sessions over one master connection', async () => {
    const socket = join(folder, 'master');
    const master = spawn('ssh', ['-N', '-M', '-S', socket, ...options, login], { stdio: 'ignore' });
    await until(async () => (await run('ssh', ['-S', socket, '-O', 'check', login])).code === 0);
    const words = ['-S', socket, ...options, login];
    const outcomes = await Promise.all(
      [1, 2, 3].map((number) => run('ssh', [...words, `echo ${String(number)}`])),
    );
    expect(outcomes.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n']);
    await run('ssh', ['-S', socket, '-O', 'exit', login]);
    await until(() => master.exitCode !== null);
  });

  it('refuses another host key, and another user key', async () => {
    furo.faults.set({ hostKey: 'other' });
    const changed = await run('ssh', [...options, login, 'true']);
    expect([changed.code, changed.stderr]).toEqual([
      255,
      expect.stringContaining('IDENTIFICATION HAS CHANGED'),
    ]);
    furo.faults.clear();
    const stranger = join(folder, 'stranger');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', stranger]);
    const words = options.map((word) =>
      word.startsWith('IdentityFile=') ? `IdentityFile=${stranger}` : word,
    );
    const { code, stderr } = await run('ssh', [...words, login, 'true']);
    expect([code, stderr]).toEqual([255, expect.stringContaining('Permission denied (publickey)')]);
  });

  it('shows the fingerprint that the endpoint names', () => {
    const line = execFileSync('ssh-keygen', ['-l', '-f', join(folder, 'known_hosts')], {
      encoding: 'utf8',
    });
    expect(line.split(' ')[1]).toBe(furo.endpoint.hostKeyFingerprint);
  });
});

/** A small tree with what trips file transfer: depth, odd names, a big file, an empty one, an executable. */
function makeTree(name: string): string {
  const tree = join(folder, name);
  mkdirSync(join(tree, 'a/b c/ü'), { recursive: true });
  writeFileSync(join(tree, 'a/b c/ü/deep.txt'), 'deep\n');
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(join(tree, 'big'), Buffer.alloc(2_500_000, 'big file '));
  writeFileSync(join(tree, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  utimesSync(join(tree, 'big'), 1_500_000_000, 1_500_000_000);
  return tree;
}

function readTree(tree: string): Record<string, string> {
  const names = readdirSync(tree, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const stats = statSync(join(tree, name));
      const mode = (stats.mode & 0o777).toString(8);
      return [
        name,
        stats.isDirectory() ? 'folder' : `${mode} ${readFileSync(join(tree, name), 'base64')}`,
      ];
    }),
  );
}

describe('files', () => {
  it('sftp puts, lists, changes and gets in a batch', async () => {
    const tree = makeTree('sftp');
    const back = join(folder, 'sftp-back');
    const batch = [
      `put -rp ${tree} here`,
      'ls -l here',
      'chmod 600 here/empty',
      'rename here/empty here/still-empty',
      'symlink still-empty here/link',
      'ls -l here/link',
      'rm here/link',
      'rename here/still-empty here/empty',
      `chmod 644 here/empty`,
      'mkdir made',
      'rmdir made',
      'df',
      `get -rp here ${back}`,
      '',
    ].join('\n');
    const { stdout, stderr, code } = await run('sftp', [...options, '-b', '-', login], batch);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toMatch(/-rwxr-xr-x +1 researcher researcher +10 .* run\.sh/);
    expect(readTree(back)).toEqual(readTree(tree));
    expect(statSync(join(back, 'big')).mtimeMs).toBe(1_500_000_000_000);
  });

  it('sftp says what is denied, missing and full', async () => {
    const ask = async (line: string): Promise<string> =>
      (await run('sftp', [...options, '-b', '-', login], `${line}\n`)).stderr;
    expect(await ask('get /etc/passwd')).toMatch(/denied|not found/i);
    expect(await ask('rm nothere')).toMatch(/No such file/i);
    furo.faults.set({ isDiskFull: true });
    expect(await ask(`put ${join(folder, 'known_hosts')} full`)).toMatch(/No space left|Failure/);
  });

  it.each([
    ['scp', []],
    ['scp -O', ['-O']],
  ])('%s copies a tree there and back', async (name, more) => {
    const label = name.replaceAll(' ', '');
    const tree = makeTree(label);
    const back = join(folder, `${label}-back`);
    const up = await run('scp', [...more, '-rpq', ...options, tree, `${login}:${label}`]);
    expect(up).toEqual({ stdout: '', stderr: '', code: 0 });
    const down = await run('scp', [...more, '-rpq', ...options, `${login}:${label}`, back]);
    expect(down).toEqual({ stdout: '', stderr: '', code: 0 });
    expect(readTree(back)).toEqual(readTree(tree));
  });

  it('rsync makes a copy and finds nothing to do the second time', async () => {
    const tree = makeTree('rsync');
    const shell = ['ssh', ...options].join(' ');
    const words = ['-ai', '--delete', '-e', shell, `${tree}/`, `${login}:rsync/`];
    expect((await run('rsync', words)).stdout).toContain('<f');
    expect(await run('rsync', words)).toEqual({ stdout: '', stderr: '', code: 0 });
    expect(readTree(join(furo.environment['HOME'] ?? '', 'rsync'))).toEqual(readTree(tree));
  });
});

describe('a job by hand', () => {
  it('goes from scp to pjsub to the output', async () => {
    const script = join(folder, 'hello.sh');
    writeFileSync(
      script,
      '#!/bin/bash\n#PJM -L rscgrp=cx-share\n#PJM -j\necho hello from $PJM_JOBID\n',
    );
    await run('scp', ['-q', ...options, script, `${login}:`]);
    const { stdout } = await run('ssh', [...options, login, 'pjsub hello.sh']);
    const id = String(/Job (\d+) submitted/.exec(stdout)?.[1]);
    const output = join(furo.environment['HOME'] ?? '', `hello.sh.${id}.out`);
    await until(
      async () => !(await run('ssh', [...options, login, `pjstat ${id}`])).stdout.includes(id),
    );
    expect(readFileSync(output, 'utf8')).toBe(`hello from ${id}\n`);
  });
});
