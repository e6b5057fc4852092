// A level of tests on a computer that lacks what it needs: skipped by name, and a failure with CI=true.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

interface Told {
  readonly numFailedTests: number;
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Runs test files of the level `sshd` or `e2e` as on a computer without these. */
function run(
  project: string,
  files: readonly string[],
  env: Record<string, string>,
): { code: number | null; told: Told } {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const words = [vitest, 'run', '--project', project, '--reporter=json', ...files];
  const clean = Object.entries(process.env).filter(([name]) => !/^(VITEST|CI$)/.test(name));
  const { stdout, status } = spawnSync(process.execPath, words, {
    cwd: root,
    env: { ...Object.fromEntries(clean), ...env },
    encoding: 'utf8',
  });
  return { code: status, told: JSON.parse(stdout.slice(stdout.indexOf('{'))) as Told };
}

const testsOf = ({ testResults }: Told) => testResults.flatMap((file) => file.assertionResults);

describe('a computer without', () => {
  it('an OpenSSH server skips those tests by name and says what is missing', () => {
    const files = ['connection', 'login', 'sync'].map((name) => `test/sshd/${name}.test.ts`);
    const { code, told } = run('sshd', files, { FURO_TEST_WITHOUT: 'sshd' });
    const tests = testsOf(told);
    expect([code, told.numFailedTests, told.numPassedTests]).toEqual([0, 0, 0]);
    expect(tests.length).toBeGreaterThan(50);
    for (const { fullName } of tests) expect(fullName).toContain('(needs /usr/sbin/sshd');
  }, 60_000);

  it('Chromium skips the page of results and says what is missing', () => {
    const env = { FURO_TEST_WITHOUT: 'chromium' };
    const { code, told } = run('browser', ['test/browser/results.test.ts'], env);
    const tests = testsOf(told);
    expect([code, told.numFailedTests, told.numPassedTests]).toEqual([0, 0, 0]);
    expect(tests.length).toBeGreaterThan(20);
    for (const { fullName } of tests) expect(fullName).toContain('(FURO_CHROMIUM)');
  }, 60_000);

  it('root, ip or mpirun fails with CI=true and names them', () => {
    const files = ['test/e2e/examples.test.ts', 'test/e2e/manyNodes.test.ts'];
    const env = { FURO_TEST_WITHOUT: 'root,ip,mpirun,python', CI: 'true' };
    const { code, told } = run('e2e', files, env);
    expect(code).toBe(1);
    const names = testsOf(told).map(({ fullName }) => fullName);
    expect(told.numFailedTests).toBe(names.length);
    expect(names.join('\n')).toMatch(/two nodes needs .*mpirun/);
    expect(names.join('\n')).toContain('root on Linux');
  }, 60_000);
});
