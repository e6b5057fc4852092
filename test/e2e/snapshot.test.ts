// A job in the queue runs what was submitted, whatever happens to the project meanwhile, here or on the machine.
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Job } from '../../src/jobs/job';
import { projectPlaces } from '../../src/jobs/places';
import { remotePath } from '../../src/ssh/remote';
import { syncProject } from '../../src/sync/upload';
import type { WorkflowJob } from '../../src/workflow/workflow';
import { computer, Bench, inferenceOf, jobOf, script, type Window } from '../unit/jobs/bench';

const interpreter = process.env['FURO_TEST_PYTHON'];
const edits = process.env['FURO_SOAK'] ? 100 : 10;
/** Too large to be copied for each run. */
const largeBytes = 1024 * 1024 + 1;

let bench: Bench;
let window: Window;

beforeEach(async () => {
  bench = await Bench.start({
    ...(interpreter !== undefined && { interpreter, jobFileChanges: { backend: 'echo' } }),
  });
  window = bench.window();
});

afterEach(async () => {
  await bench.stop();
});

/** Everything that a job may read, in its `n`th version. */
function writeVersion(n: number): void {
  const version = String(n);
  bench.write('tool.py', `${hashTree}\nVERSION = ${version}\n`);
  bench.write('lib/part.py', `VERSION = ${version}\n`);
  bench.write('work/job.sh', script(...hashFolder, `# ${version}`));
  bench.write('work/設定 file.json', JSON.stringify({ version }));
  bench.write('data/large.bin', Buffer.alloc(largeBytes, n));
  bench.write('prompts.py', `def build(record):\n    return f"code-${version} {record['text']}"\n`);
  bench.write('questions.jsonl', `${JSON.stringify({ id: 'q', text: `input-${version}` })}\n`);
}

const submittedFiles = ['data/large.bin', 'lib/part.py', 'prompts.py', 'questions.jsonl', 'tool.py', 'work/job.sh', 'work/設定 file.json']; // prettier-ignore

const hashTree = `
import hashlib, pathlib
for path in sorted(pathlib.Path(".").rglob("*")):
    if path.is_file() and path.name != ".furo-snapshot":
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path)
`;

const hashFolder = [
  'cd "$(dirname "$0")/.."',
  `find . -type f ! -name '.furo-snapshot' ! -name '.d0*' ! -name '*.out' -printf '%P\\0' | sort -z | xargs -0 sha256sum | sed 's/  / /'`,
];

const hashesHere = (): string =>
  submittedFiles
    .map((path) => `${sha256(readFileSync(join(bench.workspace, path)))} ${path}\n`)
    .join('');

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

function project(): string {
  const base = remotePath(bench.furo.endpoint.remoteFolder);
  return projectPlaces(base, bench.workspace, computer).project;
}

/** Edits here and syncs, then edits on the machine in place. */
async function editEverything(n: number): Promise<void> {
  writeVersion(n);
  await syncProject({
    files: window.remote.files,
    exec: (command, options) => window.remote.exec(command, options),
    localFolder: bench.workspace,
    remoteFolder: remotePath(project()),
    exclude: [],
  });
  expect(readFileSync(join(project(), 'questions.jsonl'), 'utf8')).toContain(`input-${String(n)}`);
  for (const path of submittedFiles)
    if (n % 2 === 0) appendFileSync(join(project(), path), `# edited in place ${String(n)}\n`);
    else writeFileSync(join(project(), path), 'overwritten in place\n');
  // What the sync has set aside of the last round.
  for (const path of readdirSync(project(), { recursive: true, encoding: 'utf8' }))
    if (path.includes('.remote-')) rmSync(join(project(), path));
}

