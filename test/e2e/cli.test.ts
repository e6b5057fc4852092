// The program `furo` as a process: what a person types, reads and gets as exit status.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, type ConnectConfig } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settingsFor } from '../../src/cli/demo';
import { requires } from '../requirements';
import { Bench, script, until } from '../unit/jobs/bench';

const root = join(import.meta.dirname, '../..');
const program = join(root, 'dist/cli.js');

let bench: Bench;
let config: string;

beforeEach(async () => {
  bench = await Bench.start();
  config = join(bench.root, 'config');
  mkdirSync(config);
  writeFileSync(join(config, 'known_hosts'), `${bench.furo.endpoint.knownHostsLine}\n`);
  writeSettings({});
  bench.write('hello.sh', script('echo "こんにちは"'));
});

afterEach(async () => {
  await bench.stop();
});

function writeSettings(changes: Readonly<Record<string, unknown>>): void {
  const values = {
    ...settingsFor({ endpoint: bench.connection }),
    'furo.poll.intervalSeconds': 1,
    'furo.job.modules': [],
    ...changes,
  };
  writeFileSync(join(config, 'settings.json'), JSON.stringify(values));
}

interface Run {
  readonly done: Promise<{ code: number | null; stdout: string; stderr: string }>;
  stdout(): string;
  interrupt(): void;
  kill(): void;
}

function start(...words: readonly string[]): Run {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [program, '-C', bench.workspace, ...words], {
    env: { PATH, HOME: bench.root, FURO_CONFIG: config, LANG: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return {
    done: new Promise((resolve) => {
      child.once('close', (code) => {
        resolve({ code, stdout, stderr });
      });
    }),
    stdout: () => stdout,
    interrupt: () => child.kill('SIGINT'),
    kill: () => child.kill('SIGKILL'),
  };
}

const furo = (...words: readonly string[]) => start(...words).done;

describe('a job', () => {
  it('is run, followed and brought back', async () => {
    const { code, stdout, stderr } = await furo('run', 'hello.sh');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Job \d+ submitted to cx-share: hello/);
    expect(stdout).toContain('│ こんにちは\n');
    expect(stdout).toMatch(/state +done/);
    const folder = /^Results: (.+)$/m.exec(stdout)?.[1] ?? '';
    const [, id = ''] = /Job (\d+)/.exec(stdout) ?? [];
    expect(readFileSync(join(folder, `hello.sh.${id}.out`), 'utf8')).toBe('こんにちは\n');
  });

  it('that failed gives status 1 and its cause', async () => {
    bench.write('bad.py', 'raise ValueError("値が違う")\n');
    const { code, stdout } = await furo('run', 'bad.py');
    expect(code).toBe(1);
    expect(stdout).toMatch(/state +failed \(exit code 1\)/);
    expect(stdout).toMatch(/cause +ValueError: 値が違う/);
  });

  it('goes on without the program, and is found, read and cancelled by the next ones', async () => {
    bench.write('long.sh', script('echo begun', 'sleep 100'));
    const { code, stdout } = await furo('run', 'long.sh', '--detach');
    expect(code).toBe(0);
    const [, id = ''] = /Job (\d+)/.exec(stdout) ?? [];
    const out = () => bench.furo.scheduler.snapshot().jobs[0]?.state;
    await until(() => out() === 'RUN');
    expect((await furo('jobs')).stdout).toMatch(new RegExp(`${id} .*running`));
    const following = start('logs', id, '-f');
    await until(() => following.stdout().includes('begun'));
    following.interrupt();
    expect((await following.done).code).toBe(130);
    expect(out()).toBe('RUN');
    expect(await furo('cancel', id)).toMatchObject({ code: 0, stderr: '' });
    await until(() => out() === 'CCL');
    expect((await furo('jobs')).stdout).toMatch(new RegExp(`${id} .*cancelled`));
    expect((await furo('logs', id)).stdout).toBe('begun\n');
  });

  it('is read to its end by logs -f, and its results are brought later', async () => {
    bench.write('slow.sh', script('echo begun', 'sleep 3', 'echo finished'));
    await furo('run', 'slow.sh', '--detach');
    const [, id = ''] = /^(\d+)/m.exec((await furo('jobs')).stdout) ?? [];
    const followed = await furo('logs', id, '-f');
    expect([followed.code, followed.stderr]).toEqual([0, '']);
    expect(followed.stdout.match(/│ .*/g)).toEqual(['│ begun', '│ finished']);
    expect(followed.stdout).toMatch(/slow \(\d+\): done/);
    // Of an ended job, -f gives what there is and ends, too.
    expect((await furo('logs', id, '-f')).stdout).toBe('begun\nfinished\n');
    const { code, stdout, stderr } = await furo('results', id);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/state +done/);
    const folder = /^Results: (.+)$/m.exec(stdout)?.[1] ?? '';
    expect(readFileSync(join(folder, `slow.sh.${id}.out`), 'utf8')).toBe('begun\nfinished\n');
    expect(await furo('results', '999')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('There is no job 999') as string,
    });
  });
});

