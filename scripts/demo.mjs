/**
 * `npm run demo`: sets up what is missing, then runs examples/ on a simulated Furo. `-- --vscode` opens the real
 * workbench instead. Imports nothing that is installed, because it installs.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './steps/cacheFolder.mjs';
import { build, checkNode, setUpPackages } from './steps/node.mjs';
import { setUpDemoModel, setUpPython } from './steps/python.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const options = process.argv.slice(2);
const log = (text) => console.log(`○ ${text}`);

async function main() {
  checkNode();
  await setUpPackages(root, log);
  const { python } = await setUpPython(log);
  const model = await setUpDemoModel(python, log);
  await build(root, log);
  if (options.includes('--vscode')) {
    const { openWorkbench } = await import('./steps/openWorkbench.mjs');
    return openWorkbench({ root, python, model, log });
  }
  const work = await mkdtemp(join(tmpdir(), 'furo-demo-'));
  try {
    return await furo(['demo', ...options, '--root', work, '--python', python, '--model', model]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function furo(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'dist', 'cli.js'), ...args], {
      cwd: join(root, 'examples'),
      stdio: 'inherit',
      env: { ...process.env, FURO_CACHE: cacheFolder() },
    });
    // The child gets the terminal's Ctrl+C as well; we wait for it to clean up.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

main().then(
  (code) => (process.exitCode = code),
  (error) => {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  },
);
