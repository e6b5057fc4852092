/**
 * `npm test`: sets up what is missing and runs every level of tests; `npm test -- unit python` runs some of them.
 * With CI=true a skipped test is a failure. `npm run soak` runs the levels that have generated cases with all of them,
 * in about 40 minutes; `npm test` runs a bounded share. Imports nothing that is installed, because it installs.
 */
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { editorObstacle, setUpCodeServer } from './steps/codeServer.mjs';
import { build, checkNode, setUpPackages } from './steps/node.mjs';
import { run } from './steps/process.mjs';
import { setUpDemoModel, setUpOldestTransformers, setUpPython } from './steps/python.mjs';
import { setUpSystem } from './steps/system.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isCi = process.env['CI'] === 'true';
const output = join(root, 'test-output');
const log = (text) => console.log(`○ ${text}`);

/** Each level: what it needs beside npm packages, and how it runs. */
const levels = {
  style: { run: style },
  unit: { needs: ['build'], run: (env) => vitest('unit', env) },
  e2e: { needs: ['build', 'python'], run: (env) => vitest('e2e', env) },
  sshd: { needs: ['build', 'python'], run: (env) => vitest('sshd', env) },
  python: { needs: ['python'], run: pytest },
  browser: { needs: ['build'], run: (env) => vitest('browser', env) },
  workbench: { needs: ['build', 'python', 'editors'], run: (env) => vitest('workbench', env) },
};

/** The levels with tests that look for FURO_SOAK. */
const soakLevels = ['unit', 'e2e', 'sshd'];

async function main() {
  checkNode();
  const chosen = process.argv.slice(2).filter((word) => word !== '--soak');
  const isSoak = process.argv.includes('--soak');
  const unknown = chosen.filter((name) => !(name in levels));
  if (unknown.length > 0)
    throw new Error(
      `There is no level ${unknown.join(', ')}; there are: ${Object.keys(levels).join(', ')}.`,
    );
  const all = isSoak ? soakLevels : Object.keys(levels);
  const names = chosen.length > 0 ? chosen : all;
  const env = await setUp(new Set(names.flatMap((name) => levels[name].needs ?? [])));
  if (isSoak) env.FURO_SOAK = '1';
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const results = [];
  for (const name of names) {
    const began = Date.now();
    console.log(`\n=== ${name}`);
    const counts = await levels[name].run(env);
    results.push({ name, seconds: Math.round((Date.now() - began) / 1000), ...counts });
  }
  const leaks = await filesWithSecrets();
  if (leaks.length > 0) results.push(leakResult(leaks));
  return report(results);
}

