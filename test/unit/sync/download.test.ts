// Names that a hostile or broken server may send.
import fc from 'fast-check';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { remotePath, type RemoteEntry } from '../../../src/ssh/remote';
import { downloadFolder } from '../../../src/sync/download';
import { nameProblem } from '../../../src/sync/localNames';
import { FolderFiles } from './folderFiles';

class HostileFiles extends FolderFiles {
  constructor(
    root: string,
    private readonly names: readonly string[],
  ) {
    super(root);
  }

  override list(): Promise<readonly RemoteEntry[]> {
    const stat = { kind: 'file', size: 1, mtimeSeconds: 0, mode: 0o600 } as const;
    return Promise.resolve(this.names.map((name) => ({ name, ...stat })));
  }

  override read(): Promise<Buffer> {
    return Promise.resolve(Buffer.from('x'));
  }
}

const hostile = fc.oneof(
  fc.constantFrom('..', '.', '', '../x', '/etc/x', 'a/../../x', 'a\0b', '..\\x', 'C:\\x', 'CON'),
  fc.string({ maxLength: 300, unit: 'binary' }),
);

it('writes nothing outside the local folder, whatever the names', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(hostile, { maxLength: 20 }), async (names) => {
      const root = fs.mkdtempSync(join(tmpdir(), 'furo-hostile-'));
      try {
        const localFolder = join(root, 'in', 'side');
        const files = new HostileFiles(root, names);
        const summary = await downloadFolder({
          files,
          localFolder,
          remoteFolder: remotePath('/r'),
        });
        expect(fs.readdirSync(root)).toEqual(['in']);
        expect(fs.readdirSync(join(root, 'in'))).toEqual(['side']);
        expect(fs.readdirSync(localFolder)).toHaveLength(summary.files);
      } finally {
        fs.rmSync(root, { recursive: true, force: true });
      }
    }),
    { numRuns: 200 },
  );
});

it.each([
  ['CON', 'reserved'],
  ['com1.txt', 'reserved'],
  ['name.', 'reserved'],
  ['a?b', 'reserved'],
  ['x:stream', 'unsafe'],
  ['a\\b', 'unsafe'],
  ['..', 'unsafe'],
  ['results.jsonl', undefined],
])('judges %j on Windows as %s', (name, problem) => {
  expect(nameProblem(name, new Set(), 'win32')).toBe(problem);
});

it('refuses the second of two names that are one on Windows and macOS', () => {
  const seen = new Set<string>();
  expect(nameProblem('A.txt', seen, 'darwin')).toBeUndefined();
  expect(nameProblem('a.TXT', seen, 'darwin')).toBe('collides');
});
