// One inference over two nodes with two ranks each: real Open MPI between network namespaces with ib0, the whole path
// from furo.yaml to results. Needs root on Linux, iproute2 and Open MPI.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Job } from '../../src/jobs/job';
import { defaultSettings } from '../../src/settings';
import { expandEntry, requestOf } from '../../src/workflow/expand';
import { renderBody } from '../../src/workflow/launchLine';
import { loadWorkflow } from '../../src/workflow/loadWorkflow';
import type { WorkflowJob } from '../../src/workflow/workflow';
import { renderScript } from '../../src/pjm/render';
import { findGroup } from '../../src/pjm/furo';
import { findMarked, machineMarker } from '../../src/simulator/processes';
import { requires } from '../requirements';
import { Bench, runtimeFolder, type Window } from '../unit/jobs/bench';

const interpreter = process.env['FURO_TEST_PYTHON'];
const model = process.env['FURO_TEST_MODEL'];
const modelName = 'HuggingFaceTB/SmolLM2-135M-Instruct';
const limitMs = 200_000;

const furoYaml = `
version: 1
jobs:
  answer:
    resourceGroup: cx-small
    nodes: 2
    elapse: "0:10:00"
    environment: { OMP_NUM_THREADS: 1, MY_OWN: passed on }
    inference:
      model: ${modelName}
      input: data/questions.jsonl
      promptTemplate: "{{ question }}"
      maxNewTokens: 6
      backend: own
      layout: { replicas: 2, stages: 2, tensorParallel: 1 }
`;

const describe = requires('root', 'ip', 'mpirun', 'python', 'model');

