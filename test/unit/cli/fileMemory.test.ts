// Values kept in one JSON file, on a real disk.
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileMemory } from '../../../src/cli/fileMemory';
import { secrets, takeFound } from '../../secretGuard';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'furo-memory-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('FileMemory', () => {
  it('begins empty, and remembers after it is opened again', async () => {
    const file = join(folder, 'deep', 'jobs.json');
    const memory = FileMemory.open(file);
    expect(memory.get('jobs')).toBeUndefined();
    await memory.update('jobs', [{ name: '質問' }]);
    await memory.update('version', 1);
    expect(memory.get('version')).toBe(1);
    const again = FileMemory.open(file);
    expect(again.get('jobs')).toEqual([{ name: '質問' }]);
    expect(again.get('version')).toBe(1);
  });

  it('has written before update returns, whole and for its owner only', async () => {
    const file = join(folder, 'jobs.json');
    void FileMemory.open(file).update('a', 1);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ a: 1 });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['jobs.json']);
  });

  it('does not throw away a file that it cannot read', async () => {
    const file = join(folder, 'jobs.json');
    await writeFile(file, '{"half": ');
    expect(() => FileMemory.open(file)).toThrow(
      expect.objectContaining({ reason: 'historyUnreadable' }) as Error,
    );
    expect(await readFile(file, 'utf8')).toBe('{"half": ');
  });
});

describe('a secret on its way into a file', () => {
  const way = (imported: string, call: string) =>
    `data:text/javascript,import { ${imported} } from 'node:fs${imported === 'writeFileSync' ? '' : '/promises'}';
    export const write = async (file, text) => ${call};`;

  it.each([
    way('writeFileSync', 'writeFileSync(file, text)'),
    way('writeFile', 'writeFile(file, Buffer.from(text))'),
    way('appendFile', 'appendFile(file, text)'),
    way('open', "(await open(file, 'w')).write(Buffer.from(text))"),
    way('open', "(await open(file, 'w')).writeFile(text)"),
  ])('is stopped and fails a test: %s', async (source) => {
    const { write } = (await import(/* @vite-ignore */ source)) as {
      write: (file: string, text: string) => Promise<unknown>;
    };
    const file = join(folder, 'out');
    await expect(write(file, `the code is ${secrets.code}`)).rejects.toThrow(/would be written/);
    expect(takeFound()).toHaveLength(1);
    await write(file, 'no secret');
    expect(await readFile(file, 'utf8')).toBe('no secret');
  });

  it('is stopped in the program itself', async () => {
    const memory = FileMemory.open(join(folder, 'jobs.json'));
    expect(() => memory.update('a', [secrets.password])).toThrow(/would be written/);
    expect(takeFound()).toHaveLength(1);
    expect(await readdir(folder)).toEqual([]);
  });
});
