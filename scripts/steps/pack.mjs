/**
 * Packs the extension as it would be published; package.json says the rest under `vsce`, and builds first.
 * `node scripts/steps/pack.mjs FILE` does it by hand.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './process.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** @returns what vsce printed */
export async function pack(file) {
  const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  const { output } = await run(process.execPath, [vsce, 'package', '--out', file], {
    cwd: root,
  });
  return output;
}

const [, program, file] = process.argv;
if (program === fileURLToPath(import.meta.url) && file) console.log(await pack(file));
