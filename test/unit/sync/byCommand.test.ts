// The commands of a sync in real shells on this machine: hostile names, other login shells, a side that changes.
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import { sshFailure } from '../../../src/ssh/failures';
import { remotePath } from '../../../src/ssh/remote';
import { decoded, runScript, scriptText, type Exec } from '../../../src/ssh/remoteScript';
import { readAnswer } from '../../../src/sync/applyScript';
import { hashRemote } from '../../../src/sync/remoteTree';
import { syncProject, type SyncOptions } from '../../../src/sync/upload';
import { tarParts } from '../../../src/sync/tarStream';
import { FolderFiles } from './folderFiles';
import { execIn } from './shellExec';

const shells = ['/bin/sh', '/bin/bash', '/usr/bin/tcsh'].filter((shell) => fs.existsSync(shell));
const isSoak = process.env['FURO_SOAK'] !== undefined;

let root: string;
beforeEach(() => (root = fs.mkdtempSync(join(tmpdir(), 'furo-command-'))));
afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

let ticks = 0;

/** Each edit happens in a second of its own, as people's do, and long ago. */
function put(path: string, content: string | Buffer): void {
  const file = join(root, path);
  fs.mkdirSync(join(file, '..'), { recursive: true });
  fs.writeFileSync(file, content);
  const time = 1_700_000_000 + (ticks += 1);
  fs.utimesSync(file, time, time);
}

function optionsFor(exec: Exec): SyncOptions {
  return {
    files: new FolderFiles('/'),
    exec,
    localFolder: join(root, 'here'),
    remoteFolder: remotePath(there()),
    exclude: [],
  };
}

function sync(exec: Exec, changes: Partial<SyncOptions> = {}) {
  return syncProject({ ...optionsFor(exec), strayAgeSeconds: 0, ...changes });
}

const there = (): string => join(root, 'it’s "there" $HOME!');

const equal = (): string =>
  execFileSync('diff', ['-r', '--exclude=.furo', join(root, 'here'), there()]).toString();

