// The preview of a sync and the notes after one, as a person reads them, over real folders.
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import bundle from '../../../l10n/bundle.l10n.ja.json';
import { neededByRun, previewSync, type PreviewOptions } from '../../../src/jobs/previewSync';
import { projectPlaces } from '../../../src/jobs/places';
import { remotePath } from '../../../src/ssh/remote';
import { syncProject } from '../../../src/sync/upload';
import { keptNotes, notesText, sizeText, syncPreviewText } from '../../../src/words/syncText';
import { english, fromBundle } from '../../../src/words/translate';
import { FolderFiles } from '../sync/folderFiles';

const base = remotePath('/furo');
let root: string;
let local: string;
let files: FolderFiles;

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'furo-preview-'));
  local = join(root, 'local');
  fs.mkdirSync(local);
  fs.mkdirSync(join(root, 'there'));
  files = new FolderFiles(join(root, 'there'));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

let ticks = 0;
function put(path: string, content: string): void {
  const file = join(local, path);
  fs.mkdirSync(join(file, '..'), { recursive: true });
  fs.writeFileSync(file, content);
  const time = 1_700_000_000 + (ticks += 1);
  fs.utimesSync(file, time, time);
}

const project = () => projectPlaces(base, local, 'me').project;
const there = (path: string) => join(root, 'there', project(), path);

/** Without a shell, as an SFTP-only machine answers. */
const exec = () => Promise.resolve({ stdout: '', stderr: '', exitCode: 127 });

function preview(options: Partial<PreviewOptions> = {}) {
  const given = {
    workspaceFolder: local,
    computer: 'me',
    remoteFolder: base,
    exclude: [],
    ...options,
  };
  return previewSync({ files, exec }, given);
}

function sync(needed: readonly string[] = []) {
  const remoteFolder = project();
  return syncProject({ files, localFolder: local, remoteFolder, exclude: [], needed });
}

/** The lines below a heading. */
function under(text: string, heading: string): string[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`${heading} (`));
  if (start < 0) return [];
  const end = lines.indexOf('', start);
  return lines.slice(start + 1, end < 0 ? undefined : end).map((line) => line.trim().replace(/ {2,}/g, ' | ')); // prettier-ignore
}

describe('the preview', () => {
  it('tells for each file what happens to it and why, and changes nothing', async () => {
    put('same.txt', 'same');
    put('edited.txt', 'one');
    put('gone.txt', 'gone');
    put('theirs.txt', 'ours');
    put('purged.txt', 'p');
    await sync();
    fs.rmSync(join(local, 'gone.txt'));
    put('edited.txt', 'three');
    fs.writeFileSync(there('theirs.txt'), 'changed there');
    fs.rmSync(there('purged.txt'));
    put('.gitignore', '# rules\ndata/\n!keep.log\n');
    put('data/in.jsonl', '{}');
    put('data/big.bin', 'x');
    put('keep.log', 'log');
    put('run.sh', '#!/bin/bash\r\n');
    put('a.tmp', 'x');
    put('venv/bin/python', 'x');
    fs.symlinkSync('/etc/hostname', join(local, 'outside'));
    const before = fs.readdirSync(there(''), { recursive: true });
    const needed = ['data/in.jsonl'];
    const text = syncPreviewText(await preview({ needed, exclude: ['*.tmp'] }), english);
    expect(fs.readdirSync(there(''), { recursive: true })).toEqual(before);
    expect(under(text, 'To send')).toEqual([
      '.gitignore | 24 B | new',
      'data/in.jsonl | 2 B | new; the job needs it, in spite of .gitignore:2 "data/"',
      'edited.txt | 5 B | changed',
      'keep.log | 3 B | new; taken in by .gitignore:3 "!keep.log"',
      'purged.txt | 1 B | vanished from the machine, sent again',
      'run.sh | 12 B | new, Windows line ends become Unix ones',
    ]);
    expect(text).toContain('6 files to send, 47 B in all\n');
    expect(text).toContain('1 to remove on the machine, 1 kept there, 1 unchanged\n');
    expect(under(text, 'To remove on the machine')[0]).toMatch(/^gone\.txt \| deleted here/);
    expect(under(text, 'Kept on the machine')).toEqual([
      'theirs.txt | changed on the machine; it stays as it is there',
    ]);
    expect(under(text, 'Unchanged')).toEqual(['same.txt | 4 B']);
    expect(under(text, 'Left out')).toEqual([
      'a.tmp | furo.sync.exclude "*.tmp"',
      'data/ | .gitignore:2 "data/"',
      'venv/ | built-in rule "venv/"',
      'outside | a link that leads out of the folder',
    ]);
  });

  it.each([
    ['data/q.jsonl', ['data/q.jsonl']],
    ['run.bash', ['run.bash']],
    ['run.pjm', ['run.pjm']],
    ['sub/furo.yml', ['own.py']],
    ['furo.yaml', ['set.jsonl', 'lib/p.py', 'in.jsonl', 'go.sh']],
    ['README.md', ['set.jsonl', 'lib/p.py', 'in.jsonl', 'go.sh']],
    [undefined, ['set.jsonl', 'lib/p.py', 'in.jsonl', 'go.sh']],
  ])('knows what a run of %s would send in spite of the rules', async (path, needed) => {
    put('sub/furo.yml', 'version: 1\njobs: { a: { python: { script: own.py } } }');
    put(
      'furo.yaml',
      `version: 1
jobs:
  a: { inference: { promptFunction: lib/p.py:build } }
  b: { inference: { input: ./in.jsonl } }
  c: { script: go.sh }`,
    );
    expect(await neededByRun(local, path, './set.jsonl')).toEqual(needed);
  });

  it('needs nothing where nothing can be run', async () => {
    expect(await neededByRun(local, 'README.md', 'set.jsonl')).toEqual([]);
    put('furo.yaml', 'version: 1\njobs: 5');
    expect(await neededByRun(local, undefined, 'set.jsonl')).toEqual([]);
  });

  it('lists a project that the size guard stops, the heaviest files first', async () => {
    put('small.txt', 'x');
    const huge = join(local, 'model.safetensors');
    fs.closeSync(fs.openSync(huge, 'w'));
    fs.truncateSync(huge, 3 * 1024 ** 3);
    const text = syncPreviewText(await preview(), english);
    expect(text).toContain('more than the 2048 MB that are synced; most are in model.safetensors');
    expect(text).toContain('2 files, 3.2 GB in all');
    expect(under(text, 'Largest files')).toEqual(['model.safetensors | 3.2 GB', 'small.txt | 1 B']);
  });

  it('lets no file name write lines of its own or turn the text around', async () => {
    put('\u202egpj.exe', 'x');
    const text = syncPreviewText(await preview(), english);
    expect(under(text, 'To send')).toEqual(['\ufffdgpj.exe | 1 B | new']);
  });

  it('speaks Japanese', async () => {
    put('a.txt', 'x');
    const text = syncPreviewText(await preview(), fromBundle(bundle));
    expect(text).toMatch(/^同期のプレビューです。何も送っていません。\n/);
    expect(text).toContain('送るファイル (1)\n  a.txt  1 B  新規\n');
  });
});

