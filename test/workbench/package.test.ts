// The packed extension as a person gets it: installed from the VSIX into both editors, then looked through.
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, posix, sep } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { editors, setUpCodeServer } from '../../scripts/steps/codeServer.mjs';
import { requires } from '../requirements';
import { root, vsixFile } from './globalSetup';

/** Everything that may be in the package; what is not named here does not belong there. */
const expectedFiles = [
  /^package\.json$/,
  /^package\.nls(\.ja)?\.json$/,
  /^\.vsixmanifest$/,
  /^(README|CHANGELOG)\.md$/i,
  /^LICENSE(\.txt)?$/,
  /^dist\/(extension|cli|keyWorker|simulator|webview)\.js$/,
  /^dist\/third-party-notices\.txt$/,
  /^l10n\/bundle\.l10n(\.ja)?\.json$/,
  /^media\/[\w-]+\.(css|png|svg)$/,
  /^media\/walkthrough\/[\w-]+\.svg$/,
  /^snippets\/[\w-]+\.json$/,
  /^src\/workflow\/workflow\.schema\.json$/,
  /^python-runtime\/(pyproject\.toml|README\.md|environment-furo\.yml)$/,
  /^python-runtime\/furo_infer\/(\w+\/)*\w+\.py$/,
  /^examples\/(furo\.yaml|\.gitignore)$/,
  /^examples\/data\/\w+\.jsonl$/,
  /^examples\/scripts\/\w+\.(py|sh)$/,
];

/** Sentences of the simulator that nothing else says. */
const simulatorSentences = [
  'another simulated Furo runs in',
  'the simulated Furo needs a Python 3',
];

/** Bytes; a larger bundle is felt when a window opens. */
const extensionLimit = 1_000_000;

/** POSIX paths of all files below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => path.split(sep).join('/'))
    .sort();
}

/** Targets of the pictures of a Markdown text that are not on the web. */
function picturesOf(markdown: string): string[] {
  const inMarkdown = [...markdown.matchAll(/!\[[^\]]*\]\(([^)\s]+)/g)];
  const inHtml = [...markdown.matchAll(/<img\b[^>]*\bsrc="([^"]+)"/g)];
  return [...inMarkdown, ...inHtml]
    .map((match) => match[1]!)
    .filter((target) => !/^https?:/.test(target));
}

it('is packed by plain `vsce package` without a warning', async () => {
  const work = mkdtempSync(join(tmpdir(), 'furo-package-'));
  try {
    const vsce = join(root, 'node_modules/@vscode/vsce/vsce');
    const vsix = join(work, 'plain.vsix');
    const words = [vsce, 'package', '--out', vsix];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { cwd: root });
    expect(stdout + stderr).not.toMatch(/WARN|ERROR/);
    expect(existsSync(vsix)).toBe(true);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}, 60_000);

