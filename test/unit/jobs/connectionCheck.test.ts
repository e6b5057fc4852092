// Check Connection against the simulated Furo and real sockets: each step failing, and what the later ones then say.
import { getEventListeners } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  checkSteps,
  isSound,
  type CheckedStep,
  type CheckReport,
  type CheckState,
  type CheckStep,
} from '../../../src/jobs/checkResult';
import { checkLines } from '../../../src/words/checkText';
import { english } from '../../../src/words/translate';
import { Bench, type WindowOptions } from './bench';

let signal: AbortSignal;
let bench: Bench;

beforeEach(async () => {
  signal = new AbortController().signal;
  bench = await Bench.start();
});

afterEach(async () => {
  await bench.stop();
});

function check(options: WindowOptions = {}): Promise<CheckReport> {
  return bench.window(options).check({ signal });
}

function stepOf({ steps }: CheckReport, name: CheckStep): CheckedStep {
  const step = steps.find((each) => each.step === name);
  if (!step) throw new Error(`no step ${name}`);
  return step;
}

/** `ok` for all steps but those named. */
function expectStates(report: CheckReport, others: Partial<Record<CheckStep, CheckState>>): void {
  const states = Object.fromEntries(report.steps.map(({ step, state }) => [step, state]));
  const wanted = Object.fromEntries(checkSteps.map((step) => [step, others[step] ?? 'ok']));
  expect(states).toEqual(wanted);
}

/** All steps after `failed` are not reached. */
function endsAt(failed: CheckStep): Partial<Record<CheckStep, CheckState>> {
  const later = checkSteps.slice(checkSteps.indexOf(failed) + 1);
  return {
    [failed]: 'failed',
    ...Object.fromEntries(later.map((step) => [step, 'notReached'] as const)),
  };
}

/** Puts a command before those of the system in the PATH of the machine. */
function place(command: string, ...lines: readonly string[]): void {
  const file = join(bench.furo.binFolder, command);
  writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
}

/** Lines that every shell of the machine runs when it starts. */
function startUp(...lines: readonly string[]): void {
  appendFileSync(String(bench.furo.environment['BASH_ENV']), `\n${lines.join('\n')}\n`);
}

