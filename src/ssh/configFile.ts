// OpenSSH client configuration as text: lines, quotes, Include. Knows the syntax, not what a keyword means.
import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join, parse, sep } from 'node:path';

/** One line that says something. */
export interface ConfigLine {
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  /** Lower case. */
  readonly keyword: string;
  /** Everything behind the keyword, as written. */
  readonly rest: string;
  /** The words of `rest` without quotes; undefined when a quote is left open, which OpenSSH refuses. */
  readonly args: readonly string[] | undefined;
  /** The files of an `Include` line, read. */
  readonly included: readonly (readonly ConfigLine[])[];
}

export interface ConfigFiles {
  /** The user's own file; relative paths of its `Include` lines start at `~/.ssh`. */
  readonly user: string;
  /** The file for everybody on this computer; read second, so it only fills gaps. */
  readonly system?: string;
}

/** Includes inside includes, as in OpenSSH. */
const MAX_DEPTH = 16;

/** The home folder that ssh uses: of the account, whatever `HOME` says. */
export function accountHome(): string {
  try {
    return userInfo().homedir;
  } catch {
    return homedir();
  }
}

/** Where OpenSSH looks when no file is named. */
export function defaultConfigFiles(): ConfigFiles {
  const shared =
    process.platform === 'win32'
      ? join(process.env['ProgramData'] ?? 'C:\\ProgramData', 'ssh')
      : '/etc/ssh';
  return { user: join(accountHome(), '.ssh', 'config'), system: join(shared, 'ssh_config') };
}

/** `~` and `~/...` as ssh expands them; the homes of others are left as written. */
export function expandTilde(path: string): string {
  return path === '~' || path.startsWith('~/') || path.startsWith(`~${sep}`)
    ? join(accountHome(), path.slice(2))
    : path;
}

/** Reads both files with their includes; a missing file is empty, any other trouble throws. */
export async function readConfigFiles(files: ConfigFiles): Promise<ConfigLine[][]> {
  const user = await readOne(files.user, { base: join(accountHome(), '.ssh'), depth: 0 });
  if (files.system === undefined) return [user];
  return [user, await readOne(files.system, { base: dirname(files.system), depth: 0 })];
}

interface Place {
  /** Where relative `Include` paths start. */
  readonly base: string;
  readonly depth: number;
}

async function readOne(file: string, place: Place): Promise<ConfigLine[]> {
  if (place.depth > MAX_DEPTH) throw new Error(`${file}: too many Include levels`);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  const lines: ConfigLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const parsed = parseConfigLine(raw);
    if (!parsed) continue;
    const paths = parsed.keyword === 'include' ? (parsed.args ?? []) : [];
    const included = await Promise.all(paths.map((path) => readIncluded(path, place)));
    lines.push({ file, line: index + 1, ...parsed, included: included.flat() });
  }
  return lines;
}

async function readIncluded(path: string, { base, depth }: Place): Promise<ConfigLine[][]> {
  const whole = expandTilde(path);
  const files = await expandGlob(isAbsolute(whole) ? whole : join(base, whole));
  return Promise.all(files.map((file) => readOne(file, { base, depth: depth + 1 })));
}

/** Keyword and words of one line; undefined for blank lines and comments. */
export function parseConfigLine(
  raw: string,
): Pick<ConfigLine, 'keyword' | 'rest' | 'args'> | undefined {
  const text = raw.replace(/[ \t\r\n\f]+$/, '').replace(/^[ \t\r]+/, '');
  if (text === '' || text.startsWith('#')) return undefined;
  const [, keyword = '', rest = ''] =
    /^"?([^ \t\r"=]+)"?(?:[ \t\r]*=[ \t\r]*|[ \t\r]*)(.*)$/.exec(text) ?? [];
  return { keyword: keyword.toLowerCase(), rest, args: splitWords(rest) };
}

/** Words between blanks with `'`, `"` and backslash as in OpenSSH's argv_split; a `#` word ends the line. */
function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (text[at] === ' ' || text[at] === '\t') at++;
    if (at >= text.length || text[at] === '#') return words;
    let word = '';
    let quote = '';
    for (; at < text.length; at++) {
      const char = text.charAt(at);
      const next = text[at + 1];
      const isEscape =
        char === '\\' &&
        (next === '"' || next === "'" || next === '\\' || (quote === '' && next === ' '));
      if (isEscape) word += text.charAt(++at);
      else if (quote === '' && (char === ' ' || char === '\t')) break;
      else if (quote === '' && (char === '"' || char === "'")) quote = char;
      else if (char === quote) quote = '';
      else word += char;
    }
    if (quote !== '') return undefined;
    words.push(word);
  }
}

/** Files that a path with `*`, `?` and `[...]` names, sorted as glob(3) does. */
async function expandGlob(path: string): Promise<string[]> {
  const { root } = parse(path);
  let found = [root];
  for (const part of path.slice(root.length).split(/[/\\]/).filter(Boolean)) {
    const pattern = /[*?[]/.test(part) ? globPattern(part) : undefined;
    const next = await Promise.all(
      found.map(async (folder) => {
        if (!pattern) return [join(folder, part)];
        const names = await readdir(folder).catch(() => []);
        return names
          .filter((name) => pattern.test(name) && (part.startsWith('.') || !name.startsWith('.')))
          .sort()
          .map((name) => join(folder, name));
      }),
    );
    found = next.flat();
  }
  const isFile = await Promise.all(
    found.map((file) =>
      stat(file).then(
        (entry) => !entry.isDirectory(),
        () => false,
      ),
    ),
  );
  return found.filter((_, index) => isFile[index]);
}

function globPattern(part: string): RegExp {
  const source = part.replace(/\[(!?)(\]?[^\]]*)\]|[\\^$.*+?()[\]{}|]/g, (char, not, set) => {
    if (char === '*') return '.*';
    if (char === '?') return '.';
    if (typeof set !== 'string') return `\\${char}`;
    return `[${not === '!' ? '^' : ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
  });
  return new RegExp(`^${source}$`, 's');
}
