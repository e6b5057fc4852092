// Six logins in ten minutes, over all windows that share a file.
import { fork } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import { silentLogger } from '../../../src/base/log';
import { openLoginMemory } from '../../../src/jobs/loginMemory';
import { LoginBudget } from '../../../src/ssh/loginBudget';
import { ManualClock } from './manualClock';

const minute = 60_000;
const target = { host: 'login.example', port: 22, user: 'me' };
let folder: string;
let file: string;
let clock: ManualClock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-logins-'));
  file = join(folder, 'state', 'logins');
  clock = new ManualClock();
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function openWindow(options: { file?: string } = { file }): LoginBudget {
  return new LoginBudget({ ...options, clock, log: silentLogger });
}

/** How many of them were allowed; any other failure than `tooManyLogins` is thrown. */
async function allowed(tries: readonly Promise<unknown>[]): Promise<number> {
  const results = await Promise.allSettled(tries);
  for (const result of results)
    if (result.status === 'rejected' && !isFailure(result.reason, 'tooManyLogins'))
      throw result.reason;
  return results.filter(({ status }) => status === 'fulfilled').length;
}

it('are shared by windows that ask at the same moment', async () => {
  const windows = [openWindow(), openWindow(), openWindow()];
  const tries = Array.from({ length: 30 }, (_, index) => windows[index % 3]!.take(target));
  expect(await allowed(tries)).toBe(6);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

it('say how long to wait, and are free again after that', async () => {
  const window = openWindow();
  for (let login = 0; login < 6; login++) {
    await window.take(target);
    clock.pass(minute);
  }
  await expect(openWindow().take(target)).rejects.toMatchObject({
    reason: 'tooManyLogins',
    values: { host: 'login.example', limit: 6, minutes: 10, seconds: 240 },
  });
  clock.pass(4 * minute - 1);
  expect(await allowed([openWindow().take(target)])).toBe(0);
  clock.pass(1);
  expect(await allowed([openWindow().take(target), window.take(target)])).toBe(1);
});

it('are counted for each account of each machine', async () => {
  const window = openWindow();
  for (const other of [target, { ...target, host: 'b' }, { ...target, user: 'you' }])
    expect(await allowed(Array.from({ length: 8 }, () => window.take(other)))).toBe(6);
});

it('do not count what did not reach the machine', async () => {
  const window = openWindow();
  for (let offline = 0; offline < 50; offline++) await (await window.take(target)).giveBack();
  expect(await allowed(Array.from({ length: 8 }, () => window.take(target)))).toBe(6);
});

it('survive a crash in the middle of a line, and bytes of somebody else', async () => {
  const window = openWindow();
  await window.take(target);
  appendFileSync(file, '17676\n\u0000\u0001 broken line\n99999999999999999999 x y\n- \n');
  expect(await allowed(Array.from({ length: 8 }, () => openWindow().take(target)))).toBe(5);
});

it('lock nobody out for longer when the clock was set back', async () => {
  const window = openWindow();
  expect(await allowed(Array.from({ length: 6 }, () => window.take(target)))).toBe(6);
  clock.sleep(-24 * 60 * minute);
  expect(await allowed([window.take(target)])).toBe(1);
});

it('are counted in memory where the file cannot be written', async () => {
  writeFileSync(join(folder, 'state'), 'a file where the folder should be');
  const window = openWindow();
  expect(await allowed(Array.from({ length: 8 }, () => window.take(target)))).toBe(6);
  const alone = openWindow({});
  expect(await allowed(Array.from({ length: 8 }, () => alone.take(target)))).toBe(6);
});

it('keep the file short', async () => {
  const window = openWindow();
  for (let login = 0; login < 600; login++) {
    await window.take({ ...target, host: `host${login}` });
    clock.pass(2_000);
  }
  expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(510);
  expect(await allowed(Array.from({ length: 8 }, () => window.take(target)))).toBe(6);
});

it('that were given back stay so when the file is shortened', async () => {
  const window = openWindow();
  for (let offline = 0; offline < 240; offline++) await (await window.take(target)).giveBack();
  for (let other = 0; other < 30; other++) await window.take({ ...target, host: `host${other}` });
  expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(100);
  expect(await allowed(Array.from({ length: 8 }, () => openWindow().take(target)))).toBe(6);
});

it('are shared by processes', async () => {
  const program = join(folder, 'window.cjs');
  const source = `
    import { LoginBudget } from './src/ssh/loginBudget';
    import { systemClock } from './src/base/clock';
    import { silentLogger } from './src/base/log';
    const budget = new LoginBudget({ file: process.argv[2], clock: systemClock, log: silentLogger });
    const tries = Array.from({ length: 4 }, () => budget.take({ host: 'h', port: 22, user: 'u' }));
    Promise.allSettled(tries).then((results) => {
      process.exitCode = results.filter(({ status }) => status === 'fulfilled').length;
    });`;
  await build({
    stdin: { contents: source, resolveDir: join(import.meta.dirname, '../../..') },
    bundle: true,
    platform: 'node',
    outfile: program,
    logLevel: 'error',
  });
  const codes = Array.from(
    { length: 4 },
    () => new Promise<number>((resolve) => fork(program, [file]).once('exit', (code) => { resolve(code ?? 99); })), // prettier-ignore
  );
  expect((await Promise.all(codes)).reduce((sum, code) => sum + code, 0)).toBe(6);
});

it('are counted together by what the extension opens in each window', async () => {
  const secrets = { get: () => Promise.resolve(undefined), store: () => Promise.resolve(), delete: () => Promise.resolve() }; // prettier-ignore
  const openIt = () => openLoginMemory(secrets, { folder, clock, log: silentLogger });
  const windows = [openIt(), openIt()];
  const tries = Array.from({ length: 10 }, (_, index) => windows[index % 2]!.logins.take(target));
  expect(await allowed(tries)).toBe(6);
});