/** Submits, edits while the job waits, then lets it go. */
async function runEdited(job: WorkflowJob): Promise<Job> {
  bench.furo.faults.set({ queueDelaySeconds: 3600 });
  const { id, pjmId, phase } = await window.submit(job);
  expect(phase.kind).toBe('waiting');
  await window.remote.exec(`pjhold ${String(pjmId)}`);
  bench.furo.faults.clear();
  for (let n = 1; n <= edits; n += 1) await editEverything(n);
  await window.center.pollOnce(new AbortController().signal);
  expect(window.store.get(id)?.phase.kind).toBe('waiting');
  await window.remote.exec(`pjrls ${String(pjmId)}`);
  return window.ended(id, 20_000);
}

/** The list that the record vouches for names exactly the files of the submission. */
function checkSeal({ snapshot }: Job, hashes: string): void {
  const seal = readFileSync(join(String(snapshot?.run), 'src/.furo-snapshot'), 'utf8');
  expect(sha256(seal)).toBe(snapshot?.sha256);
  const lines = seal.trimEnd().split('\n').sort((a, b) => (a.slice(65) < b.slice(65) ? -1 : 1)); // prettier-ignore
  expect(lines.map((line) => `${line.replace(' ./', ' ')}\n`).join('')).toBe(hashes);
}

describe('a job that waits while everything is edited', () => {
  it('is a Python program: it sees each file as it was', async () => {
    writeVersion(0);
    const hashes = hashesHere();
    const ended = await runEdited(
      jobOf('tool', { kind: 'python', script: 'tool.py', arguments: [] }),
    );
    expect(window.outputOf(ended.id)).toBe(hashes);
    expect(hashesHere()).not.toBe(hashes);
    checkSeal(ended, hashes);
  });

  it('is a batch script: it sees each file as it was, and its output comes home', async () => {
    writeVersion(0);
    const hashes = hashesHere();
    const ended = await runEdited(jobOf('own', { kind: 'script', script: 'work/job.sh' }));
    expect(window.outputOf(ended.id)).toBe(hashes);
    const out = `job.sh.${String(ended.pjmId)}.out`;
    expect(readFileSync(join(String(ended.resultsFolder), out), 'utf8')).toBe(hashes);
    checkSeal(ended, hashes);
  });

  it.skipIf(interpreter === undefined)(
    'is an inference: prompt function and input are those of the submission',
    async () => {
      writeVersion(0);
      const { work } = jobOf('ask', inferenceOf('questions.jsonl'));
      if (work.kind !== 'inference') throw new Error('no inference');
      const inference = { ...work.inference, promptFunction: 'prompts.py:build' };
      const ended = await runEdited(jobOf('ask', { kind: 'inference', inference }));
      expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
      const results = readFileSync(join(String(ended.resultsFolder), 'results.jsonl'), 'utf8');
      expect(results).toContain('code-0 input-0');
      expect(results.trim().split('\n')).toHaveLength(1);
      // What a later run resumes from is shared, not frozen.
      expect(ended.files?.results?.startsWith(`${project()}/.furo/results/`)).toBe(true);
    },
  );
});

it('gives a job the shared project as FURO_PROJECT, so that a second run goes on from the first', async () => {
  const lines = [
    'test -e "$FURO_PROJECT/checkpoint" && cat "$FURO_PROJECT/checkpoint"',
    'echo "$PWD" >> "$FURO_PROJECT/checkpoint"',
    'echo mine > made-here.txt',
  ];
  bench.write('train.sh', script(...lines));
  const python = 'import os\nprint(os.path.realpath(os.environ["FURO_PROJECT"]))\n';
  bench.write('where.py', python);
  const train = jobOf('train', { kind: 'script', script: 'train.sh' });
  const first = await window.ended((await window.submit(train)).id);
  const second = await window.ended((await window.submit(train)).id);
  expect(window.outputOf(first.id)).toBe('');
  expect(window.outputOf(second.id)).toBe(`${String(first.files?.submitFolder)}\n`);
  expect(readdirSync(String(first.files?.submitFolder))).toContain('made-here.txt');
  expect(readdirSync(project())).not.toContain('made-here.txt');
  const where = jobOf('where', { kind: 'python', script: 'where.py', arguments: [] });
  const third = await window.ended((await window.submit(where)).id);
  expect(window.outputOf(third.id)).toBe(`${project()}\n`);
});
