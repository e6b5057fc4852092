/**
 * Installs a real VS Code workbench (code-server, from the npm registry) into the cache folder: the newest,
 * and the oldest VS Code that the manifest promises. Each brings its own Node, so the project's Node is free.
 * Knows how they are installed; how they are started is startEditor.mjs.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached } from './cacheFolder.mjs';
import { run } from './process.mjs';

/** The editors the suites run on. `vscode` is the version of VS Code inside. */
export const editors = {
  newest: { codeServer: '4.139.1', vscode: '1.139.1', node: '24.21.0' },
  oldest: { codeServer: '4.90.3', vscode: '1.90.2', node: '20.20.2' },
};

const recipeVersion = 2;

/** Why no editor can be installed on this computer, or undefined. */
export function editorObstacle() {
  if (process.platform !== 'linux') return 'code-server is prepared here for Linux only';
  if (!['x64', 'arm64'].includes(process.arch)) return `no code-server for ${process.arch}`;
  return undefined;
}

/** @returns {Promise<{node: string, entry: string, vscode: string}>} what to start: `node entry ARGS` */
export async function setUpCodeServer(which, log) {
  const versions = editors[which];
  const stamp = JSON.stringify({ recipeVersion, ...versions, arch: process.arch });
  const folder = await cached(`code-server-${versions.codeServer}`, stamp, (work) =>
    install(work, which, log),
  );
  return { ...startOf(folder), vscode: versions.vscode };
}

function startOf(folder) {
  return {
    node: join(folder, 'node', 'node_modules', nodePackage(), 'bin', 'node'),
    entry: join(folder, 'server', 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  };
}

function nodePackage() {
  return `node-linux-${process.arch}`;
}

async function install(work, which, log) {
  const versions = editors[which];
  const say = (text) => log(`code-server ${versions.codeServer}: ${text}`);
  const nodeRoot = join(work, 'node');
  const server = join(work, 'server');
  for (const folder of [nodeRoot, server]) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"private":true}');
  }
  say(`Node ${versions.node}`);
  await npm(nodeRoot, ['install', '--ignore-scripts', `${nodePackage()}@${versions.node}`], {});
  const headers = join(nodeRoot, 'node_modules', nodePackage());
  const env = {
    PATH: `${dirname(startOf(work).node)}:${process.env['PATH'] ?? ''}`,
    npm_config_nodedir: headers,
  };
  say('server');
  await npm(server, ['install', '--ignore-scripts', `code-server@${versions.codeServer}`], env);
  await installParts(join(server, 'node_modules', 'code-server'), which, { env, say });
}

async function installParts(codeServer, which, { env, say }) {
  const inner = join(codeServer, 'lib', 'vscode');
  const withoutDev = ['install', '--omit=dev', '--ignore-scripts'];
  say('workbench');
  await npm(inner, which === 'oldest' ? [...withoutDev, '--legacy-peer-deps'] : withoutDev, env);
  await npm(join(inner, 'extensions'), withoutDev, env);
  say('native parts (about 40 s)');
  if (which === 'oldest') {
    await npm(inner, ['rebuild', '@vscode/spdlog', 'node-pty', 'native-watchdog'], env);
    // argon2 is hoisted beside code-server.
    await npm(dirname(dirname(codeServer)), ['rebuild', 'argon2', '--build-from-source'], env);
  } else {
    await npm(inner, ['rebuild', '@vscode/spdlog', '@vscode/native-watchdog'], env);
  }
  const unused = [
    'node_modules/@github',
    'node_modules/@microsoft/mxc-sdk',
    'extensions/copilot',
    'extensions/mermaid-markdown-features',
  ];
  for (const path of unused) await rm(join(inner, path), { recursive: true, force: true });
}

function npm(cwd, args, env) {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  return run('npm', [...args, ...quiet], {
    cwd,
    env: { ...env, npm_config_ignore_scripts: args[0] === 'rebuild' ? 'false' : 'true' },
  });
}
