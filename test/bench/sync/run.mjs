/**
 * Prints how long a sync takes beside the system's rsync, scp and tar, against Debian's sshd:
 * `node test/bench/sync/run.mjs [--runs 5] [--mib 1024] [--delays 0,50] [--work small,large] [--folder DIR]
 * [--send-buffer MIB]`.
 * A delay is a round trip in milliseconds between two network namespaces (needs root and /dev/net/tun); where these
 * cannot be made, a delaying TCP proxy stands in, which says less about large files.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    mib: { type: 'string', default: '1024' },
    delays: { type: 'string', default: '0,50' },
    work: { type: 'string', default: 'small,large' },
    // A memory disk, so that the line and the programs are measured; 10 GB need another one.
    folder: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    // Of both computers, for one TCP connection; Linux lets it grow to 4 MiB. Only between namespaces.
    'send-buffer': { type: 'string' },
  },
});

const folder = mkdtempSync(join(values.folder, 'furo-bench-'));
const children = [];
const netns = [];

function sh(...words) {
  execFileSync(words[0], words.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function relay(oneWayMs) {
  const names = [`furo-a${process.pid}`, `furo-b${process.pid}`];
  const devices = [`fa${process.pid}`, `fb${process.pid}`];
  for (const name of names) {
    sh('ip', 'netns', 'add', name);
    netns.push(name);
  }
  const child = spawn('python3', [join(here, 'relay.py'), ...devices, String(oneWayMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error('the relay did not start')));
  });
  for (const [index, name] of names.entries()) {
    sh('ip', 'link', 'set', devices[index], 'netns', name);
    const ip = ['ip', '-n', name];
    sh(...ip, 'link', 'set', 'lo', 'up');
    const sendMib = values['send-buffer'];
    if (sendMib !== undefined) {
      const limits = `net.ipv4.tcp_wmem=4096 16384 ${Number(sendMib) * 2 ** 20}`;
      sh('ip', 'netns', 'exec', name, 'sysctl', '-q', '-w', limits);
    }
    sh(...ip, 'addr', 'add', `10.77.0.${index + 1}/24`, 'dev', devices[index]);
    sh(...ip, 'link', 'set', devices[index], 'mtu', '1500', 'txqueuelen', '10000', 'up');
  }
  return { client: ['ip', 'netns', 'exec', names[0]], server: ['ip', 'netns', 'exec', names[1]] };
}

function startServer(prefix, host, port) {
  const at = (name) => join(folder, name);
  for (const key of ['host_key', 'client_key'])
    if (!existsSync(at(key))) sh('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', at(key));
  writeFileSync(at('authorized_keys'), readFileSync(at('client_key.pub')), { mode: 0o600 });
  mkdirSync(at('home'), { recursive: true });
  writeFileSync(
    at('sshd_config'),
    [
      `ListenAddress ${host}`,
      `Port ${port}`,
      `HostKey ${at('host_key')}`,
      `PidFile ${at('sshd.pid')}`,
      `AuthorizedKeysFile ${at('authorized_keys')}`,
      `SetEnv HOME=${at('home')}`,
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'UsePAM no',
      'StrictModes no',
      'UseDNS no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true });
  const words = [...prefix, '/usr/sbin/sshd', '-D', '-f', at('sshd_config')];
  const child = spawn(words[0], words.slice(1), { stdio: 'inherit' });
  children.push(child);
  const [type, key] = readFileSync(at('host_key.pub'), 'utf8').split(' ');
  writeFileSync(at('known_hosts'), `[${host}]:${port} ${type} ${key}\n`);
}

/** A port beside sshd's that takes or gives `mib` MiB without any cipher: what one TCP connection can do on this line. */
function startPlainServer(prefix, host, port) {
  const program = `
    const part = Buffer.alloc(1 << 20);
    require('node:net').createServer({ allowHalfOpen: true }, (line) => {
      line.once('data', (wish) => {
        if (wish[0] === 0x75) return line.resume().once('end', () => line.end());
        let left = ${values.mib};
        const give = () => {
          while (left > 0) { left -= 1; if (!line.write(part)) return; }
          line.end();
        };
        line.on('drain', give);
        give();
      });
    }).listen(${port}, '${host}');`;
  const words = [...prefix, process.execPath, '-e', program];
  children.push(spawn(words[0], words.slice(1), { stdio: 'inherit' }));
}

async function measure(delayMs, bundle) {
  const port = 20_000 + (process.pid % 20_000) + delayMs;
  let link = 'loopback';
  let host = '127.0.0.1';
  let ends = { client: [], server: [] };
  let proxyMs = 0;
  if (delayMs > 0) {
    try {
      ends = await relay(delayMs / 2);
      host = '10.77.0.2';
      link = 'two network namespaces, TUN relay';
    } catch (error) {
      link = `delaying TCP proxy (${error.message})`;
      proxyMs = delayMs / 2;
    }
  }
  startServer(ends.server, host, port);
  startPlainServer(ends.server, host, port + 1);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const common = {
    folder,
    host,
    port,
    link,
    delayMs,
    proxyMs,
    runs: +values.runs,
    mib: +values.mib,
  };
  // A process each, so that the memory of large files is not that of the small ones before.
  for (const work of values.work.split(',')) {
    const config = JSON.stringify({ ...common, work });
    const words = [...ends.client, process.execPath, bundle, config];
    await new Promise((resolve, reject) => {
      const child = spawn(words[0], words.slice(1), { stdio: 'inherit' });
      children.push(child);
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}`))));
    });
  }
}

function stop() {
  for (const child of children.splice(0)) child.kill('SIGTERM');
  for (const name of netns.splice(0)) {
    const pids = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).split('\n');
    for (const pid of pids.filter(Boolean)) process.kill(Number(pid), 'SIGTERM');
    execFileSync('ip', ['netns', 'del', name]);
  }
}

function clear() {
  stop();
  rmSync(folder, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    clear();
    process.exit(1);
  });

try {
  const bundle = join(folder, 'bench.cjs');
  await build({
    entryPoints: [join(here, 'bench.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['cpu-features', '*.node'],
  });
  for (const delay of values.delays.split(',').map(Number)) {
    await measure(delay, bundle);
    stop();
  }
} finally {
  clear();
}
