// Which paths of a project are left out: built-in names, .gitignore and .furoignore files, settings. Pure.
import ignore, { type Ignore } from 'ignore';
import { TEMPORARY_PREFIX } from '../ssh/remoteFiles';

/** Files whose rules count in their folder and below; later ones win. */
export const IGNORE_FILES = ['.gitignore', '.furoignore'] as const;

/** Left out unless a rule of the user takes them in again with `!`. */
const BUILT_IN = ['.venv/', 'venv/', 'node_modules/', '__pycache__/', '*.pyc', '.DS_Store'];

/** Never sent: other tools' state, our own remote state, our own results. */
const ALWAYS = new Set(['.git', '.hg', '.svn', '.furo', 'furo-results']);

export interface IgnoreOptions {
  /** Lines in .gitignore's language, from the setting `furo.sync.exclude`; they win over files. */
  readonly exclude: readonly string[];
  /** Paths that a job needs, sent whatever the rules say; folders count with all below them. */
  readonly include?: readonly string[];
}

/** Rules are asked from the top down: below an ignored folder nothing is asked. Paths have `/` and no leading one. */
export class IgnoreRules {
  readonly #base: Ignore;
  readonly #settings: Ignore;
  readonly #include: readonly string[];
  readonly #byFolder = new Map<string, Ignore>();

  constructor(options: IgnoreOptions) {
    this.#base = ignore().add(BUILT_IN);
    this.#settings = ignore().add([...options.exclude]);
    this.#include = (options.include ?? []).map((path) => path.replace(/\/+$/, ''));
  }

  /** Adds the text of an ignore file that lies in `folder` ('' is the project itself). */
  add(folder: string, text: string): void {
    const rules = this.#byFolder.get(folder) ?? ignore();
    rules.add(text);
    this.#byFolder.set(folder, rules);
  }

  /** Whether this file or folder is left out, given that no folder above it is. */
  ignores(path: string, isFolder: boolean): boolean {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (ALWAYS.has(name) || name.startsWith(TEMPORARY_PREFIX)) return true;
    if (this.#isIncluded(path, isFolder)) return false;
    let isIgnored = false;
    for (const { rules, relative } of this.#levels(path)) {
      const result = rules.test(isFolder ? `${relative}/` : relative);
      if (result.ignored) isIgnored = true;
      else if (result.unignored) isIgnored = false;
    }
    return isIgnored;
  }

  /** Like {@link ignores} for a path of which nothing above was asked. */
  ignoresDeep(path: string): boolean {
    const parts = path.split('/');
    return parts.some((_, index) =>
      this.ignores(parts.slice(0, index + 1).join('/'), index < parts.length - 1),
    );
  }

  #isIncluded(path: string, isFolder: boolean): boolean {
    return this.#include.some(
      (item) =>
        path === item || path.startsWith(`${item}/`) || (isFolder && item.startsWith(`${path}/`)),
    );
  }

  *#levels(path: string): Generator<{ rules: Ignore; relative: string }> {
    yield { rules: this.#base, relative: path };
    const parts = path.split('/');
    for (let depth = 0; depth < parts.length; depth++) {
      const rules = this.#byFolder.get(parts.slice(0, depth).join('/'));
      if (rules) yield { rules, relative: parts.slice(depth).join('/') };
    }
    yield { rules: this.#settings, relative: path };
  }
}
