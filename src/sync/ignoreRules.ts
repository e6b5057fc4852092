// Which paths of a project are left out and by which rule: ignore files as git reads them, settings, names. Pure.
import { TEMPORARY_PREFIX } from '../ssh/remoteFiles';
import { matchesPattern, parsePatterns, toBytes, type GitPattern } from './gitPattern';
import type { OuterIgnoreFile } from './outerIgnore';

/** Files whose rules count in their folder and below; later ones win. */
export const IGNORE_FILES = ['.gitignore', '.furoignore'] as const;

/** Left out unless a rule of the user takes them in again with `!`. */
const BUILT_IN = [
  '.venv/',
  'venv/',
  'node_modules/',
  '__pycache__/',
  '*.pyc',
  '.DS_Store',
  // The picture that macOS shows for a folder; no name that Linux programs like.
  'Icon[\r]',
];

/** Never sent: other tools' state and our own. Results are, when a job names them as its input. */
const ALWAYS = new Set(['.git', '.hg', '.svn', '.furo']);
const RESULTS = 'furo-results';

export interface IgnoreOptions {
  /** Lines in .gitignore's language, from the setting `furo.sync.exclude`; they win over files. */
  readonly exclude: readonly string[];
  /** The same for what is sent in spite of all that, from `furo.sync.include`. */
  readonly include?: readonly string[];
  /** Paths that a job needs, sent whatever the rules say; folders count with all below them. */
  readonly needed?: readonly string[];
  /** Letters match in either case, as git does where files do; by default on Windows and macOS. */
  readonly foldsCase?: boolean;
}

/** What decided about a path. `always` and `builtIn` are ours; `file` names an ignore file as seen from the project. */
export type Rule =
  | { readonly source: 'always' | 'builtIn'; readonly pattern: string }
  | { readonly source: 'exclude'; readonly pattern: string }
  | {
      readonly source: 'file';
      readonly file: string;
      readonly line: number;
      readonly pattern: string;
    };

export interface Verdict {
  readonly isSent: boolean;
  /** The rule that leaves it out, would leave it out, or takes it in again with `!`; none when no rule speaks of it. */
  readonly rule?: Rule;
  /** Sent in spite of `rule`, because the job needs it or `furo.sync.include` says so. */
  readonly because?: 'needed' | 'include';
  /** A folder that is left out, but something inside may be sent: it must be looked through with `rule` as `above`. */
  readonly isOpened?: boolean;
}

interface Hit {
  readonly isNegative: boolean;
  readonly rule: Rule;
}

/** Patterns of one folder ('' is the project itself), weakest first. */
interface Level {
  readonly pattern: GitPattern;
  readonly rule: Rule;
}

/** Patterns of one file, and the path to judge as they see it. */
interface Place {
  readonly levels: readonly Level[];
  readonly relative: string;
}

/** Rules are asked from the top down: below a folder that is left out nothing is asked. Paths have `/` and no leading one. */
export class IgnoreRules {
  readonly #base: readonly Level[];
  readonly #settings: readonly Level[];
  readonly #include: readonly GitPattern[];
  readonly #needed: readonly string[];
  readonly #foldsCase: boolean;
  readonly #byFolder = new Map<string, Level[]>();
  /** Strongest first. */
  #outer: readonly { readonly way: readonly string[]; readonly levels: readonly Level[] }[] = [];