describe('an inference over two nodes', () => {
  let bench: Bench;
  let window: Window;

  beforeEach(async () => {
    bench = await Bench.start({
      python: String(interpreter),
      usesNamespaces: true,
      models: { [modelName]: String(model) },
    });
    window = bench.window();
    const lines = Array.from({ length: 9 }, (_, n) =>
      JSON.stringify({ id: `q-${String(n)}`, question: `What is ${String(n)} plus one?` }),
    );
    bench.write('data/questions.jsonl', `${lines.join('\n')}\n`);
  });

  afterEach(async () => {
    await bench.stop();
  });

  /** The job of `furo.yaml`, as the extension makes it. */
  function jobOfFile(text = furoYaml): WorkflowJob {
    const { value, problems } = loadWorkflow(text);
    expect(problems).toEqual([]);
    const [entry] = value;
    const expanded = entry && expandEntry(entry, defaultSettings);
    if (!expanded || !('job' in expanded)) throw new Error(JSON.stringify(expanded));
    return expanded.job;
  }

  /** Submits the script of `job` with the command of the runtime changed by `change`. */
  async function submitChanged(job: WorkflowJob, change: (line: string) => string): Promise<Job> {
    const { workspace } = bench;
    const places = { startFolder: workspace, projectFolder: workspace, runtimeFolder, jobFile: '/no/job.json' }; // prettier-ignore
    const body = renderBody(job, places).map(change);
    const request = requestOf(job, findGroup(job.settings.resourceGroup));
    bench.write('changed.sh', renderScript(request, body));
    const settings = { ...job.settings };
    return window.submit({ name: 'changed', settings, work: { kind: 'script', script: 'changed.sh' } }); // prettier-ignore
  }

  const allIds = Array.from({ length: 9 }, (_, n) => `q-${String(n)}`);

  const idsIn = (text: string): string[] => {
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
  };

  /** Sorted ids of the lines that came back; an id with two lines is there twice. */
  function answeredIds(job: Job): string[] {
    return idsIn(readFileSync(join(String(job.resultsFolder), 'results.jsonl'), 'utf8')).sort();
  }

  /** The same for all files on the machine: until they are merged, each copy of the model has its own. */
  function writtenIds(job: Job): string[] {
    const folder = dirname(String(job.files?.results));
    const files = readdirSync(folder).filter((name) => /^results(-\d+)?\.jsonl$/.test(name));
    return files.flatMap((name) => idsIn(readFileSync(join(folder, name), 'utf8'))).sort();
  }

  /** The process of a rank, anywhere in this instance. */
  function pidOfRank(rank: number): number | undefined {
    const instance = String(bench.furo.environment[machineMarker]);
    return findMarked(machineMarker, instance).find((pid) => {
      const variables = readFileSync(`/proc/${String(pid)}/environ`, 'utf8').split('\0');
      return variables.includes(`OMPI_COMM_WORLD_RANK=${String(rank)}`);
    });
  }

  it('starts two ranks on each node, each with its own address and all variables', async () => {
    const job = await submitChanged(jobOfFile(), (line) =>
      line.replace(/furo_infer run \S+/, 'furo_infer check --json --device cpu --wait 60'),
    );
    const ended = await window.ended(job.id, limitMs);
    const output = window.outputOf(job.id);
    expect(ended.phase, output).toMatchObject({ outcome: { kind: 'succeeded' } });
    const page = output.split('\n').find((line) => line.startsWith('{')) ?? '';
    const told = JSON.parse(page) as {
      allocation: { nodes: string[]; processes: number; job_id: string };
      ranks: { rank: number; host: string; address: string; local_rank: number; exchange: string; environment: Record<string, string> }[]; // prettier-ignore
      problems: unknown[];
    };
    expect(told.problems).toEqual([]);
    expect(told.ranks.map(({ rank, host, local_rank }) => [rank, host, local_rank])).toEqual([
      [0, 'cx001', 0],
      [1, 'cx001', 1],
      [2, 'cx002', 0],
      [3, 'cx002', 1],
    ]);
    expect(told.ranks.map(({ address }) => address)).toEqual([
      ...['10.177.0.1', '10.177.0.1', '10.177.0.2', '10.177.0.2'],
    ]);
    expect(told.allocation).toMatchObject({ nodes: ['10.177.0.1', '10.177.0.2'], processes: 4 });
    for (const { environment, exchange } of told.ranks) {
      expect(exchange).toBe('ok');
      expect(environment).toMatchObject({
        GLOO_SOCKET_IFNAME: 'ib0',
        NCCL_SOCKET_IFNAME: 'ib0',
        MASTER_ADDR: '10.177.0.1',
        FURO_ELAPSE_SECONDS: '600',
        OMP_NUM_THREADS: '1',
        HF_HUB_OFFLINE: '1',
      });
      expect(Number(environment['FURO_JOB_STARTED'])).toBeGreaterThan(1_700_000_000);
    }
  });

  it('starts a rank for each GPU of one node, which find each other without a named interface', async () => {
    const oneNode = furoYaml
      .replace('cx-small', 'cx-single')
      .replace('nodes: 2', 'nodes: 1')
      .replace(/layout: .*/, 'backend: auto')
      .replace('      backend: own\n', '');
    const job = await submitChanged(jobOfFile(oneNode), (line) =>
      line.replace(/furo_infer run \S+/, 'furo_infer check --device cpu --wait 60'),
    );
    const ended = await window.ended(job.id, limitMs);
    const output = window.outputOf(job.id);
    expect(ended.phase, output).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(output).toContain('furo_infer check: 4 process(es) on 1 node, started by openmpi');
    expect(output).toContain('Network      interface any; first exchange: 4 of 4 ranks');
  });

  it('notices variables that are not passed on', async () => {
    const job = await submitChanged(jobOfFile(), (line) =>
      line
        .replace('|NCCL|GLOO|HF|', '|')
        .replace(/furo_infer run \S+/, 'furo_infer check --json --device cpu --wait 20'),
    );
    const ended = await window.ended(job.id, limitMs);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'failed' } });
    expect(window.outputOf(job.id)).toContain('"what": "NCCL_SOCKET_IFNAME is not set, at rank 0 ib0", "cure": "Pass it on: mpirun -x NCCL_SOCKET_IFNAME.", "ranks": [2, 3]'); // prettier-ignore
  });

  it('ends with the code of a rank that asks to be run again', async () => {
    const job = await submitChanged(jobOfFile(), (line) =>
      line.replace(/-m furo_infer run \S+/, `-c 'import os; os._exit(75)'`),
    );
    expect((await window.ended(job.id, limitMs)).phase).toMatchObject({
      outcome: { kind: 'failed', exitCode: 75 },
    });
  });

  it('lets the ranks of both nodes save when only the shell of the job is told to stop', async () => {
    const program = [
      'import os, signal, sys',
      'rank = os.environ["OMPI_COMM_WORLD_RANK"]',
      'signal.signal(signal.SIGUSR1, lambda *_: (os.write(1, f"saved {rank}\\n".encode()), os._exit(75)))',
      'os.write(1, f"ready {rank}\\n".encode())',
      'while True: signal.pause()',
    ];
    bench.write('wait.py', `${program.join('\n')}\n`);
    const told = `\n(until [ "$(grep -c ready "$PJM_STDOUT_PATH")" = 4 ]; do sleep 0.1; done; kill -s TERM $$) &`;
    const job = await submitChanged(jobOfFile(), (line) =>
      line.replace(/-m furo_infer run \S+/, 'wait.py').replace(/^code=0$/, () => `code=0${told}`),
    );
    const ended = await window.ended(job.id, limitMs);
    const output = window.outputOf(job.id);
    expect(ended.phase, output).toMatchObject({ outcome: { kind: 'failed', exitCode: 75 } });
    expect(output.match(/saved \d/g)?.sort()).toEqual(['saved 0', 'saved 1', 'saved 2', 'saved 3']);
  });

  it('answers every record, from furo.yaml to the results', async () => {
    const job = await window.submit(jobOfFile());
    const ended = await window.ended(job.id, limitMs);
    const output = window.outputOf(job.id);
    expect(ended.phase, output).toMatchObject({ outcome: { kind: 'succeeded' } });
    expect(answeredIds(ended)).toEqual(allIds);
    expect(ended.progress).toMatchObject({ stage: 'finished', done: 9, failed: 0, total: 9 });
  });

  it('ends soon after a rank was killed, and the next run does what is missing', async () => {
    const longer = jobOfFile(
      furoYaml.replace('maxNewTokens: 6', 'maxNewTokens: 48\n      batchRows: 1'),
    );
    const job = await window.submit(longer);
    await window.when(job.id, ({ progress }) => (progress?.done ?? 0) > 0, limitMs);
    const killed = Date.now();
    process.kill(Number(pidOfRank(3)), 'SIGKILL');
    const ended = await window.ended(job.id, 60_000);
    expect(Date.now() - killed).toBeLessThan(30_000);
    expect(ended.phase).toMatchObject({ outcome: { kind: 'failed' } });
    const kept = writtenIds(ended);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(9);
    const again = await window.ended((await window.submit(longer)).id, limitMs);
    expect(again.phase, window.outputOf(again.id)).toMatchObject({
      outcome: { kind: 'succeeded' },
    });
    expect(answeredIds(again)).toEqual(allIds);
  }, 300_000);
});
