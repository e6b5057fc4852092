// The program `furo` as it is shipped: bundled, started by the real Node, read by its exit status and streams.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { usage } from '../../../src/cli/usage';

const root = join(import.meta.dirname, '../../..');
let work: string;
let project: string;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'furo-cli-'));
  project = join(work, 'project');
  await mkdir(project);
  await mkdir(join(work, 'config'));
  // Nothing here may connect; port 9 of this host would refuse.
  await writeFile(
    join(work, 'config', 'settings.json'),
    JSON.stringify({
      'furo.connection.host': '127.0.0.1',
      'furo.connection.port': 9,
      'furo.connection.user': 'nobody',
      'furo.connection.remoteFolder': '/data/furo',
    }),
  );
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/main.ts'],
    outfile: join(work, 'cli.js'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['cpu-features', '*.node', '../simulator/simulatedFuro', './simulator.js'],
    plugins: [
      {
        name: 'simulator-apart',
        setup(bundle) {
          bundle.onResolve({ filter: /\/simulator\/simulatedFuro$/ }, () => ({
            path: './simulator.js',
            external: true,
          }));
        },
      },
    ],
  });
  await writeFile(join(work, 'simulator.js'), 'exports.startSimulatedFuro = undefined;');
});

afterAll(async () => {
  await rm(work, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function furo(args: readonly string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const env = { PATH: process.env['PATH'], HOME: work, FURO_CONFIG: join(work, 'config'), ...environment }; // prettier-ignore
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(work, 'cli.js'), '-C', project, ...args],
      { env },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      },
    );
  });
}

describe('furo', () => {
  it('shows its help', async () => {
    expect(await furo(['--help'])).toEqual({ code: 0, stdout: usage, stderr: '' });
    expect(await furo([])).toEqual({ code: 2, stdout: usage, stderr: '' });
  });

  it.each([
    [['--nope'], "furo: Unknown option '--nope'"],
    [['fly'], 'furo: there is no command fly\n'],
    [['logs', '--set', 'furo.connection.remoteFolder=~/furo'], 'furo: furo logs needs a job\n'],
    [['jobs', '--set', 'x'], 'furo: --set x: write KEY=VALUE\n'],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await furo(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr).toContain(usage);
  });

  it('lists no jobs in a new folder, in the language of the terminal', async () => {
    expect(await furo(['jobs'])).toEqual({
      code: 0,
      stdout: 'No job was run from this folder yet.\n',
      stderr: '',
    });
    const japanese = { code: 0, stdout: 'このフォルダーから実行したジョブはまだありません。\n', stderr: '' }; // prettier-ignore
    expect(await furo(['jobs'], { LANG: 'ja_JP.UTF-8' })).toEqual(japanese);
    expect(await furo(['jobs'], { LANG: 'C', LC_ALL: 'ja_JP.UTF-8' })).toEqual(japanese);
  });

  it.each([
    ['C', 'furo: There is no job 17 in the list.\n'],
    ['ja_JP.UTF-8', 'furo: 一覧にジョブ 17 はありません。\n'],
  ])('tells a failure in %s, without a stack', async (language, stderr) => {
    expect(await furo(['results', '17'], { LANG: language })).toEqual({
      code: 1,
      stdout: '',
      stderr,
    });
  });

  it('checks the connection step by step, and says where it ends', async () => {
    const { code, stdout, stderr } = await furo(['check']);
    expect(code).toBe(1);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^✓ Settings$/m);
    expect(stdout).toMatch(/^✗ Port$/m);
    expect(stdout).toMatch(/^ {2}127\.0\.0\.1 does not accept connections on port 9\./m);
    expect(stdout).toMatch(/^· Remote folder – not reached$/m);
    expect(stdout.trimEnd().endsWith('This does not work yet: Port')).toBe(true);
    const japanese = await furo(['check'], { LANG: 'ja_JP.UTF-8' });
    expect(japanese.stdout).toContain('まだ使えないもの: ポート');
  });

  it('names a setting that cannot be used, and what it expects', async () => {
    const { code, stderr } = await furo(['jobs', '--set', 'furo.job.modules=gcc']);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'furo: The setting furo.job.modules has a value that cannot be used (expected: a list of texts).\n',
    );
  });

  it('asks for the settings that are missing', async () => {
    const { code, stderr } = await furo(['jobs'], { FURO_CONFIG: join(work, 'empty'), LANG: 'ja' });
    expect(code).toBe(1);
    expect(stderr).toBe(
      'furo: 先に次の設定が必要です: furo.connection.remoteFolder。プロジェクトではなく、お使いのコンピューターの設定です。\n',
    );
  });

  it('names a settings file that is no JSON', async () => {
    const file = join(work, 'bad.json');
    await writeFile(file, '{');
    const { code, stderr } = await furo(['jobs', '--settings', file]);
    expect(code).toBe(1);
    expect(stderr).toContain(file);
  });

  it('finds the mistake of furo.yaml before it connects anywhere', async () => {
    await writeFile(join(project, 'furo.yaml'), 'version: 1\njobs:\n  a: {scrip: a.sh}\n');
    const { code, stderr } = await furo(['run', 'a'], { LANG: 'ja' });
    expect(code).toBe(1);
    expect(stderr).toContain(
      'furo.yaml:3: ここにキー scrip はありません。 script ではありませんか?',
    );
  });
});
