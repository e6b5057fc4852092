// Jobs as real processes: the script under its own `$0`, output files written live, signals to every process.
// Knows no queue.
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../base/log';
import type { JobEnd, JobRunner, JobSignal, JobStart, RunningJob } from './jobRunner';
import { failed, reportOf, toJobEnd, wrapperProgram } from './jobWrapper';
import type { ComputeNodes } from './nodes';
import { findMarked, jobMarker, killMarked, readUse, signalAll } from './processes';

/** How often the memory of a job is looked at, in milliseconds. */
const sampleMs = 1000;
/** PJM codes of the end-user's guide: current folder gone, script cannot be started. */
const folderGoneCode = 16;
const cannotStartCode = 21;

export interface JobProcessesOptions {
  readonly nodes: ComputeNodes;
  /** Variables of the user's own shell; the job's variables come on top. */
  readonly environment: Readonly<Record<string, string>>;
  /** Unique for the machine's folder, equal after a restart. */
  readonly instance: string;
  /** Parents of the node lists and of `PJM_LOCALDIR`. */
  readonly spoolFolder: string;
  readonly localFolder: string;
  readonly python: string;
  readonly log: Logger;
}

/** What a job's processes get; also used for interactive jobs, whose shell the caller's terminal runs. */
export interface PreparedJob {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly marker: string;
  release(): void;
}

/** Runs jobs on this host. `dispose` kills every process of every job. */
export class JobProcesses implements JobRunner {
  readonly #running = new Set<JobProcess>();

  constructor(readonly options: JobProcessesOptions) {}

  get runningCount(): number {
    return this.#running.size;
  }

  start(job: JobStart, onEnd: (end: JobEnd) => void): RunningJob {
    const process = new JobProcess(job, this, (end) => {
      this.#running.delete(process);
      onEnd(end);
    });
    this.#running.add(process);
    return process;
  }

  /** Folders, nodes and variables of a job about to start. */
  async prepare(job: JobStart, program: readonly string[]): Promise<PreparedJob> {
    const { nodes, environment, instance, spoolFolder, localFolder, python } = this.options;
    const places = await nodes.acquire(job.nodes);
    const name = job.subJobId.replace(/\W/g, '_');
    const nodeList = join(spoolFolder, `nodes.${name}`);
    const local = join(localFolder, name);
    for (const folder of [spoolFolder, local]) mkdirSync(folder, { recursive: true });
    writeFileSync(nodeList, places.map(({ address }) => `${address}\n`).join(''));
    const marker = `${instance}:${job.subJobId}`;
    const wrapper = [python, '-I', '-S', '-c', wrapperProgram];
    return {
      command: [...(places[0]?.enter ?? []), ...wrapper, ...program],
      environment: {
        ...environment,
        ...job.environment,
        ...openMpiVariables(),
        PJM_O_NODEINF: nodeList,
        PJM_LOCALDIR: local,
        // The machine has no way out to the model hub (pjm.md 6.5).
        HF_HUB_OFFLINE: '1',
        [jobMarker]: marker,
      },
      marker,
      release: () => {
        killMarked(jobMarker, marker);
        nodes.release(job.nodes);
        rmSync(local, { recursive: true, force: true });
        rmSync(nodeList, { force: true });
      },
    };
  }

