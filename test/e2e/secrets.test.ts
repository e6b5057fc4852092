// A whole job with an encrypted key, with umask 000: what is left on disk holds no secret and is for its owner alone.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { utils } from 'ssh2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { settingsFor } from '../../src/cli/demo';
import { Bench, script } from '../unit/jobs/bench';

const program = join(import.meta.dirname, '../../dist/cli.js');
const PASSPHRASE = 'canary-passphrase-2b61';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});

afterEach(async () => {
  await bench.stop();
});

/** The command in a terminal of its own, with the passphrase typed when it is asked for. */
function inTerminal(command: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('script', ['-q', '-e', '-c', `umask 000; ${command}`, '/dev/null'], { env });
  let shown = '';
  let isTyped = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    if (isTyped || !shown.includes('Passphrase of ')) return;
    isTyped = true;
    child.stdin.write(`${PASSPHRASE}\r`);
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(shown);
      else reject(new Error(`exit ${String(code)}: ${shown}`));
    });
  });
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Others may read the file or change it: no folder above it keeps them out. */
function isOpen(file: string, top: string): boolean {
  for (let at = file; at !== top; at = dirname(at))
    if ((statSync(at).mode & 0o077) === 0) return false;
  return true;
}

it.skipIf(process.platform !== 'linux')(
  'leaves neither passphrase nor key in any file, and nothing that others may read',
  async () => {
    const { identityFile } = bench.connection;
    const [config, temporary, keys] = ['config', 'tmp', 'locked'].map((name) => {
      const folder = join(bench.root, name);
      // Open for all, so that what is made in it must be closed by itself.
      mkdirSync(folder);
      chmodSync(folder, 0o755);
      return folder;
    }) as [string, string, string];
    const key = join(keys, 'key');
    copyFileSync(identityFile, key);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-a', '1', '-f', key]);
    const opened = utils.parseKey(readFileSync(identityFile));
    if (opened instanceof Error) throw opened;
    const body = opened.getPrivatePEM().split('\n')[1] ?? '';
    expect(body.length).toBeGreaterThan(40);
    writeFileSync(join(config, 'known_hosts'), `${bench.furo.endpoint.knownHostsLine}\n`);
    const settings = settingsFor({ endpoint: { ...bench.connection, identityFile: key } });
    const values = { ...settings, 'furo.job.modules': [] };
    writeFileSync(join(config, 'settings.json'), JSON.stringify(values));
    bench.write('hello.sh', script('echo hello'));
    const before = new Set(files(bench.root));

    const shown = await inTerminal(
      `${process.execPath} ${program} -C ${bench.workspace} run hello.sh`,
      {
        PATH: process.env['PATH'],
        HOME: bench.root,
        FURO_CONFIG: config,
        TMPDIR: temporary,
        LANG: 'C.UTF-8',
      },
    );

    expect(shown).toMatch(/state +done/);
    const secrets = [PASSPHRASE, Buffer.from(PASSPHRASE).toString('base64').slice(0, 24), body];
    const written = files(bench.root).filter((file) => !before.has(file));
    expect(written.length).toBeGreaterThan(10);
    for (const secret of secrets) {
      expect(shown).not.toContain(secret);
      for (const file of written)
        expect(readFileSync(file).includes(secret), `${secret} in ${file}`).toBe(false);
    }
    expect(written.filter((file) => isOpen(file, bench.root))).toEqual([]);
  },
);
