/**
 * What the suite in the extension host needs on disk, for code-server and desktop VS Code alike: the bundled
 * suite, a workspace, an empty extension "under development" (so that the packed one is tested), a settings home.
 */
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../..');
const extensionId = 'furo-workflows.furo-workflows';

/** Bundles the suite below `test-output`, from where it finds mocha. @returns the file that exports `run` */
async function bundleSuite() {
  const outdir = join(root, 'test-output', 'host');
  await build({
    absWorkingDir: root,
    entryPoints: [join(here, 'index.ts'), join(here, 'suite.ts')],
    outdir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return join(outdir, 'index.cjs');
}

/**
 * @param options.work an empty folder
 * @param options.userData folder that the editor will get as its user data
 * @param options.endpoint how to reach the simulated Furo; without it the tests that need one are pending
 */
export async function setStage({ work, userData, endpoint }) {
  const workspace = join(work, 'examples');
  await cp(join(root, 'examples'), workspace, { recursive: true });
  await rm(join(workspace, 'furo-results'), { recursive: true, force: true });
  const emptyExtension = join(work, 'empty-extension');
  await mkdir(emptyExtension, { recursive: true });
  const manifest = { name: 'empty', publisher: 'test', version: '0.0.1', engines: { vscode: '*' } };
  await writeFile(join(emptyExtension, 'package.json'), JSON.stringify(manifest));
  const results = join(work, 'results.json');
  const env = { FURO_HOST_RESULTS: results, FURO_HOST_USER_DATA: userData };
  if (endpoint) {
    // Modal questions are refused in a test host, so the host key is known beforehand.
    const storage = join(userData, 'User', 'globalStorage', extensionId);
    await mkdir(storage, { recursive: true });
    await writeFile(join(storage, 'known_hosts'), `${endpoint.knownHostsLine}\n`);
    env.FURO_TEST_ENDPOINT = JSON.stringify(endpoint);
  }
  return { workspace, emptyExtension, results, env, suite: await bundleSuite() };
}
