// The state on disk: written soon, whole, with a version, changes at once; what cannot be read is set aside.
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

function makeFile(
  snapshot: () => unknown,
  changes: () => unknown = () => undefined,
): StateFile<unknown> {
  return new StateFile({ path, clock: systemClock, log: silentLogger, snapshot, changes });
}

function read(): unknown {
  return readStateFile(path, silentLogger);
}

it('writes changes that come together once, and reads them back', async () => {
  let count = 0;
  const file = makeFile(() => ({ count: ++count }));
  for (let change = 0; change < 50; change++) file.touch();
  expect(existsSync(path)).toBe(false);
  await until(() => existsSync(path));
  file.dispose();
  expect(read()).toEqual({ state: { count: 1 }, changes: [] });
  expect(readdirSync(join(folder, 'state'))).toEqual(['scheduler.json']);
});

it('writes at the end what was still waiting', () => {
  const file = makeFile(() => 'last');
  file.touch();
  file.dispose();
  expect(read()).toEqual({ state: 'last', changes: [] });
});

it.each(['{"version":99,"state":1}', '{"version":1,"sta', ''])('sets %j aside', (text) => {
  const file = makeFile(() => 1);
  file.flush();
  writeFileSync(path, text);
  expect(read()).toBeUndefined();
  expect(readFileSync(`${path}.unreadable`, 'utf8')).toBe(text);
  expect(read()).toBeUndefined();
});

describe('changes', () => {
  let waiting: unknown[] = [];
  const take = (): unknown => waiting.shift();

  beforeEach(() => {
    waiting = [];
  });

  const journals = (): string[] =>
    readdirSync(join(folder, 'state')).filter((name) => name.endsWith('.journal'));

  it('are on disk when `keep` returns, without a snapshot and in order', () => {
    let snapshots = 0;
    const file = makeFile(() => (snapshots += 1), take);
    file.flush();
    for (const change of ['one', 'two']) {
      waiting = [{ change }];
      file.touch();
      file.keep();
    }
    file.keep();
    expect(read()).toEqual({ state: 1, changes: [{ change: 'one' }, { change: 'two' }] });
    expect(snapshots).toBe(1);
    file.dispose();
    expect(read()).toEqual({ state: 2, changes: [] });
    expect(journals()).toEqual([]);
  });

  it('write the first snapshot when there is none yet', () => {
    waiting = ['one'];
    makeFile(() => 'all', take).keep();
    expect(read()).toEqual({ state: 'all', changes: [] });
  });

  it('of an older snapshot are not put on a newer one', () => {
    const file = makeFile(() => 'state', take);
    file.flush();
    waiting = ['old'];
    file.keep();
    const [journal = ''] = journals();
    const text = readFileSync(join(folder, 'state', journal), 'utf8');
    file.flush();
    // As if the process had died between the new snapshot and the removal of the old journal.
    writeFileSync(join(folder, 'state', journal), text);
    expect(read()).toEqual({ state: 'state', changes: [] });
  });

  it('end before a line that the process did not finish', () => {
    const file = makeFile(() => 'state', take);
    file.flush();
    waiting = ['whole'];
    file.keep();
    appendFileSync(join(folder, 'state', String(journals()[0])), '{"broken\n{"torn');
    expect(read()).toEqual({ state: 'state', changes: ['whole'] });
  });
});