/** What the run left, reports and logs, and holds a secret that a test typed (test/secretGuard.ts). */
async function filesWithSecrets() {
  const entries = await readdir(output, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  const secret = /canary-(?:passphrase|password|code)-[0-9a-f]{4}/;
  const texts = await Promise.all(paths.map((path) => readFile(path, 'latin1')));
  return paths.filter((_, index) => secret.test(texts[index]));
}

function leakResult(files) {
  const failures = files.map((file) => `a secret of a test is in ${file}`);
  return { name: 'secrets', passed: 0, failed: files.length, skipped: 0, seconds: 0, failures };
}

async function setUp(needs) {
  await setUpPackages(root, log);
  const missing = await setUpSystem(log);
  for (const text of missing) console.log(`! not on this computer: ${text}`);
  const env = {};
  if (needs.has('python')) {
    const { python } = await setUpPython(log);
    env.FURO_TEST_PYTHON = python;
    env.FURO_TEST_MODEL = await setUpDemoModel(python, log);
  }
  if (needs.has('build')) await build(root, log);
  if (needs.has('editors')) {
    const obstacle = editorObstacle();
    if (obstacle) console.log(`! workbench tests are skipped: ${obstacle}`);
    else for (const which of ['newest', 'oldest']) await setUpCodeServer(which, log);
  }
  return env;
}

/** Types, lint and format of both languages; each check counts as one test. */
async function style() {
  const checks = [
    ['types', process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit']],
    [
      'types of the webview',
      process.execPath,
      ['node_modules/typescript/bin/tsc', '--noEmit', '-p', 'src/webview'],
    ],
    ['lint', process.execPath, ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0']],
    [
      'format',
      process.execPath,
      [
        'node_modules/prettier/bin/prettier.cjs',
        '--check',
        '{src,test,scripts}/**/*.{ts,mts,mjs}',
        '*.mjs',
        'vitest.config.ts',
      ],
    ],
  ];
  let failed = 0;
  for (const [name, command, args] of checks) {
    const { code, output: text } = await run(command, args, { cwd: root, check: false });
    console.log(`${code === 0 ? '✓' : '✗'} ${name}`);
    if (code !== 0) {
      failed += 1;
      console.log(text);
    }
  }
  return { passed: checks.length - failed, failed, skipped: 0 };
}

async function vitest(project, env) {
  const file = join(output, `${project}.json`);
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', project];
  const unhandled = join(output, `${project}.unhandled.json`);
  const reporters = [
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    '--reporter=./scripts/steps/unhandledReporter.mjs',
  ];
  const { code } = await run(process.execPath, [...args, ...reporters], {
    cwd: root,
    env: { ...env, FURO_UNHANDLED_FILE: unhandled },
    inherit: true,
    check: false,
  });
  const told = JSON.parse(await readFile(file, 'utf8').catch(() => '{}'));
  const failed = told.numFailedTests ?? 0;
  const tests = (told.testResults ?? []).flatMap((result) => result.assertionResults ?? []);
  const skipped = tests.filter(({ status }) => status === 'pending' || status === 'skipped');
  const broken = tests.filter(({ status }) => status === 'failed');
  return {
    failures: [
      ...broken.map(
        ({ fullName, failureMessages }) => `${fullName}\n${failureMessages?.[0] ?? ''}`,
      ),
      ...JSON.parse(await readFile(unhandled, 'utf8').catch(() => '[]')),
    ],
    passed: told.numPassedTests ?? 0,
    // A run that broke outside of any test is a failure, too.
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: skipped.length,
    skippedNames: skipped.map(({ fullName }) => fullName),
  };
}

async function pytest(env) {
  const python = env.FURO_TEST_PYTHON;
  const cwd = join(root, 'python-runtime');
  const counts = { passed: 0, failed: 0, skipped: 0, failures: [], skippedNames: [] };
  for (const args of [
    ['ruff', 'check', '.'],
    ['mypy', '--strict', 'furo_infer'],
  ]) {
    const { code, output: text } = await run(python, ['-m', ...args], { cwd, check: false });
    console.log(`${code === 0 ? '✓' : '✗'} ${args[0]}`);
    if (code !== 0) {
      console.log(text);
      counts.failures.push(`${args[0]}\n${text}`);
    }
    counts[code === 0 ? 'passed' : 'failed'] += 1;
  }
  const oldest = await setUpOldestTransformers(python, log);
  const engines = ['own_families', 'own_pieces', 'generate'].map((name) => `tests/test_${name}.py`);
  for (const [what, path, files] of [
    ['', '', []],
    ['with the oldest supported transformers: ', oldest, engines],
  ]) {
    console.log(`\n${what}pytest ${files.join(' ')}`);
    await pytestRun(python, files, { ...env, ...(path && { PYTHONPATH: path }) }, counts);
  }
  return counts;
}

async function pytestRun(python, files, env, counts) {
  let tail = '';
  const named = counts.failures.length;
  const { code } = await run(python, ['-m', 'pytest', '-q', '-rfEs', ...files], {
    cwd: join(root, 'python-runtime'),
    env,
    check: false,
    onLine: (line) => {
      console.log(line);
      tail = line;
      if (/^(FAILED|ERROR) tests/.test(line)) counts.failures.push(line);
      if (line.startsWith('SKIPPED [')) counts.skippedNames.push(line);
    },
  });
  if (code !== 0 && counts.failures.length === named)
    counts.failures.push(`pytest ended with ${code}: ${tail}`);
  const count = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(tail)?.[1] ?? 0);
  counts.passed += count('passed');
  counts.skipped += count('skipped');
  counts.failed += Math.max(count('failed') + count('error'), code === 0 ? 0 : 1);
}

function report(results) {
  console.log('\nlevel       passed  failed  skipped  seconds');
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, passed, failed, skipped, seconds } of results) {
    const cells = [passed, failed, skipped, seconds].map((value) => String(value).padStart(8));
    console.log(name.padEnd(10) + cells.join(''));
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  // Said again at the end: a log of CI may keep no more than that.
  for (const { name, failures = [] } of results)
    for (const text of failures)
      console.log(`failed in ${name}: ${text.split('\n').slice(0, 12).join('\n  ')}`);
  const skippedNames = results.flatMap((result) => result.skippedNames ?? []);
  for (const name of skippedNames) console.log(`skipped: ${name}`);
  if (isCi && sum.skipped > 0) {
    console.log('With CI=true a skipped test is a failure.');
    sum.failed += sum.skipped;
  }
  console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
  return sum.failed === 0 && sum.passed > 0 ? 0 : 1;
}

main().then(
  (code) => (process.exitCode = code),
  (error) => {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    console.log('\n0 passed, 1 failed');
    process.exitCode = 1;
  },
);
