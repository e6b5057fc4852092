// Packs the extension once for all workbench tests, as it would be published.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { editorObstacle } from '../../scripts/steps/codeServer.mjs';

export const root = join(import.meta.dirname, '../..');
export const vsixFile = join(root, 'test-output', 'furo-workflows.vsix');

export async function setup(): Promise<void> {
  if (editorObstacle() !== undefined) return;
  mkdirSync(join(root, 'test-output'), { recursive: true });
  const vsce = join(root, 'node_modules/@vscode/vsce/vsce');
  const quiet = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links'];
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [vsce, 'package', ...quiet, '--out', vsixFile],
    { cwd: root },
  );
  if (/\bWARN/i.test(stdout + stderr)) throw new Error(`vsce package warns:\n${stdout}${stderr}`);
}
