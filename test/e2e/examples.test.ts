// The three rungs of the examples, submitted as they are: one GPU, four GPUs of a node, eight ranks on two nodes.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../requirements';

const root = join(import.meta.dirname, '../..');
const python = process.env['FURO_TEST_PYTHON'];
const model = process.env['FURO_TEST_MODEL'];
/** Enough for one record on each of eight ranks. */
const records = 8;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-examples-'));
  cpSync(join(root, 'examples'), join(folder, 'project'), { recursive: true });
  rmSync(join(folder, 'project/furo-results'), { recursive: true, force: true });
  const file = join(folder, 'project/data/questions.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, records);
  writeFileSync(file, `${lines.join('\n')}\n`);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The program of `npm run demo`, with the example job or one of the scripts. */
async function run(
  ...script: readonly string[]
): Promise<{ status: number; output: string; answers: string[] }> {
  const machine = join(folder, 'furo');
  const child = spawn(process.execPath, [
    join(root, 'dist/cli.js'),
    ...['demo', ...script.map((name) => `scripts/${name}`), '--root', machine],
    ...['--python', python ?? '', '--model', model ?? '', '-C', join(folder, 'project')],
  ]);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const status = await new Promise<number>((resolve) => {
    child.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  const files = readdirSync(machine, { recursive: true, encoding: 'utf8' });
  const answers = files
    .filter((file) => file.includes('/output/') && file.endsWith('.jsonl'))
    .flatMap((file) => readFileSync(join(machine, file), 'utf8').trim().split('\n'));
  rmSync(machine, { recursive: true, force: true });
  return { status, output, answers };
}

requires('python', 'model')('the example job', () => {
  it('ends with a table of prompts and answers, its statistics and the path of the results', async () => {
    const { status, output } = await run();
    expect(status, output).toBe(0);
    expect(output).toMatch(/Job \d+ submitted to cx-share: answer/);
    const [, table = ''] = output.split(/^prompt +answer$/m);
    expect(table).toMatch(/What is the capital of Japan\? .*Tokyo/);
    expect(table).toMatch(/^state +done$/m);
    expect(table).toMatch(/^records +8 of 8 answered$/m);
    expect(table).toMatch(/^speed +\d/m);
    expect(table).toMatch(/^elapsed +\d:\d\d:\d\d$/m);
    const results = /^Results: (.+)$/m.exec(table)?.[1] ?? '';
    const answers = readFileSync(join(results, 'results.jsonl'), 'utf8').trim().split('\n');
    expect(answers).toHaveLength(records);
  }, 420_000);
});

requires('python', 'model')('the example scripts of one node', () => {
  it.each(['one_gpu.sh', 'four_gpus.sh'])(
    '%s answers every question',
    async (script) => {
      const { status, output, answers } = await run(script);
      expect(status, output).toBe(0);
      expect(answers).toHaveLength(records);
    },
    420_000,
  );
});

requires(
  'python',
  'model',
  'root',
  'ip',
  'mpirun',
)('the example script of two nodes', () => {
  it('two_nodes_mpi.sh has ranks on two addresses and answers every question', async () => {
    const { status, output, answers } = await run('two_nodes_mpi.sh');
    expect(status, output).toBe(0);
    // Ranks print at once, so two of them may share a line.
    const told = [...output.matchAll(/rank \d of 8 on (\d+\.\d+\.\d+\.\d+)/g)];
    const addresses = told.map((match) => match[1]);
    expect(addresses).toHaveLength(8);
    expect(new Set(addresses).size).toBe(2);
    expect(answers).toHaveLength(records);
  }, 420_000);
});