async function withServer<T>(
  onSocket: (socket: Socket) => void,
  run: (port: number) => Promise<T>,
): Promise<T> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await run((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('a connection that works', () => {
  it('passes every step, in order, and leaves nothing behind', async () => {
    const told: string[] = [];
    const report = await bench.window().check({
      signal,
      onStep: (step, result) => told.push(`${step} ${result?.state ?? 'begins'}`),
    });
    expectStates(report, {});
    expect(isSound(report)).toBe(true);
    expect(told).toEqual(checkSteps.flatMap((step) => [`${step} begins`, `${step} ok`]));
    expect(stepOf(report, 'port').values).toMatchObject({
      banner: 'SSH-2.0-OpenSSH_7.4 Simulated_Furo',
    });
    expect(stepOf(report, 'shell').values).toEqual({ shell: '/bin/bash' });
    const path = join(bench.furo.binFolder, 'pjsub');
    expect(stepOf(report, 'pjm').values).toEqual({ path });
    expect(readdirSync(bench.furo.endpoint.remoteFolder)).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const { steps } = report;
    const lines = checkLines({ steps, course: 'done' }, english, 100).map(({ text }) => text);
    expect(lines[0]).toBe('Everything works.');
    expect(lines.filter((line) => line.startsWith('✓'))).toHaveLength(checkSteps.length);
  });

  it('is not logged in to twice: a standing connection is used', async () => {
    const window = bench.window();
    await window.remote.connect();
    expectStates(await window.check({ signal }), { name: 'skipped', port: 'skipped' });
    expect(window.log.filter((line) => line.startsWith('connecting to'))).toHaveLength(1);
  });

  it('makes the remote folder where it is missing, and says so', async () => {
    const remoteFolder = `${bench.furo.endpoint.remoteFolder}/new/furo`;
    const report = await check({ connection: { remoteFolder } });
    expectStates(report, {});
    expect(stepOf(report, 'folder').finding).toBe('folderCreated');
    expect(existsSync(remoteFolder)).toBe(true);
  });
});

describe('the way to the machine', () => {
  it('names a setting that cannot be used, and goes no further', async () => {
    const report = await check({ connection: { host: '-oProxyCommand=sh' } });
    expectStates(report, endsAt('settings'));
    expect(stepOf(report, 'settings').failure?.reason).toBe('endpointInvalid');
  });

  it('tells a name without an address', async () => {
    const report = await check({ connection: { host: 'no-such-machine.invalid' } });
    expectStates(report, endsAt('name'));
    expect(stepOf(report, 'name').failure?.reason).toBe('hostNotFound');
  });

  it('tells a port where nothing listens', async () => {
    const port = await withServer(() => undefined, (free) => Promise.resolve(free)); // prettier-ignore
    const report = await check({ connection: { port } });
    expectStates(report, endsAt('port'));
    expect(stepOf(report, 'port').failure?.reason).toBe('connectionRefused');
  });

  it.each([
    [
      'another protocol',
      (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      'HTTP/1.1 400',
    ],
    ['a door that is shut at once', (socket: Socket) => socket.end(), 'closed by the server'],
    ['a flood', (socket: Socket) => socket.write('x'.repeat(10_000)), 'xxxx'],
  ] as const)('tells %s', async (_name, answer, detail) => {
    const report = await withServer(answer, (port) => check({ connection: { port } }));
    expectStates(report, endsAt('port'));
    const { failure } = stepOf(report, 'port');
    expect(failure?.reason).toBe('handshakeFailed');
    expect(failure?.values['detail']).toContain(detail);
  });

  it('tells a changed host key, and offers no credential', async () => {
    bench.furo.faults.set({ hostKey: 'other' });
    const report = await check();
    expectStates(report, endsAt('hostKey'));
    expect(stepOf(report, 'hostKey').failure?.reason).toBe('hostKeyChanged');
    const { steps } = report;
    const text = checkLines({ steps, course: 'done' }, english, 200).map((line) => line.text);
    expect(text[0]).toBe('This does not work yet: Host key');
    expect(text.join('\n')).toMatch(/ssh-keygen -f "[^"]+known_hosts" -R "\[127\.0\.0\.1\]:\d+"/);
  });

  it('tells a server that shares no algorithm', async () => {
    bench.furo.faults.set({ hostKey: 'refuse' });
    const report = await check();
    expectStates(report, endsAt('hostKey'));
    expect(stepOf(report, 'hostKey').failure?.reason).toBe('keyExchangeUnshared');
  });

  it('tells a refused login with the host key in order', async () => {
    const report = await check({ connection: { user: 'somebody' } });
    expectStates(report, endsAt('login'));
    expect(stepOf(report, 'login').failure?.reason).toBe('authenticationFailed');
  });

  it('tells a key file that is not there', async () => {
    const report = await check({ connection: { identityFile: join(bench.root, 'none') } });
    expectStates(report, endsAt('login'));
    expect(stepOf(report, 'login').failure?.reason).toBe('keyFileUnreadable');
  });
});

describe('what the account can do', () => {
  it('tells an account without a shell; SFTP is tried all the same', async () => {
    bench.furo.faults.set({ isExecRefused: true });
    const report = await check();
    const later = { pjm: 'notReached', space: 'notReached', clock: 'notReached' } as const;
    expectStates(report, { shell: 'failed', ...later });
    expect(stepOf(report, 'shell').failure?.reason).toBe('channelRefused');
  });

  it('tells start-up files that print something', async () => {
    startUp('echo "Welcome to Flow"');
    const report = await check();
    expectStates(report, { shell: 'warning' });
    expect(stepOf(report, 'shell').values).toMatchObject({ line: 'Welcome to Flow' });
  });

  it('tells start-up files that end the shell', async () => {
    startUp('echo "This account is locked"', 'exit 1');
    const report = await check();
    const later = { pjm: 'notReached', space: 'notReached', clock: 'notReached' } as const;
    expectStates(report, { shell: 'failed', ...later });
    expect(stepOf(report, 'shell').failure?.values['text']).toBe('This account is locked');
  });

  it('tells start-up files that take long', async () => {
    startUp('[ -e "$HOME/slept" ] || { touch "$HOME/slept"; sleep 5; }');
    const report = await check();
    expectStates(report, { shell: 'warning' });
    expect(stepOf(report, 'shell').finding).toBe('shellSlow');
  });

  it('tells a server without SFTP; the batch system is looked at all the same', async () => {
    bench.furo.faults.set({ isSftpRefused: true });
    const report = await check();
    expectStates(report, { sftp: 'failed', folder: 'notReached', space: 'notReached' });
    expect(stepOf(report, 'sftp').failure?.reason).toBe('sftpUnavailable');
  });

  it('tells a machine without pjsub, with the PATH there', async () => {
    startUp('PATH=/usr/bin:/bin');
    const report = await check();
    expectStates(report, { pjm: 'failed' });
    expect(stepOf(report, 'pjm').failure?.values).toEqual({ command: 'pjsub', path: '/usr/bin:/bin' }); // prettier-ignore
  });

  it('tells a PJM that does not answer, in its own words', async () => {
    bench.furo.faults.set({ isDaemonDown: true });
    const report = await check();
    expectStates(report, { pjm: 'failed' });
    expect(stepOf(report, 'pjm').failure?.values['text']).toMatch(/PJM|daemon/i);
  });

  it('stops when the connection goes, and logs in no second time', async () => {
    const window = bench.window();
    const report = await window.check({
      signal,
      onStep: (step, result) => {
        if (step === 'sftp' && !result) bench.furo.faults.cutConnections();
      },
    });
    expectStates(report, endsAt('sftp'));
    expect(stepOf(report, 'sftp').failure?.reason).toBe('connectionLost');
    expect(window.log.filter((line) => line.startsWith('connecting to'))).toHaveLength(1);
  });

  it('ends at once when it is cancelled', async () => {
    const abort = new AbortController();
    bench.furo.faults.set({ isHalfOpen: true });
    const window = bench.window();
    setTimeout(() => {
      abort.abort();
    }, 100);
    await expect(window.check({ signal: abort.signal })).rejects.toThrow(/abort/i);
    bench.furo.faults.clear();
  });
});

describe('the remote folder', () => {
  it.each([
    ['relative', 'data/furo', 'remoteFolderUnusable'],
    ['outside what may be written', '/no-such-root/furo', 'permissionDenied'],
  ])('tells one that is %s', async (_name, remoteFolder, reason) => {
    const report = await check({ connection: { remoteFolder } });
    expectStates(report, { folder: 'failed', space: 'notReached' });
    expect(stepOf(report, 'folder').failure?.reason).toBe(reason);
  });

  it('tells one that is a file', async () => {
    const remoteFolder = `${bench.furo.endpoint.remoteFolder}/file`;
    writeFileSync(remoteFolder, '');
    const report = await check({ connection: { remoteFolder } });
    expectStates(report, { folder: 'failed', space: 'notReached' });
    expect(stepOf(report, 'folder').failure?.reason).toBe('remoteFolderUnusable');
  });

  it('tells one that may not be written to', async () => {
    const remoteFolder = `${bench.furo.endpoint.remoteFolder}/theirs`;
    mkdirSync(remoteFolder);
    chmodSync(remoteFolder, 0o500);
    const report = await check({ connection: { remoteFolder } });
    chmodSync(remoteFolder, 0o700);
    expectStates(report, { folder: 'failed', space: 'notReached' });
    expect(stepOf(report, 'folder').failure?.reason).toBe('permissionDenied');
  });

  it('tells a full disk, and leaves no file', async () => {
    bench.furo.faults.set({ isDiskFull: true });
    const report = await check();
    expectStates(report, { folder: 'failed', space: 'notReached' });
    expect(readdirSync(bench.furo.endpoint.remoteFolder)).toEqual([]);
  });

  it.each([
    ['little room', 'df', ['echo head', 'echo fs 9 9 524288 9% /data'], 'warning', 'spaceLow'],
    ['no answer about room', 'df', ['exit 1'], 'skipped', 'spaceUnknown'],
    [
      'a quota nearly used',
      'lfs',
      ['echo "  /data 950 0 1000 - 10 0 100 -"'],
      'warning',
      'quotaLow',
    ],
    ['a quota with room', 'lfs', ['echo "  /data 500 0 1000 - 10 0 0 -"'], 'ok', 'spaceEnough'],
  ] as const)('tells %s', async (_name, command, lines, state, finding) => {
    place(command, ...lines);
    const report = await check();
    expectStates(report, { space: state });
    expect(stepOf(report, 'space').finding).toBe(finding);
  });

  it('tells a quota that is full', async () => {
    place('lfs', 'echo "  /data 1001* 0 1000 7d 10 0 100 -"');
    const report = await check();
    expectStates(report, { space: 'failed' });
    expect(stepOf(report, 'space').failure?.reason).toBe('diskFull');
  });

  it.each([
    [-600, 'warning', 'clockDiffers'],
    [600, 'warning', 'clockDiffers'],
    [30, 'ok', 'clockAgrees'],
  ] as const)('tells a clock that is %d s off', async (seconds, state, finding) => {
    place('date', `echo $(($(/bin/date +%s) + ${String(seconds)}))`);
    const report = await check();
    expectStates(report, { clock: state });
    const { finding: found, values } = stepOf(report, 'clock');
    expect(found).toBe(finding);
    if (state === 'warning') {
      expect(Number(values?.['seconds'])).toBeGreaterThan(seconds - 3);
      expect(Number(values?.['seconds'])).toBeLessThan(seconds + 3);
    }
  });
});
