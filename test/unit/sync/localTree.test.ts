// The local side over real folders: what is sent and why, hashes, line ends, modes, names.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Contents } from '../../../src/sync/contents';
import { IgnoreRules, type IgnoreOptions } from '../../../src/sync/ignoreRules';
import { DEFAULT_LIMITS, readLocalTree } from '../../../src/sync/localTree';
import type { ManifestFile } from '../../../src/sync/manifest';

let folder: string;
let contents: Contents | undefined;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'furo-tree-'));
});
afterEach(async () => {
  await contents?.dispose();
  fs.rmSync(folder, { recursive: true, force: true });
});

function put(path: string, content: string | Buffer = 'x', ageSeconds = 100): string {
  const file = join(folder, path);
  fs.mkdirSync(join(file, '..'), { recursive: true });
  fs.writeFileSync(file, content);
  const time = Date.now() / 1000 - ageSeconds;
  fs.utimesSync(file, time, time);
  return file;
}

function read(options: Partial<IgnoreOptions> = {}) {
  const rules = new IgnoreRules({ exclude: [], ...options });
  return readLocalTree(folder, rules, { limits: DEFAULT_LIMITS });
}

async function paths(options: Partial<IgnoreOptions> = {}): Promise<string[]> {
  return (await read(options)).files.map(({ path }) => path);
}

describe('the rules', () => {
  it('send what the job needs from inside a folder that is left out, and say which rule', async () => {
    put('.gitignore', '# data stays here\ndata/\n*.log\n');
    put('data/deep/in.jsonl');
    put('data/deep/other.bin');
    put('data/more/x');
    const { files, leftOut } = await read({ needed: ['data/deep/in.jsonl'] });
    expect(files.map(({ path }) => path)).toEqual(['.gitignore', 'data/deep/in.jsonl']);
    const rule = { source: 'file', file: '.gitignore', line: 2, pattern: 'data/' };
    expect(files[1]?.verdict).toEqual({ isSent: true, rule, because: 'needed' });
    expect(leftOut).toEqual([{ path: 'data', isFolder: true, rule }]);
  });

  it('send an input from earlier results, and nothing else of them', async () => {
    put('furo-results/a/results.jsonl');
    put('furo-results/a/log');
    put('.git/config');
    expect(await paths()).toEqual([]);
    const needed = ['furo-results/a/results.jsonl'];
    expect(await paths({ needed })).toEqual(needed);
    expect(await paths({ needed: ['.git/config'] })).toEqual([]);
  });

  it('let furo.sync.include win, also inside folders that are left out', async () => {
    put('.gitignore', 'data/\n*.csv\n');
    for (const path of ['a.csv', 'data/a.csv', 'data/s/b.csv', 'data/s/t/c.csv', 'data/s/d.txt'])
      put(path);
    expect(await paths()).toEqual(['.gitignore']);
    expect(await paths({ include: ['*.csv'] })).toEqual(['.gitignore', 'a.csv']);
    expect(await paths({ include: ['data/s/*.csv'] })).toEqual(['.gitignore', 'data/s/b.csv']);
    expect(await paths({ include: ['data/s/', '!data/s/t'] })).toEqual([
      '.gitignore',
      'data/s/b.csv',
      'data/s/d.txt',
    ]);
    expect(await paths({ include: ['data/**/c.csv'] })).toEqual(['.gitignore', 'data/s/t/c.csv']);
    expect(await paths({ include: ['.git/', 'node_modules/'] })).toEqual(['.gitignore']);
  });

  it('name the line of the file that decides, .furoignore after .gitignore, deeper after higher', async () => {
    put('.gitignore', '*.bin\n');
    put('.furoignore', '\n!keep.bin\n');
    put('sub/.gitignore', 'keep.bin');
    put('keep.bin');
    put('sub/keep.bin');
    const { files, leftOut } = await read({ exclude: ['nothing'] });
    const kept = files.find(({ path }) => path === 'keep.bin');
    expect(kept?.verdict.rule).toEqual({
      source: 'file',
      file: '.furoignore',
      line: 2,
      pattern: '!keep.bin',
    });
    const rule = { source: 'file', file: 'sub/.gitignore', line: 1, pattern: 'keep.bin' };
    expect(leftOut).toEqual([{ path: 'sub/keep.bin', isFolder: false, rule }]);
  });

  it('hold from the repository around the folder, whose own files win', async () => {
    put('.git/info/exclude', '*.key\n*.out\n');
    put('.gitignore', '/sub/project/data\n*.out\n');
    put('sub/.gitignore', '*.bin\n');
    put('sub/project/.gitignore', '!keep.bin\n');
    for (const name of ['a.key', 'a.out', 'a.bin', 'keep.bin', 'data/x', 'b.py'])
      put(`sub/project/${name}`);
    const rules = new IgnoreRules({ exclude: [] });
    const project = join(folder, 'sub/project');
    const { files, leftOut } = await readLocalTree(project, rules, { limits: DEFAULT_LIMITS });
    expect(files.map(({ path }) => path)).toEqual(['.gitignore', 'b.py', 'keep.bin']);
    expect(leftOut.map(({ path, rule }) => [path, 'file' in rule && rule.file])).toEqual([
      ['a.bin', '../.gitignore'],
      ['a.key', '../../.git/info/exclude'],
      ['a.out', '../../.gitignore'],
      ['data', '../../.gitignore'],
    ]);
    put('.gitignore', 'project/\n*.py\n');
    const own = new IgnoreRules({ exclude: [] });
    const all = await readLocalTree(project, own, { limits: DEFAULT_LIMITS });
    expect(all.files).toHaveLength(7);
  });

  it('follow no link and no folder called .gitignore, as git does', async () => {
    put('rules', '*.py\n');
    fs.symlinkSync('rules', join(folder, '.gitignore'));
    fs.mkdirSync(join(folder, 'sub/.gitignore'), { recursive: true });
    put('sub/a.py');
    expect(await paths()).toContain('sub/a.py');
  });
});

