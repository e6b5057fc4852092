// Names that a hostile or broken server may send, and links that are swapped in while files come.
import fc from 'fast-check';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, win32 } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sshFailure } from '../../../src/ssh/failures';
import { remotePath, type RemoteEntry, type RemotePath } from '../../../src/ssh/remote';
import { downloadFolder } from '../../../src/sync/download';
import { nameProblem } from '../../../src/sync/localNames';
import { FolderFiles } from './folderFiles';

const isSoak = Boolean(process.env['FURO_SOAK']);

interface Listed {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
}

/** Lists the same names in every folder, two levels deep, and has content for each. */
class HostileFiles extends FolderFiles {
  constructor(
    root: string,
    private readonly entries: readonly Listed[],
  ) {
    super(root);
  }

  override list(path: RemotePath): Promise<readonly RemoteEntry[]> {
    const stat = { size: 1, mtimeSeconds: 0, mode: 0o600 };
    const isDeep = path.split('/').length > 3;
    return Promise.resolve(
      this.entries
        .slice(isDeep ? -4 : 0)
        .map(({ name, kind }) => ({ name, ...stat, kind: isDeep ? 'file' : kind })),
    );
  }

  override stat() {
    return Promise.resolve({ kind: 'file', size: 1, mtimeSeconds: 0, mode: 0o600 } as const);
  }

  override read(): Promise<Buffer> {
    return Promise.resolve(Buffer.from('x'));
  }
}

const name = fc.oneof(
  fc.constantFrom('..', '.', '', '../x', '/etc/x', 'a/../../x', 'a\0b', '..\\x', 'C:\\x', 'CON'),
  fc.constantFrom('a/b', 'a\\b', 'x:ads', 'nul.txt', 'dot.', 'space ', '~', '-rf', '...', '.furo'),
  fc.constantFrom('\u202egpj.exe', 'A', 'a', 'caf\u00e9', 'cafe\u0301', '\ufffd\ufffd', '\u2025'),
  fc.constantFrom('n'.repeat(255), 'n'.repeat(300), '\u65e5'.repeat(90), '..\n', '%2e%2e', 'AUX'),
  fc.string({ maxLength: 300, unit: 'binary' }),
  fc.string({ maxLength: 8 }),
);
const listed = fc.record({
  name,
  kind: fc.constantFrom('file' as const, 'file' as const, 'folder' as const, 'link' as const),
});

function filesBelow(folder: string): number {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).length;
}

it('writes nothing outside the local folder, whatever the names', async () => {
  let names = 0;
  const runs = isSoak ? 1_000 : 80;
  await fc.assert(
    fc.asyncProperty(fc.array(listed, { minLength: 5, maxLength: 25 }), async (entries) => {
      const root = fs.mkdtempSync(join(tmpdir(), 'furo-hostile-'));
      try {
        names += entries.length;
        const localFolder = join(root, 'in', 'side');
        const files = new HostileFiles(root, entries);
        const remoteFolder = remotePath('/r');
        const summary = await downloadFolder({ files, localFolder, remoteFolder });
        expect(fs.readdirSync(root)).toEqual(['in']);
        expect(fs.readdirSync(join(root, 'in'))).toEqual(['side']);
        expect(filesBelow(localFolder)).toBe(summary.files);
      } finally {
        fs.rmSync(root, { recursive: true, force: true });
      }
    }),
    { numRuns: runs },
  );
  expect(names).toBeGreaterThan(runs * 10);
}, 300_000);

