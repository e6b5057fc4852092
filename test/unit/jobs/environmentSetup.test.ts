// The set-up of the conda environment over the simulated Furo: new, repaired, cut off, refused. Real Python, simulated conda.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import {
  lookAtEnvironment,
  makeEnvironment,
  type SetupPlan,
} from '../../../src/jobs/environmentSetup';
import { foldersOf } from '../../../src/simulator/folders';
import { furnishHome } from '../../../src/simulator/home';
import { remotePath } from '../../../src/ssh/remote';
import { Bench, jobOf, until, type Window } from './bench';

/** A Python that has pip and nothing else that matters, for the simulated conda to show. */
const plain = mkdtempSync(join(tmpdir(), 'furo-python-'));
const python = join(plain, 'bin/python');
let pipVersion: string;

beforeAll(() => {
  execFileSync('python3', ['-m', 'venv', plain]);
  const program = 'from importlib.metadata import version; print(version("pip"))';
  pipVersion = execFileSync(python, ['-I', '-c', program], { encoding: 'utf8' }).trim();
});

afterAll(() => {
  rmSync(plain, { recursive: true });
});

let bench: Bench;
let window: Window;
let output: string;
let steps: string[];

const conda = () => join(bench.root, 'home/researcher/miniconda3');
const link = () => join(conda(), 'envs/tools');
const ours = () => join(bench.furo.endpoint.remoteFolder, '.furo/environments');
const runs = () => readdirSync(ours()).filter((name) => name.startsWith('tools-'));
const parts = () => ({ remote: window.remote, clock: systemClock, log: silentLogger });

function planOf(pins: readonly string[], more: Partial<SetupPlan> = {}): SetupPlan {
  const environmentFile = join(bench.root, 'environment.yml');
  const lines = [
    'name: tools',
    'dependencies:',
    '  - pip:',
    ...pins.map((pin) => `      - ${pin}`),
  ];
  writeFileSync(environmentFile, `${lines.join('\n')}\n`);
  return {
    name: 'tools',
    remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
    environmentFile,
    architectures: [],
    pollMs: 50,
    onStep: (step) => steps.push(step),
    onOutput: (text) => (output += text),
    ...more,
  };
}

const goodPlan = (more: Partial<SetupPlan> = {}) => planOf([`pip==${pipVersion}`], more);

/** Puts shell lines before the simulated conda. */
function wrapConda(...lines: readonly string[]): void {
  const path = join(conda(), 'bin/conda');
  renameSync(path, `${path}.real`);
  writeFileSync(path, ['#!/bin/bash', ...lines, `exec '${path}.real' "$@"`, ''].join('\n'));
  chmodSync(path, 0o755);
}

beforeEach(async () => {
  bench = await Bench.start();
  // The bench's own Python is bare.
  const path = join(conda(), 'bin/conda');
  const text = readFileSync(path, 'utf8').replace(/^python=.*$/m, `python='${python}'`);
  writeFileSync(path, text);
  window = bench.window();
  output = '';
  steps = [];
});

afterEach(async () => {
  await bench.stop();
});

describe('a new environment', () => {
  it('is made, checked, and what jobs activate afterwards', async () => {
    const plan = goodPlan();
    expect(await lookAtEnvironment(parts(), plan)).toEqual({
      kind: 'absent',
      wasInterrupted: false,
    });
    const made = await makeEnvironment(parts(), plan);
    expect(made.report).toMatchObject({ packages: { pip: pipVersion }, problems: [] });
    expect(made.aside).toBeUndefined();
    expect(output).toContain('Executing transaction: done');
    // The last steps may pass between two looks.
    expect(steps.slice(0, 4)).toEqual(['connecting', 'looking', 'connecting', 'sending']);
    expect(lstatSync(link()).isSymbolicLink()).toBe(true);
    expect(await lookAtEnvironment(parts(), plan)).toMatchObject({ kind: 'good' });
    bench.write('which.py', 'import pip, sys; print("ran in", sys.prefix)\n');
    const work = { kind: 'python', script: 'which.py', arguments: [] } as const;
    const job = await window.submit(jobOf('which', work, { condaEnvironment: 'tools' }));
    await window.ended(job.id);
    expect(window.outputOf(job.id)).toContain(`ran in ${link()}`);
  });

  it('survives the next start of the machine', async () => {
    await makeEnvironment(parts(), { ...goodPlan(), name: 'furo' });
    const furo = join(conda(), 'envs/furo');
    const target = readlinkSync(furo);
    expect(target.startsWith(ours())).toBe(true);
    const folders = foldersOf(bench.root, 'researcher');
    furnishHome({
      folders,
      python: join(bench.root, 'venv/bin/python'),
      models: {},
      authorizedKeys: '',
    });
    expect(readlinkSync(furo)).toBe(target);
    // An environment that is gone is replaced by the machine's own again.
    rmSync(target, { recursive: true });
    furnishHome({
      folders,
      python: join(bench.root, 'venv/bin/python'),
      models: {},
      authorizedKeys: '',
    });
    expect(readlinkSync(furo)).toBe(join(bench.root, 'venv'));
  });
});