it('notes what was sent against a rule, changed on the way, or sent again', async () => {
  put('.gitignore', '*.jsonl\n');
  put('in.jsonl', '{}');
  put('run.sh', 'echo\r\n');
  const first = await sync(['in.jsonl', 'none.jsonl']);
  expect(first.missing).toEqual(['none.jsonl']);
  expect(fs.readFileSync(there('run.sh'), 'utf8')).toBe('echo\n');
  expect(fs.readFileSync(join(local, 'run.sh'), 'utf8')).toBe('echo\r\n');
  const notes = notesText(first, english);
  expect(notes).toHaveLength(2);
  expect(notes[0]).toContain('in.jsonl was sent although a rule leaves it out (.gitignore:1 "*.jsonl")'); // prettier-ignore
  expect(notes[1]).toMatch(/line ends.*run\.sh$/);
  fs.rmSync(there('in.jsonl'));
  expect(notesText(await sync(['in.jsonl']), english)[1]).toMatch(/vanished.*in\.jsonl$/);
});

describe('what a sync kept', () => {
  it('is told with the name of the copy: the file here was sent, theirs lies beside it', async () => {
    put('x.py', 'one');
    await sync();
    put('x.py', 'mine');
    fs.writeFileSync(there('x.py'), 'theirs');
    const summary = await sync();
    const copy = fs.readdirSync(there('')).find((name) => name.startsWith('x.remote-')) ?? '';
    expect(fs.readFileSync(there(copy), 'utf8')).toBe('theirs');
    expect(fs.readFileSync(there('x.py'), 'utf8')).toBe('mine');
    expect(keptNotes(summary, english)).toEqual([
      `x.py: changed on both sides; the one here is sent, the one there is kept as ${copy}`,
    ]);
  });

  it('has one short sentence for each reason', () => {
    const many = Array.from({ length: 60 }, (_, n) => `old${String(n)}.txt`);
    const kept = [
      { path: 'a.py', why: 'changedRemotely' as const },
      { path: 'b.py', why: 'bothChanged' as const, copy: 'b.remote-1.py' },
      { path: 'c.py', why: 'bothChanged' as const, copy: 'c.remote-1.py' },
      { path: 'd', why: 'inTheWay' as const },
      ...many.map((path) => ({ path, why: 'manyRemovals' as const })),
    ];
    expect(keptNotes({ kept, skippedLinks: ['out'] }, english)).toEqual([
      'a.py: changed on the machine; it stays as it is there',
      'b.py, c.py: changed on both sides; the one here is sent, the one there is kept as b.remote-1.py, c.remote-1.py',
      'd: a link or folder there has this name, or a file that of a folder above it; the file here is not sent',
      'old0.txt, old1.txt, old2.txt, old3.txt, old4.txt and 55 more: deleted here, but kept on the machine, where jobs still find it',
      'out: a link that leads out of the folder or nowhere; it is not sent',
    ]);
    expect(keptNotes({ kept: [], skippedLinks: [] }, english)).toEqual([]);
    expect(keptNotes({ kept: [], skippedLinks: ['out'] }, fromBundle(bundle))[0]).toMatch(/^out: フォルダー/); // prettier-ignore
  });
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KB'],
  [1_234_567, '1.2 MB'],
  [5e15, '5000.0 TB'],
])('writes %i bytes as %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
