/**
 * Bundles the programs of this project into dist/: the extension, its webview, the command line, the thread that
 * opens encrypted keys, and the simulated Furo, which stays a file of its own so that it is loaded only on demand.
 * `node esbuild.mjs [--watch]`. Nothing native goes in: ssh2 works without its optional parts.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const watch = process.argv.includes('--watch');

/** `import('../simulator/simulatedFuro.js')` in another bundle means the file dist/simulator.js. */
const simulatorApart = {
  name: 'simulator-apart',
  setup(bundle) {
    bundle.onResolve({ filter: /\/simulator\/simulatedFuro(\.js)?$/ }, (wanted) =>
      wanted.kind === 'entry-point' ? undefined : { path: './simulator.js', external: true },
    );
  },
};

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: !watch,
  sourcemap: watch ? 'linked' : false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
};

const onNode = {
  ...shared,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['vscode', 'cpu-features', '*.node'],
};

const programs = [
  { ...onNode, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js' },
  {
    ...onNode,
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/cli.js',
    banner: { js: '#!/usr/bin/env node' },
  },
  { ...onNode, entryPoints: ['src/ssh/keyWorker.js'], outfile: 'dist/keyWorker.js' },
  {
    ...onNode,
    entryPoints: ['src/simulator/simulatedFuro.ts'],
    outfile: 'dist/simulator.js',
    keepNames: true, // ssh2's server knows its sessions by the name of their class
  },
  { ...shared, entryPoints: ['src/webview/main.ts'], outfile: 'dist/webview.js', target: 'es2022' },
]
  .filter((program) => existsSync(join(root, program.entryPoints[0])))
  .map((program) =>
    program.outfile === 'dist/simulator.js' ? program : { ...program, plugins: [simulatorApart] },
  );

/** The licences of what was bundled, as their authors ask. */
async function writeNotices(results) {
  const inputs = results.flatMap((result) => Object.keys(result.metafile.inputs));
  const packages = new Set();
  for (const input of inputs) {
    const found = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) packages.add(found[0]);
  }
  const parts = [];
  for (const folder of [...packages].sort()) {
    const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const licence = await firstText(folder, [
      'LICENSE',
      'LICENSE.txt',
      'LICENSE.md',
      'LICENSE-MIT',
    ]);
    parts.push(
      `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})\n\n${licence}`,
    );
  }
  await writeFile(join(root, 'dist/third-party-notices.txt'), parts.join('\n\n----\n\n'));
}

/**
 * The README as stores and the editor's own page show it. Pictures and links to files of the repository need its
 * address: as long as `package.json` names none, they are left out.
 */
async function writeStorePage() {
  const text = await readFile(join(root, 'README.md'), 'utf8');
  const { repository } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const page = text
    .replace(/^!?\[[^\]]*\]\((?!\w+:|#)[^)]*\)\n\n/gm, '')
    .replace(/!?\[([^\]]*)\]\((?!\w+:|#)[^)]*\)/g, '$1');
  await writeFile(join(root, 'dist/README.md'), repository ? text : page);
}

async function firstText(folder, names) {
  for (const name of names) {
    const text = await readFile(join(root, folder, name), 'utf8').catch(() => undefined);
    if (text !== undefined) return text;
  }
  return '';
}

function printSizes(results) {
  for (const result of results) {
    for (const [path, { bytes }] of Object.entries(result.metafile.outputs)) {
      console.log(`${path.padEnd(20)} ${(bytes / 1024).toFixed(0).padStart(6)} kB`);
    }
  }
}

if (watch) {
  for (const program of programs) await (await context(program)).watch();
  console.log('watching src/');
} else {
  await mkdir(join(root, 'dist'), { recursive: true });
  const results = await Promise.all(programs.map((program) => build(program)));
  await chmod(join(root, 'dist/cli.js'), 0o755);
  await writeNotices(results);
  await writeStorePage();
  printSizes(results);
}
