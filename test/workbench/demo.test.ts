// `npm run demo -- --vscode` without a desktop VS Code: a page to look at, what to click, and nothing left after its end.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { editorObstacle } from '../../scripts/steps/codeServer.mjs';
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

/** The script in a world of its own: no desktop VS Code, no browser that opens, all its folders in one. */
function start(work: string) {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const PATH = folders.filter((folder) => !existsSync(join(folder, 'code'))).join(delimiter);
  const script = join(root, 'scripts/steps/openWorkbench.mjs');
  const words = ['--input-type=module', '-e', program, script, root, python, model];
  const child = spawn(process.execPath, words, {
    env: { ...process.env, PATH, TMPDIR: work, BROWSER: '/bin/true' },
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

if (editorObstacle() === undefined || process.env['CI'] === 'true')
  requires('python', 'model')('the demo in the browser', () => {
    it('opens a page, says what to click, and leaves nothing when it is ended', async () => {
      const work = mkdtempSync(join(tmpdir(), 'furo-demo-test-'));
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
        expect(await demo.ended, demo.output()).toBe(0);
        await until(
          () => processesOf(work).length === 0,
          () => `still there: ${processesOf(work).join(' ')}`,
        );
        expect(readdirSync(work)).toEqual([]);
        await expect(fetch(address)).rejects.toThrow();
      } finally {
        demo.child.kill('SIGKILL');
        rmSync(work, { recursive: true, force: true });
      }
    }, 150_000);
  });
