// What is left out, with git itself as the judge: generated trees must get the same answer from both.
import fc from 'fast-check';
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { IgnoreRules } from '../../../src/sync/ignoreRules';
import { readOuterIgnoreFiles } from '../../../src/sync/outerIgnore';

const trees = process.env['FURO_SOAK'] ? 10_000 : 300;
const work = fs.mkdtempSync(join(tmpdir(), 'furo-ignore-'));
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => {
  fs.rmSync(work, { recursive: true, force: true });
});

const names = ['a', 'b', 'ab', 'abc', 'b.c', 'B', 'd', 'é', 'x y', 'a]', '!a', '#a', 'a\\b', '-'];
const name = fc.constantFrom(...names);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

const piece = fc.oneof(
  { weight: 6, arbitrary: name },
  fc.constantFrom('*', '**', '?', '***', 'a*', '*b', '*.c', '**b', 'a**', '\\', '\\a', '\\*'),
  fc.constantFrom('[ab]', '[!a]', '[^b]', '[a-c]*', '[]]', '[]a]', '[a', '[]', '[!]b]', '[a-]'),
  fc.constantFrom('[[:alpha:]]', '[[:upper:]b]', '[[:nope:]]', '[[:alpha]', '[[a:]]', '[\\]a]'),
  fc.constantFrom('a?', '??', '*/', 'é*', 'x\\ y', '[b-\\c]', 'a[/]b', '[[:space:][:punct:]]'),
);
const pattern = fc
  .record({
    start: fc.constantFrom('', '', '', '', '', '', '', '/', '!', '!/', '\\!', '\\#', '#', ' '),
    pieces: fc.oneof(
      fc.array(piece, { minLength: 1, maxLength: 1 }),
      fc.array(piece, { maxLength: 4 }),
    ),
    glue: fc.constantFrom('/', '/', '', '/**/', '//'),
    end: fc.constantFrom(
      '',
      '',
      '',
      '',
      '',
      '',
      '/',
      '/',
      '/*',
      '/**',
      ' ',
      '  ',
      '\\ ',
      '\t',
      '\r',
      '//',
    ),
  })
  .map(({ start, pieces, glue, end }) => start + pieces.join(glue) + end);

const ignoreFile = fc.record({
  lines: fc.array(pattern, { minLength: 1, maxLength: 6 }),
  newline: fc.constantFrom('\n', '\r\n'),
  start: fc.constantFrom('', '', '', '\ufeff', '\n'),
  endsWhole: fc.boolean(),
});
const tree = fc.record({
  paths: fc.uniqueArray(path, { minLength: 1, maxLength: 14 }),
  root: ignoreFile,
  deep: fc.array(ignoreFile, { maxLength: 2 }),
  ignoreCase: fc.boolean(),
});

type IgnoreFile = typeof ignoreFile extends fc.Arbitrary<infer T> ? T : never;
type Tree = typeof tree extends fc.Arbitrary<infer T> ? T : never;

function render({ lines, newline, start, endsWhole }: IgnoreFile): string {
  return start + lines.join(newline) + (endsWhole ? newline : '');
}

/** Makes the files that fit together and returns them with the folders above, each once. */
function build(folder: string, paths: readonly string[]): Map<string, boolean> {
  const isFolder = new Map<string, boolean>();
  for (const file of paths) {
    const parents = file.split('/').map((_, i, parts) => parts.slice(0, i).join('/'));
    if (isFolder.has(file) || parents.some((parent) => isFolder.get(parent) === false)) continue;
    fs.mkdirSync(join(folder, dirname(file)), { recursive: true });
    fs.writeFileSync(join(folder, file), '');
    for (const parent of parents.slice(1)) isFolder.set(parent, true);
    isFolder.set(file, false);
  }
  return isFolder;
}

/** Git's answers for all trees of a batch in one call: each tree is a folder of one repository. */
function askGit(folder: string, ignoreCase: boolean, paths: readonly string[]): Set<string> {
  const options = ['-c', `core.ignoreCase=${ignoreCase}`, '-c', 'core.excludesFile=/dev/null'];
  const command = [...options, '-C', folder, 'check-ignore', '--stdin', '-z', '--no-index'];
  try {
    const out = execFileSync('git', command, {
      input: paths.map((item) => `${item}\0`).join(''),
      maxBuffer: 1 << 28,
    });
    return new Set(out.toString().split('\0').filter(Boolean));
  } catch (error) {
    // Exit status 1 says that none is ignored.
    if ((error as { status?: number }).status === 1) return new Set();
    throw error;
  }
}

