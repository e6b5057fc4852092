// Who may import whom (the table of ARCHITECTURE.md), and the sizes and names that every file keeps.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCycles, layerOf, loadedWith, readSources, type Import } from './sourceGraph';

const sources = readSources();
const imports = sources.flatMap((source) => source.imports);

/** What a layer may use beside itself. `types`: only what compilation erases. `files`: single files for their values. */
interface Allowance {
  readonly values: readonly string[];
  readonly types?: readonly string[];
  readonly files?: readonly string[];
}

const belowUi = ['base', 'pjm', 'workflow', 'settings.ts', 'jobs', 'words'];

const allowances: Readonly<Record<string, Allowance>> = {
  base: { values: [] },
  pjm: { values: ['base'] },
  workflow: { values: ['base', 'pjm', 'yaml'] },
  'settings.ts': { values: ['base', 'pjm', 'workflow'] },
  ssh: { values: ['base', 'ssh2', 'node:'] },
  // `ignore` reads .gitignore patterns as git does.
  sync: { values: ['base', 'ssh', 'node:'] },
  // openMachine takes the connection part of the settings as a value.
  jobs: {
    values: ['base', 'pjm', 'workflow', 'ssh', 'sync', 'node:'],
    types: ['settings.ts'],
  },
  // Sentences show times as PJM writes them, and need the names of PJM's codes; both are pure.
  words: {
    values: ['base'],
    types: ['pjm', 'workflow', 'ssh', 'sync', 'jobs', 'ui', 'settings.ts'],
    files: ['src/pjm/elapse.ts', 'src/jobs/outcome.ts', 'src/jobs/checkResult.ts'],
  },
  // The page's messages and texts are written by the editor side, so they are shared with it.
  ui: {
    values: [...belowUi, 'vscode', 'node:'],
    types: ['ssh', 'sync', 'webview'],
    files: [
      'src/webview/protocol.ts',
      'src/webview/page.ts',
      'src/webview/rows.ts',
      'src/webview/csv.ts',
      'src/simulator/simulatedFuro.ts',
    ],
  },
  'extension.ts': { values: [...belowUi, 'ssh', 'sync', 'ui', 'vscode', 'node:'] },
  webview: { values: ['base', 'pjm'], types: ['jobs'] },
  // The command line speaks the languages of the bundle and reads results as the page does.
  cli: {
    values: [...belowUi, 'ssh', 'sync', 'simulator', 'l10n', 'node:'],
    files: ['src/webview/rows.ts'],
  },
  simulator: { values: ['base', 'pjm', 'ssh2', 'node:'] },
};

function targetOf({ to }: Import): string {
  if (to.startsWith('node:')) return 'node:';
  return to.startsWith('src/') || to.startsWith('l10n/') ? layerOf(to) : to;
}

function isAllowed(item: Import): boolean {
  const layer = layerOf(item.from);
  const target = targetOf(item);
  const { values, types = [], files = [] } = allowances[layer] ?? { values: [] };
  if (layer === target || values.includes(target) || files.includes(item.to)) return true;
  return item.isTypeOnly && types.includes(target);
}

const told = ({ from, to, isTypeOnly }: Import) => `${from} -> ${to}${isTypeOnly ? ' (type)' : ''}`;
const into = (layer: string) => imports.filter((item) => targetOf(item) === layer);