it('leaves out the picture that macOS gives a folder, and refuses other names like it', async () => {
  put('Icon\r');
  put('sub/Icon\r');
  put('Icon');
  expect(await paths()).toEqual(['Icon']);
  put('Icons\r');
  await expect(read()).rejects.toMatchObject({ reason: 'nameNotPortable' });
});

it('refuses two names that are one there, naming both', async () => {
  put('caf\u00e9.txt');
  put('cafe\u0301.txt');
  await expect(read()).rejects.toMatchObject({
    reason: 'namesCollide',
    values: { path: 'caf\u00e9.txt', other: 'cafe\u0301.txt' },
  });
});

it('sends a decomposed name of macOS composed', async () => {
  put('cafe\u0301/de\u0301ja\u0300.txt');
  expect(await paths()).toEqual(['caf\u00e9/d\u00e9j\u00e0.txt']);
});

describe.runIf(process.platform === 'linux')('a file that cannot be looked at', () => {
  /** A file whose path is longer than the system takes, made through its open folder. */
  function putBeyondReach(): { name: string; remove: () => void } {
    let deep = folder;
    while (deep.length < 4080) deep = join(deep, 'd'.repeat(Math.min(200, 4081 - deep.length)));
    fs.mkdirSync(deep, { recursive: true });
    const open = fs.openSync(deep, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    const name = 'x'.repeat(50);
    const reached = `/proc/self/fd/${open}/${name}`;
    fs.writeFileSync(reached, 'x');
    const remove = (): void => {
      fs.rmSync(reached);
      fs.closeSync(open);
    };
    return { name, remove };
  }

  it('stops the sync, as it must not count as deleted', async () => {
    const { name, remove } = putBeyondReach();
    try {
      await expect(read()).rejects.toMatchObject({
        reason: 'localUnreadable',
        values: { path: expect.stringContaining(name) as string, detail: 'ENAMETOOLONG' },
      });
      expect(await paths({ exclude: [name] })).toEqual([]);
    } finally {
      remove();
    }
  });

  it.each(['file', 'folder'])(
    'for the bytes of its name is told, or left out: a %s',
    async (kind) => {
      put('a.py');
      const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x83, 0x65, 0x2e, 0x70])]);
      if (kind === 'file') fs.writeFileSync(odd, 'x');
      else fs.mkdirSync(odd);
      await expect(read()).rejects.toMatchObject({
        reason: 'nameNotPortable',
        values: { path: '\ufffde.p', detail: 'not UTF-8' },
      });
      expect(await paths({ exclude: ['*.p'] })).toEqual(['a.py']);
    },
  );

  it('for a folder that vanishes under the walk makes the sync plan anew', async () => {
    put('d/a');
    put('e/a');
    const rules = new IgnoreRules({ exclude: [] });
    const judge = rules.judge.bind(rules);
    rules.judge = (path, ...rest) => {
      if (path === 'd') fs.rmSync(join(folder, 'd'), { recursive: true });
      return judge(path, ...rest);
    };
    await expect(readLocalTree(folder, rules, { limits: DEFAULT_LIMITS })).rejects.toMatchObject({
      reason: 'localFileChanged',
      values: { path: join(fs.realpathSync(folder), 'd') },
    });
    expect(await paths()).toEqual(['e/a']);
  });

  it('leaves a link that leads nowhere, to itself or through a file', async () => {
    put('a');
    for (const to of ['gone', 'loop', 'a/b']) fs.symlinkSync(to, join(folder, to === 'loop' ? to : `to-${to.length}`)); // prettier-ignore
    expect((await read()).skippedLinks).toEqual(['loop', 'to-3', 'to-4']);
  });
});

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function hashes(recorded = new Map<string, ManifestFile>(), platform = process.platform) {
  const nowMs = Date.now();
  const { files } = await read();
  contents = new Contents({ nowMs, platform });
  const all = await contents.hash(files, recorded);
  return new Map(all.map((file) => [file.path, file]));
}