describe.each(shells)('with %s as login shell', (shell) => {
  it('gives arguments back unchanged', async () => {
    const echo = scriptText(decoded('a', 2), decoded('b', 3), 'printf "%s|%s" "$a" "$b";');
    const word = fc.string({ unit: 'binary', maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(word, word, async (...words) => {
        // No shell can hold a NUL, and none keeps line ends at the end of what a command printed.
        const args = words.map((arg) => arg.replaceAll('\0', '').replace(/\n+$/, ''));
        const answer = await runScript(execIn(shell), { script: echo, args });
        expect(answer?.toString()).toBe(Buffer.from(args.join('|')).toString());
      }),
      { numRuns: isSoak ? 3_400 : 40 },
    );
  }, 600_000);

  it('takes names that a shell, tar or sha256sum would read in their own way', async () => {
    const names = [
      "it's.py",
      'a b',
      '-rf',
      '--',
      '~',
      '$(touch x)',
      '`id`',
      '!!',
      'back\\slash',
      '*',
      '日本語 データ.jsonl',
      'x'.repeat(120),
      `${'漢'.repeat(60)}.txt`,
      '=a%b',
    ];
    for (const name of names) {
      put(`here/${name}`, name);
      put(`here/new ${name}/deep/${name}`, name);
    }
    expect(await sync(execIn(shell))).toMatchObject({ uploaded: names.length * 2, kept: [] });
    expect(equal()).toBe('');
    expect(await sync(execIn(shell))).toMatchObject({ uploaded: 0, unchanged: names.length * 2 });
    for (const name of names) put(`here/new ${name}/deep/${name}`, `${name} changed`);
    for (const name of names) fs.rmSync(join(root, 'here', name));
    const confirmRemovals = (): Promise<boolean> => Promise.resolve(true);
    expect(await sync(execIn(shell), { confirmRemovals })).toMatchObject({
      uploaded: names.length,
      removed: names.length,
    });
    expect(equal()).toBe('');
    const open = execFileSync('find', [there(), '-perm', '/077'], { encoding: 'utf8' });
    expect(open).toBe('');
  });
});

describe.each(['by command', 'over SFTP'])('names that cannot both be, %s', (way) => {
  const exec = execIn('/bin/sh');
  const go = (changes: Partial<SyncOptions> = {}) =>
    syncProject({
      files: new FolderFiles('/'),
      ...(way === 'by command' && { exec }),
      localFolder: join(root, 'here'),
      remoteFolder: remotePath(there()),
      exclude: [],
      strayAgeSeconds: 0,
      ...changes,
    });

  it('do not stop what has nothing to do with them', async () => {
    put('here/a', 'a');
    await go();
    fs.writeFileSync(join(there(), 'd'), 'theirs');
    fs.symlinkSync('nowhere', join(there(), 'l'));
    for (const path of ['d/e/x', 'l/x', 'b', 'c/new']) put(`here/${path}`, 'new');
    fs.rmSync(join(root, 'here/a'));
    const kept = ['d/e/x', 'l/x'].map((path) => ({ path, why: 'inTheWay' }));
    const confirmRemovals = (): Promise<boolean> => Promise.resolve(true);
    expect(await go({ confirmRemovals })).toMatchObject({ uploaded: 2, removed: 1, kept });
    expect(await go()).toMatchObject({ uploaded: 0, removed: 0, unchanged: 2, kept });
    expect(fs.readFileSync(join(there(), 'd'), 'utf8')).toBe('theirs');
  });

  it.each([1, undefined])(
    'of which one is gone here: a folder becomes a file, and a file a folder, %j bytes at once',
    async (batchBytes) => {
      for (const path of ['config/a', 'config/sub/b', 'tool', 'stays']) put(`here/${path}`, path);
      await go();
      for (const path of ['config', 'tool'])
        fs.rmSync(join(root, 'here', path), { recursive: true });
      for (const path of ['config', 'tool/x', 'a', 'z']) put(`here/${path}`, path);
      const steps = batchBytes === undefined ? {} : { batchBytes };
      expect(await go(steps)).toMatchObject({ uploaded: 4, removed: 3, kept: [] });
      expect(equal()).toBe('');
      expect(await go()).toMatchObject({ uploaded: 0, removed: 0, unchanged: 5, kept: [] });
    },
  );

  it('keep every version that is not ours, of a long name and of one time, too', async () => {
    const name = `${'x'.repeat(246)}.py`;
    put(`here/${name}`, 'one');
    await go();
    for (const version of ['first', 'later']) {
      const file = join(there(), name);
      fs.writeFileSync(file, version);
      fs.utimesSync(file, 315532800, 315532800);
      put(`here/${name}`, `mine before ${version}`);
      expect((await go()).kept).toMatchObject([{ path: name, why: 'bothChanged' }]);
    }
    const all = fs.readdirSync(there()).filter((each) => each !== '.furo');
    const texts = all.map((each) => fs.readFileSync(join(there(), each), 'utf8')).sort();
    expect(texts).toEqual(['first', 'later', 'mine before later']);
  });

  it('keep an input ours that two jobs take by turns past the rules', async () => {
    put('here/.gitignore', '*.jsonl\n');
    put('here/a.jsonl', 'one');
    put('here/b.jsonl', 'b');
    expect(await go({ needed: ['a.jsonl'] })).toMatchObject({ uploaded: 2 });
    expect(await go({ needed: ['b.jsonl'] })).toMatchObject({ uploaded: 1, removed: 0, kept: [] });
    put('here/a.jsonl', 'two');
    expect(await go({ needed: ['a.jsonl'] })).toMatchObject({ uploaded: 1, removed: 0, kept: [] });
    expect(equal()).toBe('');
  });
});

it('sends file by file where our own folder there is a link to another place', async () => {
  fs.mkdirSync(join(root, 'scratch'));
  fs.mkdirSync(there());
  fs.symlinkSync(join(root, 'scratch'), join(there(), '.furo'));
  put('here/a.txt', 'one');
  const inner = execIn('/bin/sh');
  let applied = 0;
  const exec: Exec = (command, options) => {
    if (command.includes('tar -x')) applied += 1;
    return inner(command, options);
  };
  expect(await sync(exec)).toMatchObject({ uploaded: 1 });
  expect(await sync(exec)).toMatchObject({ uploaded: 0, unchanged: 1 });
  put('here/a.txt', 'two');
  expect(await sync(exec)).toMatchObject({ uploaded: 1, kept: [] });
  expect(equal()).toBe('');
  expect(applied).toBe(0);
});

describe('what a machine answers', () => {
  const reasonOf = (step: string, ...said: string[]): string => {
    const answer = Buffer.from([step, said.join('\n')].join('\0'));
    try {
      readAnswer(answer, remotePath('/there'), () => 'large.bin');
    } catch (error) {
      if (isFailure(error)) return error.reason;
      throw error;
    }
    return 'done';
  };

  it.each([
    ['diskFull', 'unpack', 'tar: f/docs/read-only.md: Cannot write: No space left on device'],
    ['diskFull', 'unpack', 'tar: f/a: Cannot write: Disk quota exceeded', 'tar: Exiting now'],
    ['diskFull', 'apply', "mv: cannot create directory './a': Disk quota exceeded"],
    ['diskFull', 'folder', "mkdir: cannot create directory '/x/in': No space left on device"],
    ['remoteNotWritable', 'apply', "mv: cannot move 'disk full' to './a': Permission denied"],
    ['remoteNotWritable', 'folder', "mkdir: cannot create directory '/x': Read-only file system"],
    ['remoteInTheWay', 'folder', "mkdir: cannot create directory '/x/.furo': Not a directory"],
    ['remoteInTheWay', 'apply', "mkdir: cannot create directory './d': File exists"],
    ['remoteInTheWay', 'apply', "mv: cannot overwrite non-directory './d' with directory 'f/d'"],
    ['remoteBusy', 'apply', "mv: target './no such file' is not a directory"],
    ['remoteBusy', 'apply', "mv: cannot move 'f/d' to './d': Directory not empty"],
    ['remoteBusy', 'unpack', 'tar: f/full/a: Cannot open: No such file or directory'],
    ['remoteBusy', 'verify', 'sha256sum: ../part-1: No such file or directory'],
    ['localFileChanged', 'verify', '../part-1: FAILED', 'sha256sum: WARNING: 1 did NOT match'],
    ['localFileChanged', 'verify', 'f/no such file: FAILED'],
    ['remoteFileFailed', 'verify', 'sha256sum: ../part-1: Input/output error'],
    ['remoteFileFailed', ''],
  ])('is %s, of the step %s: %s', (reason, ...answer) => {
    expect(reasonOf(...(answer as [string]))).toBe(reason);
  });
});

describe('the hash of what lies there', () => {
  const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

  it('comes from a sha256sum as old as that of CentOS 7, whatever the names', async () => {
    // Coreutils 8.22 has no -z.
    const old = '#!/bin/sh\ncase $1 in -z*) exit 1;; esac\nexec /usr/bin/sha256sum "$@"\n';
    put('bin/sha256sum', old);
    fs.chmodSync(join(root, 'bin/sha256sum'), 0o755);
    const PATH = `${join(root, 'bin')}:${process.env['PATH'] ?? ''}`;
    const names = ['a b', 'back\\slash', 'two\nlines', '\\n', 'cr\r', '漢字', '-z'];
    for (const name of names) put(`there/${name}`, name);
    const parts = {
      files: new FolderFiles('/nothing/here'),
      exec: execIn('/bin/sh', { ...process.env, PATH }),
      root: remotePath(join(root, 'there')),
    };
    const wanted = [...names, 'gone'].map((path) => ({ path, size: 1 }));
    const expected = names.map((name) => [name, sha256(Buffer.from(name))] as const);
    expect(await hashRemote(parts, wanted)).toEqual(new Map(expected));
  });

  it('comes from the bytes where no command can make it, however large the file', async () => {
    const content = Buffer.alloc(17 * 1024 * 1024 + 1, 'furo');
    put('there/large', content);
    const parts = { files: new FolderFiles('/'), root: remotePath(join(root, 'there')) };
    const wanted = [{ path: 'large', size: content.length }];
    expect((await hashRemote(parts, wanted)).get('large')).toBe(sha256(content));
  });
});

describe('a side that changes while a sync runs', () => {
  /** Calls `change` once, just before the command that renames. */
  function changing(change: () => void): Exec {
    let isDone = false;
    const exec = execIn('/bin/sh');
    return (command, options) => {
      if (command.includes('tar -x') && !isDone) {
        isDone = true;
        change();
      }
      return exec(command, options);
    };
  }

  it('keeps an edit that came after the plan was made', async () => {
    put('here/a.txt', 'one');
    await sync(execIn('/bin/sh'));
    put('here/a.txt', 'two');
    const exec = changing(() => {
      fs.writeFileSync(join(there(), 'a.txt'), 'theirs');
    });
    const { kept } = await sync(exec);
    expect(kept).toMatchObject([{ path: 'a.txt', why: 'bothChanged' }]);
    expect(fs.readFileSync(join(there(), 'a.txt'), 'utf8')).toBe('two');
    expect(fs.readFileSync(join(there(), kept[0]?.copy ?? ''), 'utf8')).toBe('theirs');
  });

  it('keeps a file that appeared after the plan was made', async () => {
    put('here/a.txt', 'one');
    await sync(execIn('/bin/sh'));
    put('here/b.txt', 'ours');
    const { kept } = await sync(
      changing(() => {
        fs.writeFileSync(join(there(), 'b.txt'), 'theirs');
      }),
    );
    expect(kept).toMatchObject([{ path: 'b.txt', why: 'bothChanged' }]);
    expect(fs.readFileSync(join(there(), kept[0]?.copy ?? ''), 'utf8')).toBe('theirs');
  });

  it('plans again when another window wrote the manifest', async () => {
    put('here/a.txt', 'one');
    await sync(execIn('/bin/sh'));
    put('here/a.txt', 'two');
    const other = fs.readFileSync(join(there(), '.furo/manifest.json'), 'utf8');
    const exec = changing(() => {
      fs.writeFileSync(join(there(), '.furo/manifest.json'), `${other}\n`);
    });
    expect(await sync(exec)).toMatchObject({ uploaded: 1, kept: [] });
    expect(fs.readdirSync(join(there(), '.furo/staging'))).toEqual([]);
  });

  it('gives up, with a reason, on a side that never rests', async () => {
    put('here/a.txt', 'one');
    await sync(execIn('/bin/sh'));
    put('here/a.txt', 'two');
    const inner = execIn('/bin/sh');
    const exec: Exec = (command, options) => {
      if (command.includes('tar -x')) fs.appendFileSync(join(there(), '.furo/manifest.json'), '\n');
      return inner(command, options);
    };
    await expect(sync(exec)).rejects.toMatchObject({ reason: 'remoteBusy' });
    expect(fs.readFileSync(join(there(), 'a.txt'), 'utf8')).toBe('one');
  });

  const size = 250 * 1024;

  /** More than is kept in memory, so that the last ones are read a second time. */
  function putMany(): void {
    for (let index = 100; index < 240; index++) put(`here/f${String(index)}`, Buffer.alloc(size));
  }

  it('sends a small file as it was hashed, and its edit of that moment the next time', async () => {
    put('here/a.txt', 'one');
    const exec = changing(() => {
      put('here/a.txt', 'TWO');
    });
    expect(await sync(exec)).toMatchObject({ uploaded: 1 });
    expect(fs.readFileSync(join(there(), 'a.txt'), 'utf8')).toBe('one');
    expect(await sync(execIn('/bin/sh'))).toMatchObject({ uploaded: 1, kept: [] });
    expect(fs.readFileSync(join(there(), 'a.txt'), 'utf8')).toBe('TWO');
  });

  it.each([0, 1])(
    'plans again when a file changes before it is read again, %j bytes longer',
    async (more) => {
      putMany();
      const exec = changing(() => {
        put('here/f239', Buffer.alloc(size + more, 1));
      });
      expect(await sync(exec)).toMatchObject({ uploaded: 140, kept: [] });
      expect(fs.readFileSync(join(there(), 'f239'))).toEqual(Buffer.alloc(size + more, 1));
      expect(fs.readdirSync(join(there(), '.furo/staging'))).toEqual([]);
    },
  );

  it('plans again when a large file changes between its hash and its sending', async () => {
    const [before, after] = [Buffer.alloc(2 * size), Buffer.alloc(2 * size, 1)];
    put('here/a.bin', before);
    const files = new FolderFiles('/');
    const uploadPart = files.uploadPart.bind(files);
    let sent = 0;
    files.uploadPart = (...args) => {
      if ((sent += 1) === 1) put('here/a.bin', after);
      return uploadPart(...args);
    };
    expect(await sync(execIn('/bin/sh'), { files })).toMatchObject({ uploaded: 1, kept: [] });
    expect(sent).toBe(2);
    expect(fs.readFileSync(join(there(), 'a.bin'))).toEqual(after);
    expect(await sync(execIn('/bin/sh'))).toMatchObject({ uploaded: 0, kept: [] });
  });

  it('takes two syncs at the same moment, as of two windows', async () => {
    for (let index = 100; index < 130; index++) put(`here/d${String(index)}/a.txt`, 'one');
    for (let round = 0; round < 12; round++) {
      await Promise.all([sync(execIn('/bin/sh')), sync(execIn('/bin/sh'))]);
      expect(equal()).toBe('');
      fs.rmSync(there(), { recursive: true });
    }
  });

  it('leaves alone for half a day what another window has in the staging folder', async () => {
    put('here/a.txt', 'one');
    const ages = { 'in-live': 1, 'in-dead': 13, 'part-live': 11, 'part-dead': 13 };
    const staging = join(there(), '.furo/staging');
    for (const [name, hours] of Object.entries(ages)) {
      const path = join(staging, name);
      fs.mkdirSync(staging, { recursive: true });
      if (name.startsWith('in-')) fs.mkdirSync(path);
      else fs.writeFileSync(path, name);
      const seconds = Date.now() / 1000 - hours * 3600;
      fs.utimesSync(path, seconds, seconds);
    }
    await syncProject(optionsFor(execIn('/bin/sh')));
    expect(fs.readdirSync(staging).sort()).toEqual(['in-live', 'part-live']);
  });

  it.each(['in-', 'part-'])('plans again when somebody took its %s away', async (prefix) => {
    put('here/a.txt', 'one');
    put('here/large', randomBytes(300_000));
    const inner = execIn('/bin/sh');
    let tries = 0;
    const exec: Exec = (command, options) => {
      if (!command.includes('k=verify;') || (tries += 1) > 1) return inner(command, options);
      const sweep = `k=verify; rm -rf .furo/staging/${prefix}*;`;
      return inner(command.replace('k=verify;', sweep), options);
    };
    expect(await sync(exec)).toMatchObject({ uploaded: 2, kept: [] });
    expect(tries).toBe(2);
    expect(equal()).toBe('');
  });

  /** Three commands for 24 small files, a large one, a file that becomes a folder and a removal. */
  function putBatches(): Partial<SyncOptions> {
    for (let index = 100; index < 124; index++)
      put(`here/${index % 2 ? 'new/' : ''}f${String(index)}`, randomBytes(1_000));
    put('here/large', randomBytes(300_000));
    put('here/a/deep', 'a folder by now');
    put('here/b', 'a file by now');
    return { batchBytes: 10_000 };
  }

  async function syncOld(): Promise<void> {
    for (const path of ['old', 'a', 'b/c/d', 'f100']) put(`here/${path}`, 'old');
    await sync(execIn('/bin/sh'));
    for (const path of ['old', 'a', 'b']) fs.rmSync(join(root, 'here', path), { recursive: true });
  }

  /** Calls `change` with the number of the command that renames, just before it. */
  function counting(change: (command: number) => void): Exec {
    const exec = execIn('/bin/sh');
    let count = 0;
    return async (command, options) => {
      if (command.includes('tar -x')) change((count += 1));
      return exec(command, options);
    };
  }

  it('loses no more than one of several commands to a cut', async () => {
    await syncOld();
    const batches = putBatches();
    const exec = counting((command) => {
      if (command === 3) throw sshFailure('connectionLost', { host: 'furo' });
    });
    await expect(sync(exec, batches)).rejects.toMatchObject({ reason: 'connectionLost' });
    const again = await sync(execIn('/bin/sh'), batches);
    expect(again).toMatchObject({ uploaded: 6, unchanged: 21, removed: 1, kept: [] });
    expect(equal()).toBe('');
    expect(fs.readdirSync(join(there(), '.furo/staging'))).toEqual([]);
    expect(await sync(execIn('/bin/sh'))).toMatchObject({ uploaded: 0, unchanged: 27, kept: [] });
  });

  it('tells of all commands when the other side changed between two of them', async () => {
    await syncOld();
    const batches = putBatches();
    fs.writeFileSync(join(there(), 'f100'), 'theirs');
    const exec = counting((command) => {
      if (command === 3) fs.writeFileSync(join(there(), 'new/f123'), 'theirs too');
    });
    const { kept, ...summary } = await sync(exec, batches);
    expect(summary).toMatchObject({ uploaded: 27, removed: 3, unchanged: 0 });
    expect(kept.map(({ path }) => path)).toEqual(['f100', 'new/f123']);
    const texts = kept.map(({ copy = '' }) => fs.readFileSync(join(there(), copy), 'utf8'));
    expect(texts).toEqual(['theirs', 'theirs too']);
    expect(await sync(execIn('/bin/sh'))).toMatchObject({ uploaded: 0, unchanged: 27, kept: [] });
  });

  it('asks once about the same removals, however often it plans', async () => {
    for (let index = 100; index < 120; index++) put(`here/old${String(index)}`, 'old');
    await sync(execIn('/bin/sh'));
    for (let index = 100; index < 120; index++) fs.rmSync(join(root, `here/old${String(index)}`));
    put('here/a.txt', 'one');
    let questions = 0;
    const confirmRemovals = (): Promise<boolean> => Promise.resolve((questions += 1) > 0);
    const exec = changing(() => {
      fs.writeFileSync(join(there(), 'a.txt'), 'theirs');
    });
    expect(await sync(exec, { confirmRemovals })).toMatchObject({ removed: 20 });
    expect(questions).toBe(1);
  });

  it('names the file that never rests', async () => {
    putMany();
    let tries = 0;
    const inner = execIn('/bin/sh');
    const exec: Exec = (command, options) => {
      if (command.includes('tar -x')) put('here/f239', Buffer.alloc(size, (tries += 1)));
      return inner(command, options);
    };
    await expect(sync(exec)).rejects.toMatchObject({
      reason: 'localFileChanged',
      values: { path: expect.stringContaining('f239') as string },
    });
    expect(tries).toBe(4);
    expect(fs.readdirSync(there())).toEqual(['.furo']);
  });
});

describe('a side that changes while files go one by one', () => {
  const syncEach = (files: FolderFiles, exec?: Exec) =>
    syncProject({
      files,
      ...(exec && { exec }),
      localFolder: join(root, 'here'),
      remoteFolder: remotePath(there()),
      exclude: [],
      strayAgeSeconds: 0,
    });

  /** Calls `change` with the number of the upload, just before it. */
  function changing(change: (upload: number) => unknown): FolderFiles {
    const files = new FolderFiles('/');
    const upload = files.upload.bind(files);
    let count = 0;
    files.upload = async (...args) => {
      await change((count += 1));
      await upload(...args);
    };
    return files;
  }

  const edit = (path: string, text: string): void => {
    fs.writeFileSync(join(there(), path), text);
  };
  const textThere = (path = ''): string => fs.readFileSync(join(there(), path), 'utf8');

  beforeEach(async () => {
    fs.mkdirSync(join(root, 'scratch'));
    fs.mkdirSync(there());
    fs.symlinkSync(join(root, 'scratch'), join(there(), 'data'));
    for (const path of ['data/a', 'old', 'z']) put(`here/${path}`, 'one');
    await syncEach(new FolderFiles('/'));
    for (const path of ['data/a', 'z']) put(`here/${path}`, 'two');
  });

  it.each([
    ['without a shell', undefined],
    ['as a folder there is a link', execIn('/bin/sh')],
  ])('%s, keeps a late edit and tells of all that was done', async (_, exec) => {
    const files = changing((upload) => {
      if (upload === 1) edit('z', 'an hour of work');
    });
    const { kept, ...summary } = await syncEach(files, exec);
    expect(summary).toMatchObject({ uploaded: 2, removed: 0, unchanged: 1 });
    expect(kept).toMatchObject([{ path: 'z', why: 'bothChanged' }]);
    expect(['data/a', 'z', kept[0]?.copy].map(textThere)).toEqual([
      'two',
      'two',
      'an hour of work',
    ]);
    expect(await syncEach(new FolderFiles('/'))).toMatchObject({ uploaded: 0, kept: [] });
  });

  it.each([
    ['without a shell', undefined],
    ['as a folder there is a link', execIn('/bin/sh')],
  ])('%s, sweeps what a manifest that was cut has left', async (_, exec) => {
    const stray = join(there(), '.furo/.furo-tmp-0123');
    fs.writeFileSync(stray, 'half of a manif');
    await syncEach(new FolderFiles('/'), exec);
    expect(fs.readdirSync(join(stray, '..'))).toEqual(['manifest.json']);
  });

  it('leaves a file that was edited before it was to be removed', async () => {
    fs.rmSync(join(root, 'here/old'));
    const files = changing((upload) => {
      if (upload === 1) edit('old', 'an hour of work');
    });
    const { kept } = await syncEach(files);
    expect(kept).toEqual([{ path: 'old', why: 'changedRemotely' }]);
    expect(textThere('old')).toBe('an hour of work');
  });

  it('plans again when a file here changes before it is sent, or is gone', async () => {
    put('here/gone', 'one');
    const files = changing((upload) => {
      if (upload > 1) return;
      put('here/z', 'six');
      fs.rmSync(join(root, 'here/gone'));
    });
    expect(await syncEach(files)).toMatchObject({ uploaded: 2, kept: [] });
    expect(textThere('z')).toBe('six');
    expect(fs.existsSync(join(there(), 'gone'))).toBe(false);
    expect(await syncEach(new FolderFiles('/'))).toMatchObject({ uploaded: 0, kept: [] });
  });

  it('loses no entry of another window', async () => {
    const other = changing((upload) => {
      if (upload > 1) return;
      put('here/theirs', 'one');
      return syncEach(new FolderFiles('/'));
    });
    expect((await syncEach(other)).kept).toEqual([]);
    fs.rmSync(join(root, 'here/theirs'));
    fs.rmSync(join(root, 'here/z'));
    expect(await syncEach(new FolderFiles('/'))).toMatchObject({ removed: 2, kept: [] });
  });

  it('gives up, with a reason, on a side that never rests', async () => {
    const files = changing((upload) => {
      edit('data/a', 'x'.repeat(upload));
    });
    await expect(syncEach(files)).rejects.toMatchObject({ reason: 'remoteBusy' });
  });
});

it('writes archives that the system’s tar reads back, whatever the sizes', async () => {
  const sizes = [0, 1, 511, 512, 513, 70_000];
  const members = sizes.map((size, index) => ({
    path: `${'d/'.repeat(index * 30)}${index % 2 ? 'é' : 'e'}${String(size)}`,
    mode: index % 2 ? 0o700 : 0o600,
    content: Buffer.alloc(size, index),
  }));
  const parts: Buffer[] = [];
  for await (const part of tarParts(members, 1_700_000_000)) parts.push(part);
  execFileSync('tar', ['-xpf', '-', '-C', root], { input: Buffer.concat(parts) });
  for (const { path, mode, content } of members) {
    const file = join(root, path);
    expect(fs.readFileSync(file).equals(content)).toBe(true);
    expect(fs.statSync(file).mode & 0o777).toBe(mode);
    expect(fs.statSync(file).mtimeMs).toBe(1_700_000_000_000);
  }
});