it('is a command of its own once it is installed', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    bin: { furo: string };
  };
  // npm puts such a link on the PATH.
  const bin = join(bench.root, 'bin-of-npm');
  mkdirSync(bin);
  symlinkSync(join(root, manifest.bin.furo), join(bin, 'furo'));
  const PATH = `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`;
  const env = { PATH, HOME: bench.root, FURO_CONFIG: config, LANG: 'C.UTF-8' };
  const told = execFileSync('furo', ['-C', bench.workspace, 'jobs'], { env, encoding: 'utf8' });
  expect(told).toBe('No job was run from this folder yet.\n');
});

it('previews and sends a folder without a job', async () => {
  bench.write('.furoignore', 'secret/\n');
  bench.write('secret/key', 'mine');
  const preview = await furo('sync', '--preview');
  expect([preview.code, preview.stderr]).toEqual([0, '']);
  expect(preview.stdout).toMatch(/^Preview of the sync. Nothing was sent.\n/);
  expect(preview.stdout).toMatch(/^ {2}hello\.sh +\d+ B +new$/m);
  expect(preview.stdout).toMatch(/^ {2}secret\/ +\.furoignore:1 "secret\/"$/m);
  expect((await furo('sync')).stdout).toContain('2 sent, 0 removed, 0 unchanged');
  expect((await furo('sync')).stdout).toContain('0 sent, 0 removed, 2 unchanged');
  expect((await furo('sync', '--preview')).stdout).toMatch(/^Unchanged \(2\)$/m);
});

it('names the copy of what was changed on both sides, and sends what is here', async () => {
  await furo('sync');
  const { remoteFolder } = bench.furo.endpoint;
  const [project = ''] = readdirSync(remoteFolder).filter((name) => name.startsWith('project-'));
  const there = join(remoteFolder, project);
  writeFileSync(join(there, 'hello.sh'), script('echo theirs'));
  bench.write('hello.sh', script('echo ours, longer'));
  const { stdout, code } = await furo('run', 'hello.sh', '--detach');
  const copy = readdirSync(there).find((name) => name.startsWith('hello.remote-')) ?? '';
  expect(readFileSync(join(there, copy), 'utf8')).toContain('echo theirs');
  expect(stdout).toContain(
    `hello.sh: changed on both sides; the one here is sent, the one there is kept as ${copy}\n`,
  );
  expect(readFileSync(join(there, 'hello.sh'), 'utf8')).toContain('echo ours');
  expect(code).toBe(0);
});

it('that was killed during pjsub is followed by one that finds the job', async () => {
  const called = join(bench.root, 'called');
  bench.wrapCommand('pjsub', [`touch ${called}; sleep 0.7`, 'exec $real "$@"']);
  const submitting = start('run', 'hello.sh');
  await until(() => existsSync(called));
  submitting.kill();
  expect((await submitting.done).code).toBeNull();
  const { stdout, code } = await furo('jobs');
  expect([code, bench.takenJobs]).toEqual([0, 1]);
  expect(stdout).toMatch(/^\d{7} +hello .*(waiting|running|done)/m);
});

