// The state on disk: written soon, whole, with a version; what cannot be read is set aside.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import { readStateFile, StateFile } from '../../../src/simulator/stateFile';
import { until } from './loginNode';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-state-'));
  path = join(folder, 'state/scheduler.json');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function makeFile(snapshot: () => unknown): StateFile<unknown> {
  return new StateFile({ path, clock: systemClock, log: silentLogger, snapshot });
}

it('writes changes that come together once, and reads them back', async () => {
  let count = 0;
  const file = makeFile(() => ({ count: ++count }));
  for (let change = 0; change < 50; change++) file.touch();
  expect(existsSync(path)).toBe(false);
  await until(() => existsSync(path));
  file.dispose();
  expect(readStateFile(path, silentLogger)).toEqual({ count: 1 });
  expect(readdirSync(join(folder, 'state'))).toEqual(['scheduler.json']);
});

it('writes at the end what was still waiting', () => {
  const file = makeFile(() => 'last');
  file.touch();
  file.dispose();
  expect(readStateFile(path, silentLogger)).toBe('last');
});

it.each(['{"version":99,"state":1}', '{"version":1,"sta', ''])('sets %j aside', (text) => {
  const file = makeFile(() => 1);
  file.flush();
  writeFileSync(path, text);
  expect(readStateFile(path, silentLogger)).toBeUndefined();
  expect(readFileSync(`${path}.unreadable`, 'utf8')).toBe(text);
  expect(readStateFile(path, silentLogger)).toBeUndefined();
});
