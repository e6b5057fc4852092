// Packs the extension once for all workbench tests, as it would be published.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from '../../scripts/steps/pack.mjs';
import { editorObstacle } from '../../scripts/steps/codeServer.mjs';

export const root = join(import.meta.dirname, '../..');
export const vsixFile = join(root, 'test-output', 'furo-workflows.vsix');

export async function setup(): Promise<void> {
  if (editorObstacle() !== undefined) return;
  mkdirSync(join(root, 'test-output'), { recursive: true });
  const told = await pack(vsixFile);
  if (/\bWARN/i.test(told)) throw new Error(`vsce package warns:\n${told}`);
}
