/**
 * Starts one code-server (a real VS Code workbench behind a loopback port) in a folder of its own: settings,
 * extensions, logs and port are private to it. Knows the server's switches; does not know what is tried in it.
 */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { editors } from './codeServer.mjs';
import { run } from './process.mjs';

const quietSettings = {
  'workbench.startupEditor': 'none',
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'terminal.integrated.gpuAcceleration': 'off',
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'update.mode': 'none',
  'telemetry.telemetryLevel': 'off',
  'git.openRepositoryInParentFolders': 'never',
};

/**
 * @param options.program what setUpCodeServer returned
 * @param options.work an empty folder that the editor may fill
 * @param options.extensions paths of VSIX files to install
 * @param options.hostTests true to let a page run mocha in the extension host (hides notifications)
 */
export async function startEditor(options) {
  const { program, work, settings = {}, extensions = [], env = {}, locale } = options;
  const places = await preparePlaces(work, { ...quietSettings, ...settings }, locale);
  const environment = {
    ...cleanEnvironment(),
    EXTENSIONS_GALLERY: '{}',
    XDG_DATA_HOME: places.data,
    FURO_CONFIG: join(work, 'config'),
    ...env,
  };
  for (const vsix of extensions) {
    const args = [program.entry, ...places.switches, '--install-extension', vsix];
    await run(program.node, args, { env: environment });
  }
  const port = await freePort();
  const args = [
    program.entry,
    ...places.switches,
    ...['--bind-addr', `127.0.0.1:${String(port)}`, '--auth', 'none'],
    ...['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'],
    ...['--ignore-last-opened', '--disable-proxy'],
    ...(options.workspaceTrust ? [] : ['--disable-workspace-trust']),
    ...(locale ? ['--locale', locale] : []),
    ...(options.hostTests && program.vscode !== editors.oldest.vscode
      ? ['--vscode-option', 'enable-smoke-test-driver']
      : []),
  ];
  const server = spawn(program.node, args, {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let log = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk) => (log = (log + chunk.toString()).slice(-50_000)));
  }
  const address = `http://127.0.0.1:${String(port)}`;
  await untilListening(address, server, () => log);
  return {
    address,
    port,
    userData: places.userData,
    extensionsFolder: places.extensions,
    log: () => log,
    stop: () => stop(server),
  };
}

/** The address that opens `folder`, with VS Code's own switches for the page in `payload`. */
export function pageAddress(editor, folder, payload) {
  const query = new URLSearchParams({ folder });
  if (payload) query.set('payload', JSON.stringify(payload));
  return `${editor.address}/?${query.toString()}`;
}

async function preparePlaces(work, settings, locale) {
  const userData = join(work, 'user-data');
  const extensions = join(work, 'extensions');
  const data = join(work, 'xdg');
  const config = join(work, 'config.yaml');
  await mkdir(extensions, { recursive: true });
  await mkdir(data, { recursive: true });
  // A window on a server takes settings of scope `machine` from the server's own file.
  for (const folder of ['User', 'Machine']) {
    await mkdir(join(userData, folder), { recursive: true });
    await writeFile(join(userData, folder, 'settings.json'), JSON.stringify(settings, null, 2));
  }
  await writeFile(config, '');
  if (locale) await writeLanguagePack(userData, locale);
  const switches = [
    '--config',
    config,
    '--user-data-dir',
    userData,
    '--extensions-dir',
    extensions,
  ];
  return { userData, extensions, data, switches };
}

/**
 * Language packs are not on npm. An empty one makes the editor use the language for its extensions, while its own
 * texts stay English. The file is what VS Code itself writes when a pack is installed.
 */
async function writeLanguagePack(userData, locale) {
  const texts = join(userData, `${locale}.i18n.json`);
  await writeFile(texts, JSON.stringify({ version: '1.0.0', contents: {} }));
  const extensions = [
    { extensionIdentifier: { id: `test.language-pack-${locale}` }, version: '1.0.0' },
  ];
  const pack = { hash: locale, extensions, translations: { vscode: texts }, label: locale };
  await writeFile(join(userData, 'languagepacks.json'), JSON.stringify({ [locale]: pack }));
}

/** Started from a VS Code terminal, our own environment would confuse the new editor. */
function cleanEnvironment() {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(VSCODE_|ELECTRON_|CODE_SERVER_|VITEST|NODE_OPTIONS|PORT$)/.test(name),
  );
  return Object.fromEntries(entries);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function untilListening(address, server, log) {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (server.exitCode !== null) throw new Error(`code-server ended at once:\n${log()}`);
    const answer = await fetch(`${address}/healthz`).catch(() => undefined);
    if (answer?.ok) return;
    await delay(100);
  }
  throw new Error(`code-server does not answer:\n${log()}`);
}

/** Ends the server and the hosts it started (they share its process group). */
async function stop(server) {
  const ended = new Promise((resolve) => server.once('close', resolve));
  if (server.exitCode !== null || server.pid === undefined) return;
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    try {
      process.kill(-server.pid, signal);
    } catch {
      return;
    }
    if ((await Promise.race([ended, delay(4000, 'late')])) !== 'late') return;
  }
}
