/** The npm packages and the build of this project, each only when something changed since the last time. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './process.mjs';

const oldestNode = 20;

/** Ends with a clear message on a Node that is too old for the rest. */
export function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= oldestNode) return;
  throw new Error(`Node ${oldestNode} or newer is needed; this is ${process.versions.node}.`);
}

/** `npm ci`, unless node_modules was made from this very lockfile. Never through a link: it would empty another's folder. */
export async function setUpPackages(root, log) {
  const stampFile = join(root, 'node_modules', '.furo-stamp');
  const stamp = hashOf(await readFile(join(root, 'package-lock.json')), process.versions.modules);
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === stamp) return;
  const there = await lstat(join(root, 'node_modules')).catch(() => undefined);
  if (there?.isSymbolicLink())
    throw new Error(
      'node_modules is a link to packages that are not those of package-lock.json. Remove the link, and run this again.',
    );
  log('npm packages');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root });
  await writeFile(stampFile, stamp);
}

/** `node esbuild.mjs`, unless src/ is what dist/ was built from. */
export async function build(root, log) {
  const stampFile = join(root, 'dist', '.furo-stamp');
  const stamp = await hashOfSources(root);
  const isBuilt = existsSync(join(root, 'dist', 'cli.js'));
  if (isBuilt && (await readFile(stampFile, 'utf8').catch(() => '')) === stamp) return;
  log('build');
  await run(process.execPath, ['esbuild.mjs'], { cwd: root });
  await mkdir(join(root, 'dist'), { recursive: true });
  await writeFile(stampFile, stamp);
}

async function hashOfSources(root) {
  const names = await readdir(join(root, 'src'), { recursive: true });
  const files = names
    .filter((name) => /\.\w+$/.test(name))
    .map((name) => join(root, 'src', name))
    .sort();
  const parts = [];
  for (const file of [...files, join(root, 'esbuild.mjs'), join(root, 'package-lock.json')]) {
    parts.push(file.slice(root.length), await readFile(file));
  }
  return hashOf(...parts);
}

function hashOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}