describe('an environment that fails its check', () => {
  const wrong = () => planOf(['pip==0.1', 'no-such-package==1.0']);

  it('is told package by package', async () => {
    await makeEnvironment(parts(), goodPlan());
    expect(await lookAtEnvironment(parts(), wrong())).toMatchObject({
      kind: 'wrong',
      report: {
        problems: [
          { code: 'packageVersion', package: 'pip', wanted: '0.1', found: pipVersion },
          { code: 'packageMissing', package: 'no-such-package', wanted: '1.0' },
        ],
      },
    });
  });

  it('with a Python that does not run is wrong, too', async () => {
    await makeEnvironment(parts(), goodPlan());
    rmSync(join(link(), 'bin/python'));
    const look = await lookAtEnvironment(parts(), goodPlan());
    expect(look).toMatchObject({ kind: 'wrong', report: { problems: [{ code: 'pythonBroken' }] } });
  });

  it('is repaired: the new one takes its place, and the next set-up removes the old one', async () => {
    await makeEnvironment(parts(), goodPlan());
    rmSync(join(link(), 'bin/python'));
    const old = readlinkSync(link());
    await makeEnvironment(parts(), goodPlan());
    expect(readlinkSync(link())).not.toBe(old);
    expect(await lookAtEnvironment(parts(), goodPlan())).toMatchObject({ kind: 'good' });
    // Jobs that started with the old one may still run.
    expect(existsSync(old)).toBe(true);
    await makeEnvironment(parts(), goodPlan());
    expect(existsSync(old)).toBe(false);
    expect(runs()).toHaveLength(2);
  });

  it('is kept while its successor fails, which is told and removed', async () => {
    await makeEnvironment(parts(), goodPlan());
    const old = readlinkSync(link());
    await expect(makeEnvironment(parts(), wrong())).rejects.toMatchObject({
      reason: 'environmentWrong',
      values: { name: 'tools', problems: expect.stringContaining('no-such-package') as string },
    });
    expect(readlinkSync(link())).toBe(old);
    expect(await lookAtEnvironment(parts(), goodPlan())).toMatchObject({ kind: 'good' });
    const remains = runs().filter((name) => existsSync(join(ours(), name, 'env')));
    expect(remains).toHaveLength(1);
  });

  it('is removed alone: an environment of a longer name stays, also behind a link in the path', async () => {
    const folder = bench.furo.endpoint.remoteFolder;
    const detour = `${folder}/../detour`;
    symlinkSync(folder, detour);
    const remoteFolder = remotePath(detour);
    await makeEnvironment(parts(), goodPlan({ name: 'tools-more', remoteFolder }));
    await makeEnvironment(parts(), goodPlan({ remoteFolder }));
    await makeEnvironment(parts(), goodPlan({ remoteFolder }));
    for (const name of ['tools', 'tools-more'])
      expect(await lookAtEnvironment(parts(), goodPlan({ name }))).toMatchObject({ kind: 'good' });
    await makeEnvironment(parts(), goodPlan());
    expect(runs().filter((name) => /^tools-[0-9a-f]{8}$/.test(name))).toHaveLength(2);
  });

  it('that was made by hand is set aside, not removed', async () => {
    mkdirSync(join(link(), 'bin'), { recursive: true });
    writeFileSync(join(link(), 'mine.txt'), 'made by hand');
    const { aside } = await makeEnvironment(parts(), goodPlan());
    expect(aside).toMatch(/envs\/tools-before-\d{8}-\d{6}$/);
    expect(readFileSync(join(String(aside), 'mine.txt'), 'utf8')).toBe('made by hand');
    expect(await lookAtEnvironment(parts(), goodPlan())).toMatchObject({ kind: 'good' });
  });
});

