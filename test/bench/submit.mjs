/**
 * Prints how long it takes from "run" to "submitted" with the program `furo`, beside rsync or scp and `ssh ... pjsub`
 * typed by hand, against the simulated Furo on loopback: `node test/bench/submit.mjs [--runs 5] [--files 200] [--delays 0,50]`.
 * Each way logs in anew, as a command line does; one file is edited before each. A delay is a round trip in
 * milliseconds through a delaying TCP proxy. Needs `npm run build`.
 */
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { setUpDemoModel, setUpPython } from '../../scripts/steps/python.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const program = join(root, 'dist/cli.js');
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    files: { type: 'string', default: '200' },
    delays: { type: 'string', default: '0,50' },
  },
});

const work = mkdtempSync(join(tmpdir(), 'furo-bench-'));
const project = join(work, 'project');
const config = join(work, 'config');
const call = promisify(execFile);

async function startFuro() {
  const { python } = await setUpPython(console.error);
  const model = await setUpDemoModel(python, console.error);
  const places = ['--root', join(work, 'furo'), '--python', python, '--model', model];
  const child = spawn(process.execPath, [program, 'demo', '--serve', ...places], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('exit', () => reject(new Error('the simulated Furo ended at once')));
  });
  return { child, ...JSON.parse(line) };
}

/** A port from which everything reaches `port` half of `roundTripMs` later, and back. */
async function delayed(port, roundTripMs) {
  const later = (from, to) => {
    from.on('data', (bytes) => setTimeout(() => to.destroyed || to.write(bytes), roundTripMs / 2));
    from.on('end', () => setTimeout(() => to.end(), roundTripMs / 2));
    from.on('error', () => to.destroy());
  };
  const proxy = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    later(near, far);
    later(far, near);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return proxy;
}

function makeProject() {
  cpSync(join(root, 'examples'), project, { recursive: true });
  rmSync(join(project, 'furo-results'), { recursive: true, force: true });
  writeFileSync(
    join(project, 'hello.sh'),
    '#!/bin/bash\n#PJM -L rscgrp=cx-share\n#PJM -L gpu=1\n#PJM -L elapse=0:01:00\necho hello\n',
  );
  for (let index = 0; index < +values.files; index++) {
    mkdirSync(join(project, `p${index % 10}`), { recursive: true });
    const text = `# ${index}\n`.repeat(400);
    writeFileSync(join(project, `p${index % 10}`, `m${index}.py`), text);
  }
}

function filesIn(folder) {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).length;
}

/** The settings of `furo` and the trusted key for this port. */
function configure({ knownHostsLine, ...settings }, port) {
  const own = { ...settings, 'furo.connection.port': port };
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, 'settings.json'), JSON.stringify(own));
  const line = knownHostsLine.replace(/:\d+/, `:${port}`);
  for (const name of ['known_hosts', 'trusted']) writeFileSync(join(config, name), `${line}\n`);
  return own;
}

async function measure(settings) {
  const at = (key) => settings[`furo.connection.${key}`];
  const login = ['-F', 'none', '-i', at('identityFile'), '-o', 'BatchMode=yes'];
  const ssh = [...login, '-o', `UserKnownHostsFile=${join(config, 'trusted')}`];
  const target = `${at('user')}@${at('host')}`;
  const submit = (folder) =>
    call('ssh', [...ssh, '-p', at('port'), target, `cd ${folder} && pjsub hello.sh`]);
  const byHand = `${at('remoteFolder')}/by-hand`;
  const copied = `${at('remoteFolder')}/copied`;
  await call('ssh', [...ssh, '-p', at('port'), target, `mkdir -p ${byHand} ${copied}`]);
  const env = { ...process.env, FURO_CONFIG: config, LANG: 'C.UTF-8' };
  const ways = {
    'furo run': () =>
      call(process.execPath, [program, '-C', project, 'run', 'hello.sh', '--detach'], { env }),
    'rsync, then ssh pjsub': async () => {
      const shell = ['ssh', ...ssh, '-p', at('port')].join(' ');
      await call('rsync', ['-a', '--delete', '-e', shell, `${project}/`, `${target}:${byHand}/`]);
      return submit(byHand);
    },
    'scp -r, then ssh pjsub': async () => {
      await call('scp', [...ssh, '-P', at('port'), '-q', '-r', project, `${target}:${copied}`]);
      return submit(`${copied}/project`);
    },
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let turn = -1; turn < +values.runs; turn++)
    for (const [name, way] of Object.entries(ways)) {
      writeFileSync(join(project, 'p0/m0.py'), `# edited ${turn} before ${name}\n`);
      const start = performance.now();
      const { stdout } = await way();
      const seconds = (performance.now() - start) / 1000;
      if (!/\b\d{6,}\b.*submitted/.test(stdout)) throw new Error(`${name} said: ${stdout}`);
      if (turn >= 0) times[name].push(seconds); // the first sends everything
    }
  return times;
}

function print(delay, times) {
  const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
  const ours = median(times['furo run']);
  for (const [name, all] of Object.entries(times)) {
    const ratio = (ours / median(all)).toFixed(2);
    console.log(`| ${name} | ${delay} ms | ${median(all).toFixed(2)} s | ${ratio} |`);
  }
}

let furo;
try {
  const { child, ...settings } = await startFuro();
  furo = child;
  makeProject();
  console.log(
    `| one edited file of ${filesIn(project)}, to "submitted" | round trip | median | ours x |`,
  );
  console.log('|---|---|---|---|');
  for (const delay of values.delays.split(',').map(Number)) {
    const port = settings['furo.connection.port'];
    const proxy = delay > 0 ? await delayed(port, delay) : undefined;
    print(delay, await measure(configure(settings, proxy?.address().port ?? port)));
    proxy?.close();
  }
} finally {
  furo?.kill('SIGTERM');
  if (furo) await new Promise((resolve) => furo.once('close', resolve));
  rmSync(work, { recursive: true, force: true });
}