describe('a mistake', () => {
  const lines = Array.from({ length: 16 }, (_, n) => `{"id":${String(n)},"prompt":"x"}\n`).join('');

  it.each([
    [
      'no host',
      { 'furo.connection.host': '' },
      ['run', 'hello.sh'],
      'needs these settings first: furo.connection.host',
    ],
    [
      'no remote folder',
      { 'furo.connection.remoteFolder': '' },
      ['run', 'hello.sh'],
      'furo.connection.remoteFolder',
    ],
    [
      'a wrong port',
      { 'furo.connection.port': 1 },
      ['run', 'hello.sh'],
      'does not accept connections on port 1',
    ],
    [
      'a port that is none',
      { 'furo.connection.port': 'x' },
      ['run', 'hello.sh'],
      'furo.connection.port',
    ],
    [
      'a relative remote folder',
      { 'furo.connection.remoteFolder': 'furo' },
      ['run', 'hello.sh'],
      'the remote folder furo cannot be used',
    ],
    ['no model', {}, ['run', 'bad.jsonl'], 'names no model'],
    [
      'a malformed line 17',
      { 'furo.inference.model': 'Org/M' },
      ['run', 'bad.jsonl'],
      'bad.jsonl, line 17 is not a JSON object',
    ],
    ['an unknown group', {}, ['run', 'group.sh'], 'group.sh:2'],
    ['an elapse over the limit', {}, ['run', 'elapse.sh'], 'elapse.sh:2'],
    ['an unknown key of furo.yaml', {}, ['run', 'job'], 'furo.yaml:5'],
    ['a file that is not there', {}, ['run', 'none.py'], 'The file none.py is not in this folder'],
    ['an unknown job', {}, ['cancel', '123'], 'There is no job 123 in the list'],
  ])('%s is named, status 1, nothing submitted', async (_what, settings, words, text) => {
    writeSettings(settings);
    bench.write('bad.jsonl', `${lines}{"prompt"\n`);
    bench.write('group.sh', '#!/bin/bash\n#PJM -L rscgrp=cx-nowhere\ntrue\n');
    bench.write('elapse.sh', '#!/bin/bash\n#PJM -L rscgrp=cx-share,elapse=999:00:00\ntrue\n');
    bench.write('furo.yaml', 'version: 1\njobs:\n  job:\n    script: hello.sh\n    nodez: 3\n');
    const { code, stderr, stdout } = await furo(...words);
    expect(stderr).toContain(text);
    expect(stderr).not.toContain('defect');
    expect(stderr.startsWith('furo: ')).toBe(true);
    expect(code).toBe(1);
    expect(stdout).not.toContain('submitted');
    expect(bench.takenJobs).toBe(0);
    expect(existsSync(join(bench.workspace, 'furo-results'))).toBe(false);
  });

  it('an unknown host key is refused where nobody can be asked', async () => {
    writeFileSync(join(config, 'known_hosts'), '');
    const { code, stderr } = await furo('run', 'hello.sh');
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('did not accept the key of 127.0.0.1'),
    ]);
    expect(readFileSync(join(config, 'known_hosts'), 'utf8')).toBe('');
  });

  it('a list of jobs of a newer program is left as it is', async () => {
    await furo('run', 'hello.sh');
    const name = readdirSync(config).find((one) => one.startsWith('jobs-')) ?? '';
    writeFileSync(join(config, name), '{"furo.jobs":{"version":9,"jobs":[]}}');
    const { code, stderr } = await furo('jobs');
    expect([code, stderr]).toEqual([1, expect.stringContaining('another version (9)')]);
    expect(readFileSync(join(config, name), 'utf8')).toBe('{"furo.jobs":{"version":9,"jobs":[]}}');
    writeFileSync(join(config, name), '{"furo.jo');
    const broken = await furo('jobs');
    expect(broken.code).toBe(1);
    expect(broken.stderr).not.toContain('defect');
    expect(readFileSync(join(config, name), 'utf8')).toBe('{"furo.jo');
  });

  it('wrong words give the usage and status 2', async () => {
    for (const words of [['walk'], ['run', '--nope'], ['cancel']])
      expect(await furo(...words)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('furo run') as string,
      });
  });
});

requires('python', 'model')('the simulated Furo as it is packed', () => {
  it('lives on when a line breaks between the opening of a session and its command', async () => {
    const { FURO_TEST_PYTHON: python = '', FURO_TEST_MODEL: model = '' } = process.env;
    const places = ['--root', join(bench.root, 'served'), '--python', python, '--model', model];
    const furo = start('demo', '--serve', ...places);
    try {
      await until(() => furo.stdout().includes('\n'));
      const settings = JSON.parse(furo.stdout()) as Record<string, string | number>;
      const at = (key: string) => String(settings[`furo.connection.${key}`]);
      const login = {
        host: at('host'),
        port: Number(at('port')),
        username: at('user'),
        privateKey: readFileSync(at('identityFile')),
      };
      const cut = await loggedIn(login);
      const { _protocol: wire } = cut as unknown as { _protocol: SessionOpener };
      wire.session(0, 2 ** 20, 2 ** 15);
      await delay(200);
      cut.destroy();
      await delay(200);
      (await loggedIn(login)).end();
    } finally {
      furo.interrupt();
    }
    expect((await furo.done).code).not.toBe(1);
  });
});

/** The part of ssh2 that opens a session and asks nothing of it yet, as no public call does. */
interface SessionOpener {
  session(channel: number, window: number, packet: number): void;
}

async function loggedIn(login: ConnectConfig): Promise<Client> {
  const client = new Client();
  client.on('error', () => undefined);
  client.connect(login);
  await once(client, 'ready');
  return client;
}
