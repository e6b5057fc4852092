/**
 * `npm run test:electron [-- 1.90.2 stable]`: runs the suite of the extension host (test/workbench/host) on desktop
 * VS Code, where one can be downloaded. `npm test` runs the same suite on code-server and needs no desktop.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { editors } from './steps/codeServer.mjs';
import { pack } from './steps/pack.mjs';
import { build, checkNode, setUpPackages } from './steps/node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vsix = join(root, 'test-output', 'furo-workflows.vsix');
const log = (text) => console.log(`○ ${text}`);

/** Something outside of the tests that keeps them from running, with what can be done about it. */
class Obstacle extends Error {
  constructor(what, remedy, cause) {
    super(
      [what, cause === undefined ? '' : `Cause: ${oneLine(cause)}`, remedy]
        .filter(Boolean)
        .join('\n'),
    );
    this.name = 'Obstacle';
  }
}

async function main() {
  checkNode();
  const versions =
    process.argv.length > 2 ? process.argv.slice(2) : [editors.oldest.vscode, 'stable'];
  await setUpPackages(root, log);
  // Imported late: setUpPackages may just have installed it.
  const electron = await import('@vscode/test-electron');
  if (process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'])
    throw new Obstacle(
      'Desktop VS Code needs a display, and DISPLAY is not set.',
      'Run: xvfb-run -a npm run test:electron',
    );
  await build(root, log);
  log('package');
  await mkdir(dirname(vsix), { recursive: true });
  await pack(vsix);
  let failed = 0;
  for (const version of versions) if (!(await testOn(electron, version))) failed += 1;
  console.log(`\n${versions.length - failed} of ${versions.length} versions passed`);
  return failed === 0 ? 0 : 1;
}

/** @returns true when every test passed */
async function testOn(electron, version) {
  log(`VS Code ${version}`);
  const executable = await download(electron, version);
  const work = await mkdtemp(join(tmpdir(), 'furo-el-'));
  const furo = await startFuro(join(work, 'furo'));
  try {
    return await runSuite(electron, { executable, work, endpoint: furo?.endpoint });
  } finally {
    await furo?.dispose();
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function download(electron, version) {
  try {
    const reporter = new electron.SilentReporter();
    return await electron.downloadAndUnzipVSCode({ version, reporter, timeout: 60_000 });
  } catch (error) {
    throw new Obstacle(
      `VS Code ${version} could not be downloaded from update.code.visualstudio.com.`,
      'Check the connection or the proxy (HTTPS_PROXY) and try again.\n' +
        'Without a download the same tests run on code-server: npm test -- workbench',
      error,
    );
  }
}

/** The simulated Furo of the build, for the tests that run a job; it needs Linux. */
async function startFuro(folder) {
  if (process.platform !== 'linux') {
    log('no simulated Furo on this system: the tests that run a job are pending');
    return undefined;
  }
  const { startSimulatedFuro } = createRequire(import.meta.url)(join(root, 'dist', 'simulator.js'));
  const scheduling = { schedulingDelayMs: 200, terminationMs: 200 };
  return startSimulatedFuro({ root: folder, scheduling });
}

async function runSuite(electron, { executable, work, endpoint }) {
  const { setStage } = await import('../test/workbench/host/stage.mjs');
  const userData = join(work, 'u');
  const places = ['--user-data-dir', userData, '--extensions-dir', join(work, 'x')];
  const stage = await setStage({ work, userData, ...(endpoint && { endpoint }) });
  const [cli] = electron.resolveCliArgsFromVSCodeExecutablePath(executable);
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  await promisify(execFile)(cli, [...asRoot, ...places, '--install-extension', vsix], {
    shell: process.platform === 'win32',
  });
  const code = await electron
    .runTests({
      vscodeExecutablePath: executable,
      extensionDevelopmentPath: stage.emptyExtension,
      extensionTestsPath: stage.suite,
      extensionTestsEnv: stage.env,
      launchArgs: [stage.workspace, ...places, '--disable-telemetry', '--disable-gpu'],
    })
    .catch((error) => {
      console.error(oneLine(error));
      return 1;
    });
  return code === 0 && (await countPassed(stage.results)) > 0;
}

async function countPassed(file) {
  const results = JSON.parse(await readFile(file, 'utf8').catch(() => '[]'));
  for (const { title, state } of results) if (state === 'failed') console.log(`✗ ${title}`);
  return results.filter(({ state }) => state === 'passed').length;
}

function oneLine(error) {
  const cause = error instanceof Error && error.cause ? ` (${String(error.cause.message)})` : '';
  return `${error instanceof Error ? error.message : String(error)}${cause}`.split('\n')[0];
}

main().then(
  (code) => (process.exitCode = code),
  (error) => {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  },
);