function ownRules(one: Tree, files: ReadonlyMap<string, string>): IgnoreRules {
  const rules = new IgnoreRules({ exclude: [], foldsCase: one.ignoreCase });
  for (const [folder, text] of files) rules.add(folder, '.gitignore', text);
  return rules;
}

it(`agrees with git check-ignore on ${trees} generated trees`, async () => {
  const seed = Number(process.env['FURO_SEED'] ?? (process.env['FURO_SOAK'] ? Date.now() : 4));
  const seen = { ignored: 0, asked: 0 };
  for (let done = 0; done < trees; done += 250) {
    const batch = fc.sample(tree, { numRuns: Math.min(250, trees - done), seed: seed + done });
    const repository = fs.mkdtempSync(join(work, 'batch-'));
    execFileSync('git', ['init', '-q', repository]);
    const questions = { folded: new Map<string, boolean>(), exact: new Map<string, boolean>() };
    batch.forEach((one, index) => {
      const top = `t${index}`;
      const isFolder = build(join(repository, top), one.paths);
      const folders = [...isFolder].filter(([, is]) => is).map(([item]) => item);
      const files = new Map([['', render(one.root)]]);
      one.deep.forEach((file, at) => {
        const folder = folders[at * 2];
        if (folder !== undefined) files.set(folder, render(file));
      });
      for (const [folder, text] of files)
        fs.writeFileSync(join(repository, top, folder, '.gitignore'), text);
      const rules = ownRules(one, files);
      const into = one.ignoreCase ? questions.folded : questions.exact;
      for (const [item, is] of isFolder) into.set(`${top}/${item}`, deepVerdict(rules, item, is));
    });
    for (const [kind, answers] of Object.entries(questions)) {
      const git = askGit(repository, kind === 'folded', [...answers.keys()]);
      seen.ignored += git.size;
      seen.asked += answers.size;
      const differing = [...answers].filter(([item, ours]) => ours !== git.has(item));
      expect(differing.map(([item]) => explain(repository, item, git.has(item)))).toEqual([]);
    }
    fs.rmSync(repository, { recursive: true });
    await setImmediate();
  }
  // Neither answer may be so rare that agreeing would mean nothing.
  expect(seen.ignored / seen.asked).toBeGreaterThan(0.1);
  expect(seen.ignored / seen.asked).toBeLessThan(0.9);
}, 1_200_000);

it('agrees with git about projects inside a repository, whose rules above hold for them', async () => {
  const seen = { ignored: 0, asked: 0, apart: 0 };
  for (let seed = 1; seed <= trees / 50; seed++) {
    const repository = fs.mkdtempSync(join(work, 'outer-'));
    execFileSync('git', ['init', '-q', repository]);
    const [top, info] = fc.sample(ignoreFile, { numRuns: 2, seed });
    fs.writeFileSync(join(repository, '.gitignore'), render(top!));
    fs.writeFileSync(join(repository, '.git/info/exclude'), render(info!));
    const answers = new Map<string, boolean>();
    const projects = new Set<string>();
    for (const [index, one] of fc.sample(tree, { numRuns: 8, seed }).entries()) {
      const isFolder = build(join(repository, `t${index}`), one.paths);
      const folders = [...isFolder].filter(([, is]) => is).map(([item]) => item);
      fs.writeFileSync(join(repository, `t${index}/.gitignore`), render(one.root));
      // The deepest has the most above it.
      const below = folders.sort((a, b) => a.length - b.length).at(-1);
      const project = below === undefined ? `t${index}` : `t${index}/${below}`;
      const rules = new IgnoreRules({ exclude: [], foldsCase: false });
      rules.setOuter(await readOuterIgnoreFiles(join(repository, project)));
      if (below === undefined) rules.add('', '.gitignore', render(one.root));
      projects.add(project);
      for (const [item, is] of isFolder) {
        const path = `t${index}/${item}`;
        if (path.startsWith(`${project}/`))
          answers.set(path, deepVerdict(rules, path.slice(project.length + 1), is));
      }
    }
    const git = askGit(repository, false, [...projects, ...answers.keys()]);
    // Who opens a folder that the repository leaves out wants it sent.
    const out = [...projects].filter((project) => git.has(project));
    for (const [item, ours] of answers) {
      const isApart = out.some((project) => item.startsWith(`${project}/`));
      expect([item, ours]).toEqual([item, !isApart && git.has(item)]);
      seen.apart += Number(isApart);
      seen.ignored += Number(ours);
      seen.asked += Number(!isApart);
    }
    fs.rmSync(repository, { recursive: true });
  }
  expect(seen.apart).toBeGreaterThan(0);
  expect(seen.ignored / seen.asked).toBeGreaterThan(0.1);
  expect(seen.ignored / seen.asked).toBeLessThan(0.9);
}, 600_000);

