// Measures syncs and transfers beside the system's programs over one link and prints a table. Started by run.mjs.
import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import { SshConnection } from '../../../src/ssh/connection';
import { remotePath } from '../../../src/ssh/remote';
import { syncProject } from '../../../src/sync/upload';
import { TcpProxy } from '../../sshd/tcpProxy';

interface Config {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly link: string;
  readonly delayMs: number;
  readonly proxyMs: number;
  readonly runs: number;
  readonly mib: number;
  readonly work: 'small' | 'large';
}

const config = JSON.parse(process.argv[2] ?? '') as Config;
const at = (...parts: string[]): string => join(config.folder, ...parts);
let { host, port } = config;
const sshOptions = (): string[] => [
  ...['-F', 'none', '-i', at('client_key'), '-o', `UserKnownHostsFile=${at('known_hosts')}`],
  ...['-o', 'StrictHostKeyChecking=yes', '-o', 'BatchMode=yes'],
];
const warm = (): string[] => [...sshOptions(), '-o', `ControlPath=${at('ctl')}`];

function connection(through = { host, port }): SshConnection {
  return new SshConnection({
    endpoint: {
      ...through,
      user: userInfo().username,
      identityFiles: [at('client_key')],
      identitiesOnly: true,
      identityAgent: 'none',
      knownHostsFiles: [at('known_hosts')],
    },
    trustFile: at('trusted_hosts'),
    prompts: {
      confirmHostKey: () => Promise.resolve(true),
      askPassphrase: () => Promise.resolve(undefined),
      askPassword: () => Promise.resolve(undefined),
      askKeyboard: () => Promise.resolve(undefined),
    },
    log: silentLogger,
    clock: systemClock,
  });
}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with ${String(code)}`));
    });
  });
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Each way in turn, `runs` times, so that the load of other programs falls on all of them; medians. */
async function compare(
  ways: Readonly<Record<string, () => Promise<unknown>>>,
  runs = config.runs,
  before: () => void = () => undefined,
): Promise<Record<string, number>> {
  const times = new Map<string, number[]>();
  for (let turn = 0; turn < runs; turn++)
    for (const [name, work] of Object.entries(ways)) {
      before();
      times.set(name, [...(times.get(name) ?? []), await seconds(work)]);
    }
  const median = (all: readonly number[]): number =>
    [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN;
  return Object.fromEntries([...times].map(([name, all]) => [name, median(all)]));
}

function row(work: string, times: Record<string, number>, bar: string): void {
  const [ours = NaN, ...others] = Object.values(times);
  const names = Object.keys(times).slice(1);
  const beside = others.map(
    (time, index) =>
      `${names[index] ?? ''} ${time.toFixed(2)} s (ours x ${(ours / time).toFixed(2)})`,
  );
  console.log(`| ${work} | ${ours.toFixed(2)} s | ${beside.join(', ')} | ${bar} |`);
}

const words = 'def return import model tokens batch for in range self torch config path json'.split(
  ' ',
);

/** Source text of some kilobytes; every file is different. */
function source(seed: number): string {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  let text = '';
  while (text.length < 5_900) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const word = words[(state >>> 16) % words.length] ?? '';
    text += `${word}_${(state >>> 8).toString(36)}${state & 0x70000 ? ' ' : '\n'}`;
  }
  return text;
}

const project = at('project');
const there = (name: string): string => at('there', name);

function makeProject(): void {
  const old = Math.floor(Date.now() / 1000) - 3600;
  for (let index = 0; index < 2_000; index++) {
    const folder = join(project, `p${index % 11}`, `m${index % 110}`);
    fs.mkdirSync(folder, { recursive: true });
    const file = join(folder, `f${index}.py`);
    fs.writeFileSync(file, source(index));
    fs.utimesSync(file, old, old);
  }
}

function editThree(): void {
  for (const index of [3, 700, 1999])
    fs.writeFileSync(
      join(project, `p${index % 11}`, `m${index % 110}`, `f${index}.py`),
      source(Date.now() + index),
    );
}

function sync(remote: SshConnection, localFolder: string, name: string) {
  return syncProject({
    files: remote.files,
    exec: remote.exec.bind(remote),
    localFolder,
    remoteFolder: remotePath(there(name)),
    exclude: [],
    limits: { maxFiles: 100_000, maxBytes: 2 ** 40 },
  });
}

const remoteName = (path: string): string => `${userInfo().username}@${host}:${path}`;
const rsync = (options: string[], from: string, to: string): Promise<void> =>
  run('rsync', ['-a', '-e', ['ssh', ...options, '-p', String(port)].join(' '), from, to]);

async function smallFiles(remote: SshConnection): Promise<void> {
  let fresh = 0;
  const target = (): string => `n${(fresh += 1)}`;
  const first = await compare({
    ours: () => sync(remote, project, target()),
    'rsync warm': () => rsync(warm(), `${project}/`, remoteName(there(target()))),
    'rsync cold': () => rsync(sshOptions(), `${project}/`, remoteName(there(target()))),
    'tar | ssh warm': () => {
      const to = there(target());
      const ssh = ['ssh', ...warm(), '-p', String(port), host].join(' ');
      return run('sh', [
        '-c',
        `tar cf - -C ${project} . | ${ssh} 'mkdir ${to}; tar xf - -C ${to}'`,
      ]);
    },
  });
  row('first sync of 2,000 files, 11.8 MB', first, '<= 0.8 x rsync warm');
  await sync(remote, project, 'same');
  await rsync(warm(), `${project}/`, remoteName(there('same-rsync')));
  const same = await compare({
    ours: () => sync(remote, project, 'same'),
    'rsync warm': () => rsync(warm(), `${project}/`, remoteName(there('same-rsync'))),
    'rsync cold': () => rsync(sshOptions(), `${project}/`, remoteName(there('same-rsync'))),
  });
  row('no-op sync of 2,000 files', same, '<= 0.3 x rsync warm');
  const three = await compare(
    {
      ours: async () => {
        const { uploaded } = await sync(remote, project, 'same');
        if (uploaded !== 3) throw new Error(`${uploaded} files instead of 3`);
      },
      'rsync warm': () => rsync(warm(), `${project}/`, remoteName(there('same-rsync'))),
    },
    config.runs,
    editThree,
  );
  row('3 changed files', three, '');
}

/** One TCP connection without a cipher, to the port beside sshd's; a program of its own, whose memory is not ours. */
const PLAIN = `
import socket, sys
host, port, way, mib = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
line = socket.create_connection((host, port))
line.sendall(way[0].encode())
if way == 'up':
    part = bytes(1 << 20)
    for _ in range(mib):
        line.sendall(part)
    line.shutdown(socket.SHUT_WR)
