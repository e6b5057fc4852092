// The name of this computer: made once, the same for everyone after, and never a reason to stop.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/base/log';
import { computerName, configFolder } from '../../../src/jobs/computer';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'furo-computer-'));
  folder = join(root, 'config', 'furo-workflows');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

const name = (where = folder) => computerName(where, silentLogger);

describe('the name of a computer', () => {
  it('is made at first use and kept, apart from the host name', () => {
    const first = name();
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect([name(), name()]).toEqual([first, first]);
    expect(readFileSync(join(folder, 'computer-id'), 'utf8')).toBe(`${first}\n`);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(name(join(root, 'other'))).not.toBe(first);
  });

  it('is made anew when its file is broken', () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'computer-id'), '');
    const first = name();
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(name()).toBe(first);
  });

  it('is the host name where no file can be kept, and the log says so', () => {
    writeFileSync(join(root, 'config'), 'a file, not a folder');
    const told: string[] = [];
    const log = { ...silentLogger, warn: (text: string) => told.push(text) };
    expect(computerName(folder, log)).toBe(hostname());
    expect(told).toEqual([expect.stringContaining('was not written')]);
  });

  it('lies where the command line keeps its settings', () => {
    vi.stubEnv('FURO_CONFIG', undefined);
    vi.stubEnv('XDG_CONFIG_HOME', '/x');
    expect(configFolder()).toBe('/x/furo-workflows');
    vi.stubEnv('FURO_CONFIG', '/mine');
    expect(configFolder()).toBe('/mine');
  });
});
