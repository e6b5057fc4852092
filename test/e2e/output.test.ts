// Output of a job on its way to a screen, a closed window in between, a broken network, a job that PJM forgot.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Job } from '../../src/jobs/job';
import { Bench, jobOf, script, until, type Window } from '../unit/jobs/bench';

let bench: Bench;
let window: Window;

beforeEach(async () => {
  bench = await Bench.start();
  window = bench.window();
});

afterEach(async () => {
  await bench.stop();
});

/** Writes in pieces that end inside characters, with bars that overwrite themselves, and a last line without an end. */
const talker = `
import os, sys, time
def put(data):
    os.write(1, data)
    time.sleep(0.012)
for n in range(12):
    line = f"第{n}行 🦐 推論の結果\\n".encode()
    put(line[:2]); put(line[2:9]); put(line[9:])
    for percent in range(0, 101, 10):
        put(f"\\r処理 {percent:3d}% ".encode() + "█".encode() * (percent // 10))
    put(b"\\r\\n" if n % 2 else b"\\n")
put("おわり".encode())
`;

/** What a terminal shows of a text, without any state: the independent way to the same lines. */
function shown(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.split('\r').findLast((part) => part !== '') ?? '');
  return lines.at(-1) === '' ? lines.join('\n') : `${lines.join('\n')}\n`;
}

const fileOf = (job: Job): Buffer =>
  readFileSync(join(String(job.resultsFolder), `talk.${String(job.pjmId)}.out`));

async function submitTalker(): Promise<Job> {
  bench.write('talk.py', talker);
  return window.submit(jobOf('talk', { kind: 'python', script: 'talk.py', arguments: [] }));
}

it('brings Japanese text and progress bars once and whole', async () => {
  const job = await submitTalker();
  await window.when(job.id, () => window.outputOf(job.id).length > 0);
  expect(window.store.get(job.id)?.phase.kind).toBe('running');
  const ended = await window.ended(job.id, 20_000);
  const text = fileOf(ended).toString('utf8');
  expect(text).toContain('\r処理  50% █████');
  expect(text).not.toContain('\uFFFD');
  expect(window.outputOf(job.id)).toBe(shown(text));
  expect(window.outputOf(job.id)).toContain('第11行 🦐 推論の結果\n処理 100% ██████████\nおわり\n');
});

it('goes on in the next window, which shows the whole output again', async () => {
  const job = await submitTalker();
  await window.when(job.id, () => window.outputOf(job.id).length > 0);
  const before = window.outputOf(job.id);
  window.close();
  const next = bench.window();
  expect(next.store.get(job.id)?.phase.kind).toBe('running');
  await next.center.resume();
  const ended = await next.ended(job.id, 20_000);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  expect(next.outputOf(job.id)).toBe(shown(fileOf(ended).toString('utf8')));
  expect(next.outputOf(job.id).startsWith(before)).toBe(true);
  expect(window.outputOf(job.id)).toBe(before);
});

it('settles a job that ended while no window was open', async () => {
  bench.write('short.sh', script('echo 短い'));
  const job = await window.submit(jobOf('short', { kind: 'script', script: 'short.sh' }));
  window.close();
  await until(() => bench.furo.scheduler.snapshot().jobs[0]?.state === 'EXT');
  const next = bench.window();
  await next.center.resume();
  expect((await next.ended(job.id)).phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  expect(next.outputOf(job.id)).toBe('短い\n');
});

it('comes back by itself when the network is cut again and again', async () => {
  const job = await submitTalker();
  await window.when(job.id, ({ phase }) => phase.kind === 'running');
  let cuts = 0;
  while (cuts < 4) {
    await until(() => window.remote.state.kind === 'connected');
    bench.furo.faults.cutConnections();
    await until(() => window.remote.state.kind !== 'connected');
    cuts += 1;
  }
  const ended = await window.ended(job.id, 20_000);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  expect(window.outputOf(job.id)).toBe(shown(fileOf(ended).toString('utf8')));
});

it('tries again when the connection breaks while the results come', async () => {
  bench.write('big.sh', script('head -c 3000000 /dev/zero | tr "\\0" x | fold -w 99', 'echo end'));
  const job = await window.submit(jobOf('big', { kind: 'script', script: 'big.sh' }));
  // Enough for the login and pjstat, never for three megabytes.
  bench.furo.faults.set({ cutAfterBytes: 400_000 });
  bench.furo.faults.cutConnections();
  await until(() => window.log.some((line) => line.startsWith('end of big:')), 15_000);
  expect(window.store.get(job.id)?.phase.kind).not.toBe('finished');
  bench.furo.faults.clear();
  const ended = await window.ended(job.id, 20_000);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  const text = readFileSync(
    join(String(ended.resultsFolder), `big.sh.${String(ended.pjmId)}.out`),
    'utf8',
  );
  expect(text.length).toBeGreaterThan(3_000_000);
  expect(window.outputOf(job.id)).toBe(text);
});

it('calls a job unknown that PJM forgot, never finished, and follows it when PJM knows it again', async () => {
  bench.write(
    'long.sh',
    script('echo begun', 'while [ ! -e go ]; do sleep 0.05; done', 'echo end'),
  );
  const job = await window.submit(jobOf('long', { kind: 'script', script: 'long.sh' }));
  await window.when(job.id, () => window.outputOf(job.id) === 'begun\n');
  bench.wrapCommand('pjstat', [
    `[ -e ${bench.root}/known ] && exec $real "$@"`,
    `$real "$@" | grep -v ${String(job.pjmId)}; exit 0`,
  ]);
  await window.when(job.id, ({ phase }) => phase.kind === 'unknown');
  const asked = bench.memory.updates;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(window.store.get(job.id)?.phase).toMatchObject({ kind: 'unknown', lastState: 'RUN' });
  // An unchanged record is not announced and not written again.
  expect(bench.memory.updates).toBe(asked);
  writeFileSync(join(bench.root, 'known'), '');
  await window.when(job.id, ({ phase }) => phase.kind === 'running');
  writeFileSync(join(String(job.files?.submitFolder), 'go'), '');
  expect((await window.ended(job.id)).phase).toMatchObject({ outcome: { kind: 'succeeded' } });
  expect(window.outputOf(job.id)).toBe('begun\nend\n');
});

it('shows a progress bar while its line still grows, and its end once', async () => {
  bench.write(
    'bar.sh',
    script('printf "\\r 50%%"; while [ ! -e go ]; do sleep 0.1; done; printf "\\r100%%\\nend\\n"'),
  );
  const job = await window.submit(jobOf('bar', { kind: 'script', script: 'bar.sh' }));
  await window.when(job.id, ({ phase }) => phase.kind === 'running');
  await until(() => window.outputOf(job.id) !== '', 20_000);
  expect(window.outputOf(job.id)).toBe(' 50%\n');
  writeFileSync(join(String(job.files?.submitFolder), 'go'), '');
  await window.ended(job.id);
  expect(window.outputOf(job.id)).toBe(' 50%\n100%\nend\n');
});