describe('the content', () => {
  it('is not read again when size and time are as recorded, and is when the time was too fresh', async () => {
    const file = put('a.txt', 'one');
    const { mtimeMs } = fs.statSync(file);
    const entry = { size: 3, sha256: sha256('old'), mode: 0o600, localMtimeMs: mtimeMs };
    const hint = (await hashes(new Map([['a.txt', entry]]))).get('a.txt');
    expect(hint).toMatchObject({ sha256: sha256('old'), mtimeMs });
    const racy = new Map([['a.txt', { ...entry, localMtimeMs: 0 }]]);
    expect((await hashes(racy)).get('a.txt')?.sha256).toBe(sha256('one'));
    put('a.txt', 'two', 0);
    expect((await hashes()).get('a.txt')).toMatchObject({ sha256: sha256('two'), mtimeMs: 0 });
  });

  it.each([
    ['run.sh', '#PJM -L "rscgrp=cx-share"\r\necho a\r\n', true],
    ['tool', '#!/usr/bin/env python\r\nprint(1)\r\n', true],
    ['job.txt', '# a job\r\n#PJM -L elapse=1:00:00\r\n', true],
    ['prompts.jsonl', '{"a":1}\r\n', false],
    ['module.py', 'print(1)\r\n', false],
    ['tool.bin.sh', '#!/bin/sh\r\n\0\r\n', false],
    ['unix.sh', '#!/bin/sh\necho "\r"\n', false],
  ])('of %s has Unix line ends there: %j', async (path, text, isChanged) => {
    const file = put(path, text);
    const sent = (await hashes()).get(path)!;
    expect(sent.isNormalised ?? false).toBe(isChanged);
    const expected = isChanged ? text.replaceAll('\r\n', '\n') : text;
    expect(fs.readFileSync(sent.localPath, 'latin1')).toBe(expected);
    expect(sent).toMatchObject({ size: expected.length, sha256: sha256(expected) });
    expect(fs.readFileSync(file, 'latin1')).toBe(text);
  });

  it.each([
    ['a.jsonl', 20],
    ['run.sh', 20],
    ['empty.py', 0],
    ['large.bin', 300 * 1024],
    ['large.sh', 300 * 1024],
  ])('of %s is never a part: it has changed since it was looked at', async (path, size) => {
    const text = (length: number): string => '#!/bin/sh\r\n'.padEnd(length, '#').slice(0, length);
    const file = put(path, text(size));
    const { files } = await read();
    for (const length of [size + 1, size - 1].filter((each) => each >= 0)) {
      fs.writeFileSync(file, text(length));
      contents = new Contents({ nowMs: Date.now() });
      await expect(contents.hash(files, new Map())).rejects.toMatchObject({
        reason: 'localFileChanged',
      });
    }
    fs.writeFileSync(file, text(size));
    expect(await contents?.hash(files, new Map())).toHaveLength(1);
    fs.rmSync(file);
    await contents?.dispose();
    contents = new Contents({ nowMs: Date.now() });
    await expect(contents.hash(files, new Map())).rejects.toMatchObject({
      reason: 'localFileChanged',
    });
  });

  it('that is read ahead is read once, and only what is wanted tells that it cannot be read', async () => {
    const [kept, closed] = [put('kept', 'one'), put('closed', 'two')];
    const { files } = await read();
    fs.rmSync(closed);
    fs.mkdirSync(closed);
    contents = new Contents({ nowMs: Date.now() });
    await contents.readAhead(files, new AbortController().signal);
    fs.writeFileSync(kept, 'ONE');
    const wanted = files.filter(({ path }) => path === 'kept');
    expect(await contents.hash(wanted, new Map())).toMatchObject([{ sha256: sha256('one') }]);
    await expect(contents.hash(files, new Map())).rejects.toMatchObject({
      reason: 'localUnreadable',
      values: { path: closed, detail: 'EISDIR' },
    });
  });

  it('is 0600, 0700 when it can be run; on Windows a #! says so, and the bit there is kept', async () => {
    fs.chmodSync(put('x', '#!/bin/sh\n'), 0o755);
    fs.chmodSync(put('y', 'plain'), 0o666);
    const modes = async (platform: NodeJS.Platform) =>
      [...(await hashes(undefined, platform)).values()].map((file) => [
        file.mode.toString(8),
        file.keepsExecutable ?? false,
      ]);
    expect(await modes('linux')).toEqual([['700', false], ['600', false]]); // prettier-ignore
    fs.chmodSync(join(folder, 'x'), 0o644);
    expect(await modes('win32')).toEqual([['700', false], ['600', true]]); // prettier-ignore
  });

  it('of scripts leaves no copy behind', async () => {
    put('run.sh', '#!/bin/sh\r\n');
    const { localPath } = (await hashes()).get('run.sh')!;
    expect(localPath.startsWith(folder)).toBe(false);
    expect((fs.statSync(localPath).mode & 0o777).toString(8)).toBe('600');
    await contents?.dispose();
    expect(fs.existsSync(localPath)).toBe(false);
  });
});
