// The ignore files of git that hold for a project from outside of it: those of folders above, of the repository, of the person.
import { execFile } from 'node:child_process';
import { lstat, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { syncFailure } from './failures';

/** git only reads its settings here. */
const GIT_TIMEOUT_MS = 5_000;

/** One of them, with the way from its folder to the project. */
export interface OuterIgnoreFile {
  /** Names of folders; none when it holds for the project itself. */
  readonly way: readonly string[];
  /** Its path as seen from the project, or a whole one. */
  readonly file: string;
  readonly text: string;
}

/** Weakest first; none outside of a repository. `project` is a real path. */
export async function readOuterIgnoreFiles(project: string): Promise<OuterIgnoreFile[]> {
  const root = await repositoryOf(project);
  if (root === undefined) return [];
  const way = relative(root, project).split(sep).filter(Boolean);
  const found: OuterIgnoreFile[] = [];
  const personal = await personalIgnoreFile(root);
  // Only this one may be a link.
  const text = personal === undefined ? undefined : await textOf(personal, stat);
  if (personal !== undefined && text !== undefined) found.push({ way, file: personal, text });
  const take = async (path: string, depth: number): Promise<void> => {
    const text = await textOf(path);
    const file = relative(project, path).split(sep).join('/');
    if (text !== undefined) found.push({ way: way.slice(depth), file, text });
  };
  await take(join(await gitFolderOf(root), 'info', 'exclude'), 0);
  for (const depth of way.keys())
    await take(join(root, ...way.slice(0, depth), '.gitignore'), depth);
  return found;
}

async function repositoryOf(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    if (await lstat(join(at, '.git')).catch(() => undefined)) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** A worktree names its own folder in a file, and that one the folder of the repository. */
async function gitFolderOf(root: string): Promise<string> {
  const path = join(root, '.git');
  const named = /^gitdir: (.+)$/m.exec((await textOf(path)) ?? '')?.[1];
  if (named === undefined) return path;
  const own = resolve(root, named);
  const shared = await textOf(join(own, 'commondir'));
  return shared === undefined ? own : resolve(own, shared.trim());
}

/** What holds in all repositories of a person (`core.excludesFile`); undefined where its setting is empty. */
async function personalIgnoreFile(root: string): Promise<string | undefined> {
  const { HOME = homedir(), XDG_CONFIG_HOME: chosen = '' } = process.env;
  const ask = ['-C', root, 'config', '--path', 'core.excludesFile'];
  try {
    // Not in the project, where Windows would look for a program first.
    const options = { cwd: homedir(), timeout: GIT_TIMEOUT_MS };
    const { stdout } = await promisify(execFile)('git', ask, options);
    const path = stdout.replace(/\r?\n$/, '');
    return path === '' ? undefined : resolve(root, path);
  } catch (error) {
    const { code, stderr = '' } = error as { code?: unknown; stderr?: string };
    // It is not set, or there is no git.
    if (code === 1 || code === 'ENOENT')
      return join(chosen === '' ? join(HOME, '.config') : chosen, 'git', 'ignore');
    const detail = stderr.trim() || 'git did not answer';
    throw syncFailure('localUnreadable', { path: 'git config core.excludesFile', detail }, error);
  }
}

/** Undefined for what is no file: git follows no link inside of a repository either. */
async function textOf(path: string, look = lstat): Promise<string | undefined> {
  try {
    return (await look(path)).isFile() ? await readFile(path, 'utf8') : undefined;
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    // Without its rules, what they keep here would be sent.
    throw syncFailure('localUnreadable', { path, detail: code }, error);
  }
}