describe('import table', () => {
  it('has a row for every layer, and no other row', () => {
    const layers = [...new Set(sources.map(({ path }) => layerOf(path)))].sort();
    expect(layers).toEqual(Object.keys(allowances).sort());
  });

  it.each(Object.keys(allowances))('%s imports what its row allows', (layer) => {
    const own = imports.filter(({ from }) => layerOf(from) === layer);
    expect(own.filter((item) => !isAllowed(item)).map(told)).toEqual([]);
  });

  it('leads to files that exist', () => {
    const paths = new Set(sources.map(({ path }) => path));
    const lost = imports.filter(({ to }) =>
      to.startsWith('src/')
        ? !paths.has(to)
        : to.startsWith('l10n/') && !existsSync(join(import.meta.dirname, '../..', to)),
    );
    expect(lost.map(told)).toEqual([]);
  });

  it('keeps vscode in ui/ and extension.ts', () => {
    const places = new Set(into('vscode').map(({ from }) => layerOf(from)));
    expect([...places].sort()).toEqual(['extension.ts', 'ui']);
  });

  it.each(['ssh', 'sync', 'jobs'])('keeps the simulator apart from %s', (layer) => {
    const between = imports.filter(
      (item) =>
        (layerOf(item.from) === 'simulator' && targetOf(item) === layer) ||
        (layerOf(item.from) === layer && targetOf(item) === 'simulator'),
    );
    expect(between.map(told)).toEqual([]);
  });

  it('lets ui load the simulator from one file, and only when asked', () => {
    const ofUi = into('simulator').filter(({ from }) => layerOf(from) === 'ui');
    expect([...new Set(ofUi.map(({ from }) => from))]).toEqual(['src/ui/tutorial.ts']);
    expect(ofUi.filter(({ isTypeOnly, isLazy }) => !isTypeOnly && !isLazy).map(told)).toEqual([]);
  });

  it('has no cycle among values', () => {
    expect(findCycles(sources, ({ isTypeOnly }) => !isTypeOnly)).toEqual([]);
  });
});

describe('what is loaded', () => {
  const pure = sources.filter(({ path }) =>
    ['base', 'pjm', 'workflow', 'settings.ts', 'words', 'webview'].includes(layerOf(path)),
  );

  it.each(pure.map(({ path }) => path))('with %s needs neither Node nor VS Code', (path) => {
    const outside = [...loadedWith(sources, path)].filter(
      (to) => to === 'vscode' || to === 'ssh2' || to.startsWith('node:'),
    );
    expect(outside).toEqual([]);
  });

  it('with the extension leaves the simulator and the command line out', () => {
    const layers = new Set([...loadedWith(sources, 'src/extension.ts')].map(layerOf));
    expect(layers).toContain('ui');
    expect(layers).not.toContain('simulator');
    expect(layers).not.toContain('cli');
  });
});

describe('every source file', () => {
  it('has at most 300 lines', () => {
    expect(sources.filter(({ lines }) => lines > 300).map(({ path }) => path)).toEqual([]);
  });

  it('exports names, no default, and no index of others', () => {
    const wrong = sources.filter(
      ({ path, hasDefaultExport }) => hasDefaultExport || path.endsWith('/index.ts'),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  const empty = /^(?:managers?|helpers?|util|utils|common|misc|handlers?|services?)$/i;
  const emptyForFiles = /^(?:data|infos?)$/i;
  const wordsOf = (name: string) => name.split(/(?=[A-Z])|[^A-Za-z]+/);

  it('has a name that says something, and so have its exports', () => {
    const paths = sources.map(({ path }) => path.replace(/\.ts$/, ''));
    const names = [...paths, ...sources.flatMap(({ exports }) => exports)];
    expect(names.filter((name) => wordsOf(name).some((word) => empty.test(word)))).toEqual([]);
    const vague = paths.filter((path) => wordsOf(path).some((word) => emptyForFiles.test(word)));
    expect(vague).toEqual([]);
  });

  it('is called in camelCase', () => {
    const names = sources.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
    expect(names.filter((name) => !/^[a-z][A-Za-z0-9]*\.ts$/.test(name))).toEqual([]);
  });

  it('has no interface named with a leading I', () => {
    const names = sources.flatMap(({ exports }) => exports);
    expect(names.filter((name) => /^I[A-Z][a-z]/.test(name))).toEqual([]);
  });
});

it('keeps the composition root under 80 lines', () => {
  const root = sources.find(({ path }) => path === 'src/extension.ts');
  expect(root?.lines).toBeLessThanOrEqual(80);
});
