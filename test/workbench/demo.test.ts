// `npm run demo -- --vscode` with and without a desktop VS Code: what to look at, what to click, and nothing left after.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requires } from '../requirements';
import { root } from './globalSetup';

const python = process.env['FURO_TEST_PYTHON'] ?? '';
const model = process.env['FURO_TEST_MODEL'] ?? '';
const limitMs = 90_000;

const program = `
  const { openWorkbench } = await import(process.argv[1]);
  const [, , root, python, model] = process.argv;
  process.exitCode = await openWorkbench({ root, python, model, log: console.log });
`;

/**
 * Stands in for desktop VS Code: installs nothing, writes down its words, keeps its
 * id in code.lock as the main process does, and stays until it is ended.
 */
const desktopCode = `#!/bin/bash
trap 'echo ended >>"$FURO_STUB_LOG"; exit 0' TERM
case "$*" in --version|*--install-extension*) echo "$*" >>"$FURO_STUB_LOG"; exit 0;; esac
echo $$ >"$2/code.lock"
echo "$*" >>"$FURO_STUB_LOG"
while :; do sleep 0.1; done
`;

/** The script in a world of its own: no browser that opens, all its folders in one, a desktop `code` only where asked. */
function start(work: string, desktop?: string) {
  const all = (process.env['PATH'] ?? '').split(delimiter);
  const folders = all.filter((folder) => !existsSync(join(folder, 'code')));
  const PATH = [...(desktop === undefined ? [] : [desktop]), ...folders].join(delimiter);
  const script = join(root, 'scripts/steps/openWorkbench.mjs');
  const words = ['--input-type=module', '-e', program, script, root, python, model];
  const child = spawn(process.execPath, words, {
    env: {
      ...process.env,
      PATH,
      TMPDIR: work,
      BROWSER: '/bin/true',
      FURO_STUB_LOG: join(desktop ?? work, 'log'),
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, output: () => output };
}

/** Processes whose command line or environment names a folder. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    return ['cmdline', 'environ'].some((file) => {
      try {
        return readFileSync(join('/proc', pid, file), 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
  });
}

async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(what());
    await delay(100);
  }
}

requires(
  'python',
  'model',
  'editor',
)('the demo in VS Code', () => {
  let work: string;
  let desktop: string;

  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'furo-demo-test-'));
    desktop = mkdtempSync(join(tmpdir(), 'furo-desktop-'));
  });

  afterEach(() => {
    for (const folder of [work, desktop]) rmSync(folder, { recursive: true, force: true });
  });

  it('opens a page, says what to click, and leaves nothing when it is ended', async () => {
    const demo = start(work);
    try {
      await until(() => demo.output().includes('Ctrl+C ends it'), demo.output);
      const [address = ''] = /http:\/\/127\.0\.0\.1:\S+/.exec(demo.output()) ?? [];
      const folder = new URL(address).searchParams.get('folder') ?? '';
      expect(existsSync(join(folder, 'data/questions.jsonl'))).toBe(true);
      expect(demo.output()).toContain('right-click questions.jsonl');
      expect(demo.output()).toContain('"Run on Furo cx-single"');
      const page = await fetch(address);
      expect([page.status, await page.text()]).toEqual([
        200,
        expect.stringContaining('workbench') as string,
      ]);
      expect(processesOf(work).length).toBeGreaterThan(2);
      demo.child.kill('SIGTERM');
      await nothingLeft(demo);
      await expect(fetch(address)).rejects.toThrow();
    } finally {
      demo.child.kill('SIGKILL');
    }
  }, 150_000);

  it.each(['the demo', 'the window'])(
    'opens the desktop editor where there is one, until %s is ended',
    async (which) => {
      writeFileSync(join(desktop, 'code'), desktopCode, { mode: 0o700 });
      const log = () => readFileSync(join(desktop, 'log'), 'utf8').trim().split('\n');
      const demo = start(work, desktop);
      try {
        await until(() => demo.output().includes('Ctrl+C ends it'), demo.output);
        await until(() => log().length >= 3, demo.output);
        const [version, install = '', open = ''] = log();
        expect(version).toBe('--version');
        expect(install).toMatch(/--extensions-dir \S+ --install-extension \S+\.vsix$/);
        expect(open).toMatch(/--new-window --wait \S+examples$/);
        const [, userData = ''] = /--user-data-dir (\S+)/.exec(open) ?? [];
        const settings = readFileSync(join(userData, 'User/settings.json'), 'utf8');
        expect(JSON.parse(settings)).toMatchObject({ 'furo.connection.host': '127.0.0.1' });
        const folder = open.split(' ').at(-1) ?? '';
        expect(existsSync(join(folder, 'data/questions.jsonl'))).toBe(true);
        expect(demo.output()).toContain(`VS Code is open with the folder ${folder}`);
        if (which === 'the demo') demo.child.kill('SIGTERM');
        else process.kill(Number(readFileSync(join(userData, 'code.lock'), 'utf8')));
        await nothingLeft(demo);
        expect(log().at(-1)).toBe('ended');
      } finally {
        demo.child.kill('SIGKILL');
      }
    },
    150_000,
  );

  async function nothingLeft(demo: ReturnType<typeof start>): Promise<void> {
    expect(await demo.ended, demo.output()).toBe(0);
    await until(
      () => processesOf(work).length === 0,
      () => `still there: ${processesOf(work).join(' ')}`,
    );
    expect(readdirSync(work)).toEqual([]);
  }
});