while line.recv(1 << 20):
    pass
`;

function plainly(way: 'up' | 'down'): Promise<void> {
  return run('python3', ['-c', PLAIN, host, String(config.port + 1), way, String(config.mib)]);
}

async function largeFile(remote: SshConnection): Promise<void> {
  const folder = at('large');
  const file = join(folder, 'file');
  fs.mkdirSync(folder);
  await run('sh', ['-c', `head -c ${config.mib}M /dev/urandom >${file}`]);
  fs.mkdirSync(there('up'), { recursive: true });
  const port_ = ['-P', String(port)];
  const clear = (): void => {
    for (const path of [there('up'), at('down')]) fs.rmSync(path, { recursive: true, force: true });
    fs.mkdirSync(there('up'));
    fs.mkdirSync(at('down'));
  };
  const delays = { p99: 0, max: 0 };
  const atFirst = process.memoryUsage().rss;
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20);
  const watched = async (work: () => Promise<unknown>): Promise<void> => {
    // A new one each time: what happens while it is off would count as one long delay.
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await work();
    delay.disable();
    delays.p99 = Math.max(delays.p99, delay.percentile(99) / 1e6);
    delays.max = Math.max(delays.max, delay.max / 1e6);
  };
  const bar = config.delayMs > 0 ? '<= 0.5 x scp' : '<= 1.1 x scp';
  const up = await compare(
    {
      ours: () => watched(() => remote.files.upload(file, remotePath(there('up/ours')))),
      scp: () => run('scp', ['-q', ...sshOptions(), ...port_, file, remoteName(there('up/scp'))]),
      rsync: () => rsync(sshOptions(), file, remoteName(there('up/rsync'))),
      'plain TCP': () => plainly('up'),
    },
    config.runs,
    clear,
  );
  row(`${config.mib} MiB up`, up, bar);
  const whole = await compare(
    { ours: () => watched(() => sync(remote, folder, 'up/project')) },
    config.runs,
    clear,
  );
  const whole_ = { ...whole, scp: up['scp'] ?? NaN };
  row(`${config.mib} MiB up as a sync: hashed here, verified there, renamed`, whole_, '');
  const remoteFile = file;
  const down = await compare(
    {
      ours: () => watched(() => remote.files.download(remotePath(remoteFile), at('down/ours'))),
      scp: () =>
        run('scp', ['-q', ...sshOptions(), ...port_, remoteName(remoteFile), at('down/scp')]),
      rsync: () => rsync(sshOptions(), remoteName(remoteFile), at('down/rsync')),
      'plain TCP': () => plainly('down'),
    },
    config.runs,
    clear,
  );
  row(`${config.mib} MiB down`, down, bar);
  clearInterval(sampler);
  const p99 = delays.p99.toFixed(1);
  const max = delays.max.toFixed(1);
  console.log(
    `| event loop delay in these transfers | p99 ${p99} ms, longest ${max} ms | | <= 50 ms |`,
  );
  const grown = ((peak - atFirst) / 2 ** 20).toFixed(0);
  console.log(
    `| peak memory of the process | ${(peak / 2 ** 20).toFixed(0)} MiB (+ ${grown}) | | <= 150 MB |`,
  );
}

async function connecting(): Promise<void> {
  const times = await compare({
    ours: async () => {
      const fresh = connection();
      await fresh.exec('true');
      fresh.dispose();
    },
    'ssh HOST true': () => run('ssh', [...sshOptions(), '-p', String(port), host, 'true']),
  });
  row('connect to first command', times, '<= ssh HOST true');
}

/** Through a proxy that is slow enough to tell round trips apart from computing. */
async function roundTrips(): Promise<void> {
  if (config.delayMs > 0) return;
  const proxy = await TcpProxy.start({ port, delayMs: 150 });
  const known = fs.readFileSync(at('known_hosts'), 'utf8');
  fs.appendFileSync(at('known_hosts'), known.replace(String(port), String(proxy.port)));
  const remote = connection({ host: '127.0.0.1', port: proxy.port });
  await sync(remote, project, 'counted');
  const counted = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = proxy.roundTrips;
    await sync(remote, project, 'counted');
    return proxy.roundTrips - before;
  };
  await counted();
  console.log(`| no-op sync of 2,000 files | ${await counted()} round trips | | <= 2 |`);
  editThree();
  console.log(`| 3 changed files | ${await counted()} round trips | | <= 5 |`);
  remote.dispose();
  proxy.stop();
}

async function main(): Promise<void> {
  const proxy =
    config.proxyMs > 0 ? await TcpProxy.start({ port, delayMs: config.proxyMs }) : undefined;
  if (proxy) {
    const known = fs.readFileSync(at('known_hosts'), 'utf8');
    port = proxy.port;
    host = '127.0.0.1';
    fs.writeFileSync(at('known_hosts'), known.replace(/\]:\d+/, `]:${port}`));
  }
  fs.mkdirSync(at('there'));
  if (config.work === 'small') makeProject();
  const { delayMs, link, runs } = config;
  const load = fs.readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '';
  console.log(
    `\n${delayMs} ms round trip (${link}), median of ${runs}, load ${load} at the start\n`,
  );
  console.log('| work | ours | others | bar |\n|---|---|---|---|');
  execFileSync('ssh', [...warm(), '-M', '-f', '-N', '-p', String(port), host], { stdio: 'ignore' });
  const remote = connection();
  await remote.connect();
  if (config.work === 'small') {
    await connecting();
    await roundTrips();
    await smallFiles(remote);
  } else await largeFile(remote);
  remote.dispose();
  execFileSync('ssh', [...warm(), '-O', 'exit', host], { stdio: 'ignore' });
  proxy?.stop();
  for (const name of ['there', 'project', 'large', 'down'])
    fs.rmSync(at(name), { recursive: true, force: true });
}

void main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