describe('a set-up that does not come to its end', () => {
  it('is stopped there when it is cancelled here, and leaves nothing', async () => {
    wrapConda('echo collecting', 'mkdir -p "$4" && sleep 60');
    const abort = new AbortController();
    const plan = goodPlan({ signal: abort.signal });
    const making = makeEnvironment(parts(), plan);
    const ended = expect(making).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => output.includes('collecting'));
    abort.abort();
    await ended;
    const folder = join(ours(), String(runs()[0]));
    await until(() => existsSync(join(folder, 'result')));
    expect(existsSync(join(folder, 'env'))).toBe(false);
    expect(lstatSync(link(), { throwIfNoEntry: false })).toBeUndefined();
  });

  it('goes on without a connection, and another window joins it instead of starting a second', async () => {
    wrapConda('echo collecting', 'sleep 2');
    const first = makeEnvironment(parts(), goodPlan());
    await until(() => output.includes('collecting'));
    window.close();
    await expect(first).rejects.toThrow();
    window = bench.window();
    expect(await lookAtEnvironment(parts(), goodPlan())).toEqual({ kind: 'running' });
    const made = await makeEnvironment(parts(), goodPlan());
    expect(made.report.problems).toEqual([]);
    expect(runs()).toHaveLength(1);
  });

  it('bears a broken connection while it is followed', async () => {
    wrapConda('echo collecting', 'sleep 1');
    const making = makeEnvironment(parts(), goodPlan());
    await until(() => output.includes('collecting'));
    bench.furo.faults.cutConnections();
    expect((await making).report.problems).toEqual([]);
  });

  it('is known the next time when its machine went down, and is done anew', async () => {
    const dead = join(ours(), 'tools-deadbeef');
    mkdirSync(join(dead, 'env'), { recursive: true });
    writeFileSync(join(dead, 'set-up.sh'), '');
    writeFileSync(join(dead, 'alive'), '');
    writeFileSync(join(dead, 'owner'), 'another-login-node 1\n');
    execFileSync('touch', ['-d', '1 hour ago', join(dead, 'alive')]);
    symlinkSync(dead, join(ours(), 'tools.current'));
    expect(await lookAtEnvironment(parts(), goodPlan())).toEqual({
      kind: 'absent',
      wasInterrupted: true,
    });
    await makeEnvironment(parts(), goodPlan());
    expect(existsSync(dead)).toBe(false);
  });
});

describe('what can be in the way', () => {
  it.each([
    [
      'environmentNoSpace',
      "ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded: '/x'",
    ],
    ['environmentNoSpace', 'OSError: [Errno 28] No space left on device'],
    [
      'environmentNoNetwork',
      'CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://example.invalid>',
    ],
    ['environmentNoVersion', 'ERROR: No matching distribution found for torch==2.6.0'],
    ['environmentFailed', 'Segmentation fault'],
  ])('%s: %s', async (reason, line) => {
    wrapConda(`echo ${JSON.stringify(line)} >&2`, 'exit 1');
    await expect(makeEnvironment(parts(), goodPlan())).rejects.toMatchObject({
      reason,
      values: { detail: line },
    });
    expect(output).toContain(line);
    expect(readdirSync(join(ours(), String(runs()[0])))).not.toContain('env');
  });

  it('no conda at all', async () => {
    rmSync(conda(), { recursive: true });
    rmSync(join(bench.furo.binFolder, 'conda'));
    const looking = lookAtEnvironment(parts(), goodPlan());
    const reason = existsSync('/opt/conda/bin/conda') ? 'condaElsewhere' : 'condaMissing';
    await expect(looking).rejects.toMatchObject({ reason });
  });

  it('a conda that jobs do not look for', async () => {
    const other = join(bench.root, 'home/researcher/miniforge3');
    renameSync(conda(), other);
    await expect(lookAtEnvironment(parts(), goodPlan())).rejects.toMatchObject({
      reason: 'condaElsewhere',
      values: { folder: other },
    });
  });

  it('a name that is a path, an option, or that of conda itself', async () => {
    for (const name of ['base', '', '../furo', '/home/x', '-p', 'a b']) {
      const expected = { reason: 'environmentNameUnusable', values: { name } };
      await expect(lookAtEnvironment(parts(), goodPlan({ name }))).rejects.toMatchObject(expected);
      await expect(makeEnvironment(parts(), goodPlan({ name }))).rejects.toMatchObject(expected);
    }
  });
});