  constructor(options: IgnoreOptions) {
    const { platform } = process;
    this.#foldsCase = options.foldsCase ?? (platform === 'win32' || platform === 'darwin');
    this.#base = parsePatterns(BUILT_IN.join('\n')).map((pattern) => ({
      pattern,
      rule: { source: 'builtIn', pattern: pattern.text },
    }));
    this.#settings = parsePatterns(options.exclude.join('\n')).map((pattern) => ({
      pattern,
      rule: { source: 'exclude', pattern: pattern.text },
    }));
    this.#include = parsePatterns((options.include ?? []).join('\n'));
    this.#needed = (options.needed ?? []).map((path) => composed(path.replace(/\/+$/, '')));
  }

  /** Adds the text of an ignore file called `name` that lies in `folder` ('' is the project itself). */
  add(folder: string, name: string, text: string): void {
    const file = folder === '' ? name : `${folder}/${name}`;
    this.#byFolder.set(folder, [...(this.#byFolder.get(folder) ?? []), ...levelsOf(file, text)]);
  }

  /** Sets those from outside of the project, weakest first. Where they leave out the project itself, none holds. */
  setOuter(files: readonly OuterIgnoreFile[]): void {
    const outer = files.map(({ way, file, text }) => ({ way, levels: levelsOf(file, text) }));
    outer.reverse();
    const way = files[0]?.way ?? [];
    const isOut = way.some((_, index) => {
      const above = way.length - index - 1;
      const hit = this.#hitIn(outersAt(outer, above), true);
      return hit?.isNegative === false;
    });
    this.#outer = isOut ? [] : outer;
  }

  /** Judges a file or folder. `above` is the rule of an opened folder above it, which then holds for this too. */
  judge(path: string, isFolder: boolean, above?: Rule): Verdict {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const isNeeded = this.#isNeeded(path);
    if (ALWAYS.has(name) || name.startsWith(TEMPORARY_PREFIX) || (name === RESULTS && !isNeeded)) {
      const rule: Rule = { source: 'always', pattern: name };
      const isOpened = name === RESULTS && isFolder && this.#leadsToNeeded(path);
      return { isSent: false, rule, ...(isOpened && { isOpened }) };
    }
    const hit = above ? { isNegative: false, rule: above } : this.#lastHit(path, isFolder);
    if (!hit) return { isSent: true };
    const { rule } = hit;
    if (hit.isNegative) return { isSent: true, rule };
    if (isNeeded) return { isSent: true, rule, because: 'needed' };
    if (this.#isIncluded(path, isFolder)) return { isSent: true, rule, because: 'include' };
    const isOpened = isFolder && (this.#leadsToNeeded(path) || this.#leadsToIncluded(path));
    return { isSent: false, rule, ...(isOpened && { isOpened }) };
  }

  /** Like {@link judge}, for a path of which nothing above was asked; true when it is left out. */
  ignoresDeep(path: string): boolean {
    const parts = path.split('/');
    let above: Rule | undefined;
    for (const index of parts.keys()) {
      const isFolder = index < parts.length - 1;
      const verdict = this.judge(parts.slice(0, index + 1).join('/'), isFolder, above);
      if (!isFolder) return !verdict.isSent;
      if (!verdict.isSent && verdict.isOpened !== true) return true;
      above = verdict.isSent ? undefined : verdict.rule;
    }
    return false;
  }

  /** The last pattern that speaks of the path wins; those of deeper folders are later. */
  #lastHit(path: string, isFolder: boolean): Hit | undefined {
    return this.#hitIn(this.#levels(path), isFolder);
  }

  #hitIn(all: Iterable<Place>, isFolder: boolean): Hit | undefined {
    for (const { levels, relative } of all) {
      const bytes = toBytes(relative);
      const options = { isFolder, foldsCase: this.#foldsCase };
      const hit = levels.findLast(({ pattern }) => matchesPattern(pattern, bytes, options));
      if (hit) return { isNegative: hit.pattern.isNegative, rule: hit.rule };
    }
    return undefined;
  }

  /** Strongest first. */
  *#levels(path: string): Generator<Place> {
    yield { levels: this.#settings, relative: path };
    const parts = path.split('/');
    for (let depth = parts.length - 1; depth >= 0; depth--) {
      const levels = this.#byFolder.get(parts.slice(0, depth).join('/'));
      if (levels) yield { levels, relative: parts.slice(depth).join('/') };
    }
    for (const { way, levels } of this.#outer) yield { levels, relative: [...way, path].join('/') };
    yield { levels: this.#base, relative: path };
  }

  /** Whether the path, or a folder above it, is in `furo.sync.include`, and nothing there takes it out again. */
  #isIncluded(path: string, isFolder: boolean): boolean {
    let isIn = false;
    const parts = path.split('/');
    for (const index of this.#include.length === 0 ? [] : parts.keys()) {
      const bytes = toBytes(parts.slice(0, index + 1).join('/'));
      const options = {
        isFolder: isFolder || index < parts.length - 1,
        foldsCase: this.#foldsCase,
      };
      const hit = this.#include.findLast((pattern) => matchesPattern(pattern, bytes, options));
      if (hit) isIn = !hit.isNegative;
    }
    return isIn;
  }

  #isNeeded(path: string): boolean {
    const wanted = composed(path);
    return this.#needed.some((item) => wanted === item || wanted.startsWith(`${item}/`));
  }

  #leadsToNeeded(path: string): boolean {
    return this.#needed.some((item) => item.startsWith(`${composed(path)}/`));
  }

  /** A pattern opens the folders that it names before its first wildcard, and below them as deep as it reaches. */
  #leadsToIncluded(path: string): boolean {
    return this.#include.some(({ body, plainLength, isForNames, isNegative }) => {
      if (isForNames || isNegative) return false;
      const pattern = body.replace(/^\//, '');
      const plain = pattern.slice(0, plainLength - (body.length - pattern.length));
      const named = plain.slice(0, plain.lastIndexOf('/') + 1);
      const folder = `${toBytes(path)}/`;
      if (named.startsWith(folder)) return true;
      if (named === '' || !folder.startsWith(named)) return false;
      return pattern.includes('**') || path.split('/').length < pattern.split('/').length;
    });
  }
}

/** A name may be typed composed and stored decomposed (macOS). */
function composed(path: string): string {
  return path.normalize('NFC');
}

function levelsOf(file: string, text: string): Level[] {
  return parsePatterns(text).map((pattern) => ({
    pattern,
    rule: { source: 'file', file, line: pattern.line, pattern: pattern.text },
  }));
}

/** What files from outside see of the folder that is `above` folders above the project. */
function outersAt(
  outer: readonly { readonly way: readonly string[]; readonly levels: readonly Level[] }[],
  above: number,
): Place[] {
  return outer
    .filter(({ way }) => way.length > above)
    .map(({ way, levels }) => ({
      levels,
      relative: way.slice(0, way.length - above).join('/'),
    }));
}