it('on Windows leaves a name only where it stays one file of its folder', () => {
  const folder = 'C:\\Users\\me\\results';
  fc.assert(
    fc.property(name, (given) => {
      if (nameProblem(given, new Map(), 'win32') !== undefined) return;
      expect(win32.dirname(win32.resolve(folder, given))).toBe(folder);
      expect(win32.basename(win32.resolve(folder, given))).toBe(given);
      expect(given).not.toMatch(/[:<>"|?*\\/]|[. ]$/);
    }),
    { numRuns: 10_000 },
  );
});

describe('one name', () => {
  it.each([
    ['CON', 'reserved'],
    ['com1.txt', 'reserved'],
    ['name.', 'reserved'],
    ['a?b', 'reserved'],
    ['x:stream', 'unsafe'],
    ['a\\b', 'unsafe'],
    ['..', 'unsafe'],
    ['results.jsonl', undefined],
  ])('%j is judged on Windows as %s', (given, problem) => {
    expect(nameProblem(given, new Map(), 'win32')).toBe(problem);
  });

  it('is refused when it is the second of two that are one on Windows and macOS', () => {
    const seen = new Map<string, string>();
    expect(nameProblem('A.txt', seen, 'darwin')).toBeUndefined();
    expect(nameProblem('a.TXT', seen, 'darwin')).toBe('collides');
    expect(nameProblem('caf\u00e9', seen, 'darwin')).toBeUndefined();
    expect(nameProblem('cafe\u0301', seen, 'darwin')).toBe('collides');
    for (const [one, other] of [
      ['stra\u00dfe', 'STRASSE'],
      ['\u017fatz', 'satz'],
      ['\u03c2', '\u03c3'],
    ] as const) {
      expect(nameProblem(one, seen, 'darwin')).toBeUndefined();
      expect(nameProblem(other, seen, 'darwin')).toBe('collides');
    }
  });
});

describe('results that are brought again', () => {
  let root: string;
  beforeEach(() => {
    root = fs.mkdtempSync(join(tmpdir(), 'furo-again-'));
    fs.mkdirSync(join(root, 'there/sub'), { recursive: true });
  });
  afterEach(() => {
    fs.rmSync(root, { recursive: true, force: true });
  });

  const path = 'sub/results.jsonl';
  const here = (name = path) => join(root, 'here', name);
  const bring = (files = new FolderFiles(root)) =>
    downloadFolder({ files, localFolder: here(''), remoteFolder: remotePath('/there') });

  /** As the job leaves it at a second of its own. */
  function leave(text: string, seconds: number): void {
    fs.writeFileSync(join(root, 'there', path), text);
    fs.utimesSync(join(root, 'there', path), seconds, seconds + 0.5);
  }

  it('replace what came before, and keep what was edited here beside them', async () => {
    leave('one', 1_700_000_000);
    expect(await bring()).toMatchObject({ files: 1, keptAside: [] });
    leave('one and two', 1_700_000_050);
    expect(await bring()).toMatchObject({ files: 1, keptAside: [] });
    expect(fs.readdirSync(here('sub'))).toEqual(['results.jsonl']);
    fs.writeFileSync(here(), 'checked by hand');
    leave('one, two and three', 1_700_000_100);
    const [kept] = (await bring()).keptAside;
    expect(kept).toEqual({ path, copy: expect.stringMatching(/^sub\/results\.local-[\d-]+\.jsonl$/) as string }); // prettier-ignore
    expect(fs.readFileSync(here(kept?.copy), 'utf8')).toBe('checked by hand');
    expect(fs.readFileSync(here(), 'utf8')).toBe('one, two and three');
    expect((await bring()).keptAside).toEqual([]);
    expect(fs.readdirSync(here('sub'))).toHaveLength(2);
  });

  it('keep an edit whose time has whole seconds, and one that comes before a later result', async () => {
    leave('one', 1_700_000_000);
    await bring();
    fs.writeFileSync(here(), 'mine');
    fs.utimesSync(here(), 1_700_000_010, 1_700_000_010);
    expect((await bring()).keptAside).toEqual([{ path, copy: 'sub/results.local-20231114-221330.jsonl' }]); // prettier-ignore
    fs.writeFileSync(here(), 'mine again');
    fs.utimesSync(here(), 1_700_000_010, 1_700_000_010.25);
    leave('two', 1_700_000_020);
    expect((await bring()).keptAside).toEqual([{ path, copy: 'sub/results.local-20231114-221330-2.jsonl' }]); // prettier-ignore
  });

  it('make no copy of what is the same, whatever its time', async () => {
    leave('one', 1_700_000_000);
    await bring();
    fs.writeFileSync(here(), 'one');
    expect(await bring()).toMatchObject({ files: 1, keptAside: [] });
    expect(fs.readdirSync(here('sub'))).toEqual(['results.jsonl']);
  });

  it('leave the edited file where it was when they do not come', async () => {
    leave('one', 1_700_000_000);
    await bring();
    fs.writeFileSync(here(), 'mine');
    const files = new FolderFiles(root);
    files.download = () => Promise.reject(sshFailure('connectionLost', { host: 'furo' }));
    await expect(bring(files)).rejects.toMatchObject({ reason: 'connectionLost' });
    expect(fs.readdirSync(here('sub'))).toEqual(['results.jsonl']);
    expect(fs.readFileSync(here(), 'utf8')).toBe('mine');
  });

  it('take away what a download left unfinished days ago, and nothing newer', async () => {
    leave('one', 1_700_000_000);
    await bring();
    const names = ['.furo-tmp-old', '.furo-tmp-new', '.furo-other'];
    for (const name of names) fs.writeFileSync(here(`sub/${name}`), 'half');
    for (const name of ['.furo-tmp-old', '.furo-other']) fs.utimesSync(here(`sub/${name}`), 1, 1);
    await bring();
    expect(fs.readdirSync(here('sub')).sort()).toEqual(['.furo-other', '.furo-tmp-new', 'results.jsonl']); // prettier-ignore
  });
});

/** Swaps folder and link as fast as it can, in a process of its own so that it really runs between our steps. */
const swapper = `
const fs = require('node:fs');
const [folder, aside, outside] = process.argv.slice(1);
const still = new Int32Array(new SharedArrayBuffer(4));
const pause = (ms) => Atomics.wait(still, 0, 0, Math.random() * ms);
const quiet = (step) => { try { step(); } catch {} };
process.stdout.write('ready');
for (;;) {
  quiet(() => fs.renameSync(folder, aside));
  quiet(() => fs.symlinkSync(outside, folder));
  pause(1);
  quiet(() => fs.unlinkSync(folder));
  quiet(() => fs.renameSync(aside, folder));
  // The folder was made anew meanwhile.
  if (fs.existsSync(aside)) fs.rmSync(aside, { recursive: true, force: true });
  pause(4);
}`;

it.runIf(process.platform === 'linux')(
  'never writes through a link that is swapped in for a folder while files come',
  async () => {
    const races = isSoak ? 1_000 : 150;
    const root = fs.mkdtempSync(join(tmpdir(), 'furo-race-'));
    const outside = join(root, 'outside');
    const localFolder = join(root, 'in');
    fs.mkdirSync(outside);
    fs.mkdirSync(join(localFolder, 'sub'), { recursive: true });
    fs.mkdirSync(join(root, 'there', 'sub'), { recursive: true });
    for (let index = 0; index < 10; index++)
      fs.writeFileSync(join(root, 'there', 'sub', `f${index}`), 'x');
    const places = [join(localFolder, 'sub'), join(localFolder, 'aside'), outside];
    const rival = spawn(process.execPath, ['-e', swapper, '--', ...places]);
    const counts = { brought: 0, refused: 0 };
    try {
      await new Promise((resolve) => rival.stdout.once('data', resolve));
      const files = new FolderFiles(root);
      for (let race = 0; race < races; race++) {
        const remoteFolder = remotePath('/there');
        const summary = await downloadFolder({ files, localFolder, remoteFolder }).catch(
          (error: unknown) => {
            // The folder itself went away under the file.
            expect(error).toMatchObject({ code: 'ENOENT' });
            return { files: 0, skipped: [error] };
          },
        );
        counts.brought += summary.files;
        counts.refused += summary.skipped.length;
        expect(fs.readdirSync(outside)).toEqual([]);
      }
    } finally {
      rival.kill('SIGKILL');
      fs.rmSync(root, { recursive: true, force: true });
    }
    // Both sides of the race were met, or it was none.
    expect(counts.brought).toBeGreaterThan(0);
    expect(counts.refused).toBeGreaterThan(0);
  },
  300_000,
);
