// Looks at the files that a job is about before anything is sent: there, inside the folder, allowed, spelled right.
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { IgnoreRules } from '../sync/ignoreRules';
import { neededFiles } from '../workflow/expand';
import { isInsideFolder } from '../workflow/paths';
import type { Work } from '../workflow/workflow';
import { checkInput } from './checkInput';
import { jobFailure } from './failures';

/** Throws for the first file that could not be sent or used. */
export async function checkWork(work: Work, folder: string, signal?: AbortSignal): Promise<void> {
  for (const path of neededFiles(work)) {
    await checkPlace(folder, path);
    const file = join(folder, path);
    if (work.kind === 'inference' && path === work.inference.input)
      await checkInput(file, path, signal);
    else if (!(await stat(file)).isFile()) throw jobFailure('inputNotFound', { path });
  }
}

async function checkPlace(folder: string, path: string): Promise<void> {
  if (!isInsideFolder(path)) throw jobFailure('inputOutside', { path });
  const name = neverSentName(path);
  if (name !== undefined) throw jobFailure('inputNeverSent', { path, name });
  const found = await spellingIn(folder, path);
  if (found !== undefined && found !== path.normalize('NFC'))
    throw jobFailure('inputSpelledOtherwise', { path, found });
  const target = await realpath(join(folder, path)).catch(() => undefined);
  if (target === undefined)
    throw jobFailure(found === undefined ? 'inputNotFound' : 'inputOutside', { path });
  if (!target.startsWith((await realpath(folder)) + sep))
    throw jobFailure('inputOutside', { path });
}

/** The part of a path that keeps it here although a job needs it. */
function neverSentName(path: string): string | undefined {
  const rules = new IgnoreRules({ exclude: [], needed: [path] });
  const parts = path.split('/');
  return parts.find((_, index) => {
    const isFolder = index < parts.length - 1;
    const verdict = rules.judge(parts.slice(0, index + 1).join('/'), isFolder);
    return !verdict.isSent && verdict.isOpened !== true;
  });
}

/** A path as the folders have it, whose letters may differ in case; undefined when there is no such path. */
async function spellingIn(folder: string, path: string): Promise<string | undefined> {
  const found: string[] = [];
  for (const part of path.split('/')) {
    const wanted = part.normalize('NFC');
    const names = await readdir(join(folder, ...found)).catch(() => []);
    const same = (change: (text: string) => string) =>
      names.find((name) => change(name.normalize('NFC')) === change(wanted));
    const name = same((text) => text) ?? same((text) => text.toLowerCase());
    if (name === undefined) return undefined;
    found.push(name);
  }
  return found.join('/').normalize('NFC');
}