for (const editorName of ['oldest', 'newest'] as const)
  requires('editor')(`the VSIX in the ${editorName} VS Code`, () => {
    const work = mkdtempSync(join(tmpdir(), 'furo-package-'));
    const extensions = join(work, 'extensions');
    let installed = '';
    let files: string[] = [];
    const read = (path: string) => readFileSync(join(installed, path), 'utf8');

    async function editor(...args: string[]): Promise<string> {
      const program = await setUpCodeServer(editorName, () => undefined);
      const config = join(work, 'config.yaml');
      writeFileSync(config, '');
      const places = ['--config', config, '--user-data-dir', join(work, 'user-data')];
      const { stdout, stderr } = await promisify(execFile)(
        program.node,
        [program.entry, ...places, '--extensions-dir', extensions, ...args],
        { env: { ...process.env, EXTENSIONS_GALLERY: '{}', XDG_DATA_HOME: join(work, 'data') } },
      );
      return stdout + stderr;
    }

    beforeAll(async () => {
      await editor('--install-extension', vsixFile);
      const folder = readdirSync(extensions).find((name) => name.startsWith('furo-workflows.'));
      installed = join(extensions, folder ?? 'nothing-installed');
      files = existsSync(installed) ? filesIn(installed) : [];
    });

    afterAll(() => {
      rmSync(work, { recursive: true, force: true });
    });

    it('installs, and the editor lists it', async () => {
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        version: string;
      };
      const list = await editor('--list-extensions', '--show-versions');
      expect(list).toContain(`furo-workflows.furo-workflows@${version}`);
    });

    it('accepts this editor in its manifest, and the oldest one is the one that is tested', () => {
      const { engines } = JSON.parse(read('package.json')) as { engines: { vscode: string } };
      const [major, minor] = editors.oldest.vscode.split('.');
      expect(engines.vscode).toBe(`^${major ?? ''}.${minor ?? ''}.0`);
    });

    it('has no file that does not belong there', () => {
      expect(files.length).toBeGreaterThan(40);
      const strangers = files.filter((file) => !expectedFiles.some((wanted) => wanted.test(file)));
      expect(strangers).toEqual([]);
    });

    it('has the whole runtime and the whole example', () => {
      const runtime = filesIn(join(root, 'python-runtime', 'furo_infer'))
        .filter((file) => file.endsWith('.py'))
        .map((file) => `python-runtime/furo_infer/${file}`);
      const examples = ['data', 'scripts'].flatMap((folder) =>
        filesIn(join(root, 'examples', folder))
          .filter((file) => !file.endsWith('.pyc'))
          .map((file) => `examples/${folder}/${file}`),
      );
      expect(runtime.length).toBeGreaterThan(10);
      for (const file of [...runtime, ...examples, 'examples/furo.yaml'])
        expect(files).toContain(file);
    });

    it('has every file that the manifest names', () => {
      const named = [
        ...read('package.json').matchAll(/"\.?\/?((?:dist|media|snippets|src)\/[\w./-]+)"/g),
      ];
      expect(named.length).toBeGreaterThan(5);
      for (const [, path = ''] of named)
        expect(files).toContain(path === 'dist/README.md' ? 'readme.md' : path); // vsce renames it
    });

    it('has no native module', () => {
      expect(files.filter((file) => /\.(node|so|dll|dylib|exe)$/.test(file))).toEqual([]);
      expect(files.filter((file) => file.includes('node_modules'))).toEqual([]);
    });

    it('keeps the extension small, with the simulator in a file of its own', () => {
      const extension = read('dist/extension.js');
      expect(Buffer.byteLength(extension)).toBeLessThan(extensionLimit);
      const simulator = read('dist/simulator.js');
      for (const sentence of simulatorSentences) {
        expect(simulator).toContain(sentence);
        expect(extension).not.toContain(sentence);
      }
      expect(extension).toContain('./simulator.js');
    });

    it('has the thread that opens encrypted keys, where its callers look for it', () => {
      expect(files).toContain('dist/keyWorker.js');
      for (const program of ['dist/extension.js', 'dist/cli.js'])
        expect(read(program)).toContain('"keyWorker.js"');
    });

    it('names no folder of the computer that packed it', () => {
      const texts = files.filter((file) => !file.endsWith('.png'));
      for (const folder of [`${root}/`, `${homedir()}/`])
        expect(texts.filter((file) => read(file).includes(folder))).toEqual([]);
    });

    it('has no source maps and no test code', () => {
      for (const file of files.filter((name) => name.startsWith('dist/') && name.endsWith('.js')))
        expect(read(file)).not.toMatch(/sourceMappingURL=|from ['"]vitest['"]/);
    });

    it('brings the licences of what is inside it', () => {
      const notices = read('dist/third-party-notices.txt');
      const { dependencies } = JSON.parse(read('package.json')) as {
        dependencies: Record<string, string>;
      };
      for (const name of [...Object.keys(dependencies), 'asn1', 'bcrypt-pbkdf'])
        expect(notices).toMatch(new RegExp(`^${name} \\d+\\.\\d+`, 'm'));
      for (const part of notices.split('\n\n----\n\n'))
        expect(part.split('\n').length, part.slice(0, 60)).toBeGreaterThan(8);
    });

    it('has a page without links that need an address of the repository, as there is none', () => {
      expect(JSON.parse(read('package.json'))).not.toHaveProperty('repository');
      const page = read('readme.md');
      expect(page).toContain('# Furo Workflows');
      expect(page).toContain('environment-furo.yml');
      expect([...page.matchAll(/\]\((?!https?:|#)/g)]).toEqual([]);
    });

    it('has the pictures that its pages show', () => {
      for (const page of files.filter((file) => file.endsWith('.md')))
        for (const target of picturesOf(read(page)))
          expect(files, page).toContain(posix.normalize(posix.join(posix.dirname(page), target)));
    });
  });