  /** Ends all jobs at once; their `onEnd` is not called any more. */
  async dispose(): Promise<void> {
    await Promise.all([...this.#running].map((job) => job.abandon()));
  }
}

class JobProcess implements RunningJob {
  #child: ChildProcess | undefined;
  #prepared: PreparedJob | undefined;
  #isKilled = false;
  #isAbandoned = false;
  #waiting: JobSignal[] = [];
  #peakBytes = 0;
  readonly #done: Promise<void>;

  constructor(
    readonly job: JobStart,
    readonly processes: JobProcesses,
    onEnd: (end: JobEnd) => void,
  ) {
    this.#done = this.#run().then((end) => {
      if (!this.#isAbandoned) onEnd(end);
    });
  }

  signal(signal: JobSignal): void {
    if (signal === 'SIGKILL') this.#isKilled = true;
    if (this.#child?.pid === undefined) {
      this.#waiting.push(signal);
      return;
    }
    // The wrapper must live to tell the end; without /proc only its process group is known, and it
    // holds all but SIGKILL back from itself.
    const pids = this.#pids();
    if (pids.length > 0) signalAll(pids, signal);
    else if (process.platform !== 'linux') signalAll([-this.#child.pid], signal);
  }

  writeOutput(line: string): void {
    this.#write(this.job.stdoutPath, line);
  }

  writeError(line: string): void {
    this.#write(this.job.stderrPath, line);
  }

  #write(path: string, line: string): void {
    try {
      appendFileSync(path, `${line}\n`);
    } catch (error) {
      this.processes.options.log.warn(`job ${this.job.subJobId}: ${String(error)}`);
    }
  }

  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    this.signal('SIGKILL');
    await this.#done;
  }

  #pids(): number[] {
    const marked = this.#prepared ? findMarked(jobMarker, this.#prepared.marker) : [];
    return marked.filter((pid) => pid !== this.#child?.pid);
  }

  async #run(): Promise<JobEnd> {
    const problem = findProblem(this.job);
    if (problem !== undefined) return failed(problem);
    try {
      this.#prepared = await this.processes.prepare(this.job, shellWords(this.job));
      if (this.#isKilled) return { ...failed(0), exitCode: 137, signal: 9 };
      return await this.#runShell(this.#prepared);
    } catch (error) {
      this.processes.options.log.warn(`job ${this.job.subJobId}: ${String(error)}`);
      return failed(cannotStartCode);
    } finally {
      this.#prepared?.release();
    }
  }

  async #runShell(prepared: PreparedJob): Promise<JobEnd> {
    const output = openOutput(this.job);
    if (!output) return failed(folderGoneCode);
    const stdio: StdioOptions = ['ignore', output.stdout, output.stderr, 'pipe'];
    const [program = '', ...words] = prepared.command;
    const child = spawn(program, words, {
      cwd: this.job.submitFolder,
      env: prepared.environment,
      detached: true,
      stdio,
    });
    this.#child = child;
    output.close();
    const timer = setInterval(() => {
      this.#sample();
    }, sampleMs);
    try {
      const report = await reportOf(child, () => {
        for (const signal of this.#waiting.splice(0)) this.signal(signal);
      });
      return toJobEnd(report, this.#peakBytes);
    } finally {
      clearInterval(timer);
    }
  }

  /** The highest sum over all processes; also repeats SIGKILL for processes born meanwhile. */
  #sample(): void {
    const pids = this.#pids();
    if (this.#isKilled) signalAll(pids, 'SIGKILL');
    const bytes = pids.reduce((sum, pid) => sum + (readUse(pid)?.residentBytes ?? 0), 0);
    this.#peakBytes = Math.max(this.#peakBytes, bytes);
  }
}

function findProblem(job: JobStart): number | undefined {
  if (!statSync(job.submitFolder, { throwIfNoEntry: false })?.isDirectory()) return folderGoneCode;
  return statSync(job.scriptPath, { throwIfNoEntry: false })?.isFile()
    ? undefined
    : cannotStartCode;
}

/** The first line's interpreter with at most one argument, as the kernel reads it; else the job's shell. */
function shellWords(job: JobStart): string[] {
  const [firstLine = ''] = readFileSync(job.scriptPath, 'utf8').split('\n', 1);
  const interpreter = /^#!\s*(\S+)(?:[ \t]+(.*\S))?\s*$/.exec(firstLine);
  if (!interpreter) return [job.shell, job.scriptPath];
  const [, program = job.shell, argument] = interpreter;
  return [program, ...(argument === undefined ? [] : [argument]), job.scriptPath];
}

interface JobOutput {
  readonly stdout: number;
  readonly stderr: number;
  close(): void;
}

/**
 * Both files are appended to, so that lines of PJM itself and of the job never overwrite each other.
 * Undefined when one cannot be made, for example because its folder is missing.
 */
function openOutput(job: JobStart): JobOutput | undefined {
  const open = (path: string): number => {
    if (!job.isRestart) writeFileSync(path, '');
    return openSync(path, 'a', 0o644);
  };
  try {
    const stdout = open(job.stdoutPath);
    const stderr = job.stderrPath === job.stdoutPath ? stdout : open(job.stderrPath);
    const files = new Set([stdout, stderr]);
    const close = (): void => {
      for (const file of files) closeSync(file);
    };
    return { stdout, stderr, close };
  } catch {
    return undefined;
  }
}

/**
 * What lets OpenMPI take this host for Furo's nodes: 40 cores each, whatever is really there, and a user who is
 * not root, whoever started the simulator. OpenMPI refuses root unless told twice.
 */
function openMpiVariables(): Record<string, string> {
  const cores = {
    OMPI_MCA_rmaps_base_oversubscribe: '1',
    OMPI_MCA_hwloc_base_binding_policy: 'none',
  };
  if (process.getuid?.() !== 0) return cores;
  return { ...cores, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
}