it('reads the rules of a repository from a worktree, whose .git is a file', async () => {
  const repository = fs.mkdtempSync(join(work, 'main-'));
  const git = (...args: string[]) => execFileSync('git', ['-C', repository, ...args]);
  git('init', '-q');
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'one');
  fs.writeFileSync(join(repository, '.git/info/exclude'), '*.key\n');
  const tree = join(work, 'worktree');
  git('worktree', 'add', '-q', tree);
  fs.mkdirSync(join(tree, 'sub'));
  const path = join(tree, 'sub/a.key');
  fs.writeFileSync(path, '');
  expect(execFileSync('git', ['-C', tree, 'check-ignore', path]).toString()).toContain('a.key');
  const rules = new IgnoreRules({ exclude: [] });
  rules.setOuter(await readOuterIgnoreFiles(fs.realpathSync(join(tree, 'sub'))));
  expect(rules.judge('a.key', false)).toMatchObject({ isSent: false, rule: { line: 1 } });
  expect(rules.judge('a.txt', false).isSent).toBe(true);
});

it.each([
  ['in its usual place', 'config/git/ignore', ''],
  ['where the settings of git say', 'mine/ignore', '[core]\nexcludesFile = ~/mine/ignore\n'],
  ['and none where they say so', 'config/git/ignore', '[core]\nexcludesFile =\n'],
])('reads the rules that a person has for all repositories, %s', async (_, file, settings) => {
  const home = fs.mkdtempSync(join(work, 'home-'));
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', join(home, 'config'));
  const project = join(home, 'repository/sub');
  fs.mkdirSync(project, { recursive: true });
  fs.mkdirSync(dirname(join(home, file)), { recursive: true });
  fs.writeFileSync(join(home, 'rules'), '*.key\n/sub/top\n/top\n');
  fs.symlinkSync(join(home, 'rules'), join(home, file));
  fs.writeFileSync(join(home, '.gitconfig'), settings);
  execFileSync('git', ['-C', dirname(project), 'init', '-q']);
  const names = ['a.key', 'top', 'b'];
  const asked = ['-C', project, 'check-ignore', ...names];
  const git = spawnSync('git', asked, { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
  const rules = new IgnoreRules({ exclude: [] });
  rules.setOuter(await readOuterIgnoreFiles(fs.realpathSync(project)));
  expect(names.filter((name) => !rules.judge(name, false).isSent)).toEqual(git);
  expect(git).toEqual(settings.endsWith('=\n') ? [] : ['a.key', 'top']);
});

it('does not go on without the rules of a person where git cannot say which they are', async () => {
  const home = fs.mkdtempSync(join(work, 'home-'));
  vi.stubEnv('HOME', home);
  fs.mkdirSync(join(home, 'repository/.git'), { recursive: true });
  fs.writeFileSync(join(home, '.gitconfig'), '[core\n');
  const reading = readOuterIgnoreFiles(fs.realpathSync(join(home, 'repository')));
  await expect(reading).rejects.toMatchObject({
    reason: 'localUnreadable',
    values: { detail: expect.stringContaining('.gitconfig') as string },
  });
});

/** As the walk asks: from the top down, and nothing below a folder that is left out. */
function deepVerdict(rules: IgnoreRules, path: string, isFolder: boolean): boolean {
  const parts = path.split('/');
  return parts.some(
    (_, i) =>
      !rules.judge(parts.slice(0, i + 1).join('/'), isFolder || i < parts.length - 1).isSent,
  );
}

function explain(repository: string, item: string, git: boolean): unknown {
  const parts = item.split('/');
  const files = parts.map((_, i) => join(repository, ...parts.slice(0, i), '.gitignore'));
  const texts = files.filter((file) => fs.existsSync(file)).map((f) => fs.readFileSync(f, 'utf8'));
  return { item, git, texts };
}
