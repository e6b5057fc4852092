// A scheduler on a clock that only moves when told, files in memory, and jobs that end when told. For tests of the pure half.
import type { Clock } from '../../../src/base/clock';
import type { Disposable } from '../../../src/base/disposable';
import type { JobEnd, JobRunner, JobSignal, JobStart } from '../../../src/simulator/jobRunner';
import {
  runPjmCommand,
  type CommandCall,
  type CommandFiles,
} from '../../../src/simulator/pjmCommand';
import { Scheduler } from '../../../src/simulator/scheduler';
import type { SchedulerOptions } from '../../../src/simulator/schedulerOptions';
import type { SchedulerSnapshot } from '../../../src/simulator/schedulerSnapshot';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time as a binary heap of callbacks, so that ten thousand jobs stay quick. */
export class VirtualClock implements Clock {
  readonly #heap: Timer[] = [];
  readonly #dead = new Set<Timer>();
  #order = 0;

  constructor(private time: number) {}

  now(): number {
    return this.time;
  }

  after(delayMs: number, callback: () => void): Disposable {
    const timer = { at: this.time + delayMs, order: (this.#order += 1), callback };
    this.#push(timer);
    return { dispose: () => this.#dead.add(timer) };
  }

  /** Moves time on and runs what falls due, in order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (let next = this.#heap[0]; next && next.at <= end; next = this.#heap[0]) this.#runFirst();
    this.time = end;
  }

  /** Runs everything until nothing is left to do. */
  drain(): void {
    while (this.#heap.length > 0) this.#runFirst();
  }

  #runFirst(): void {
    const timer = this.#pop();
    if (!timer || this.#dead.delete(timer)) return;
    this.time = Math.max(this.time, timer.at);
    timer.callback();
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Files of one folder tree in memory. */
export class MemoryFiles implements CommandFiles {
  readonly texts = new Map<string, string>();
  readonly folders = new Set(['/home/user1/exp']);
  readonly locked = new Set<string>();

  read(path: string): string | undefined {
    return this.texts.get(path);
  }
  write(path: string, text: string): boolean {
    this.texts.set(path, text);
    return true;
  }
  isFolder(path: string): boolean {
    return this.folders.has(path);
  }
  isWritable(folder: string): boolean {
    return this.folders.has(folder) && !this.locked.has(folder);
  }
  remove(path: string): void {
    this.texts.delete(path);
  }
}

/** A job in the hands of a {@link ManualRunner}. */
export class ManualJob {
  readonly signals: JobSignal[] = [];
  readonly errors: string[] = [];
  readonly outputs: string[] = [];
  constructor(
    readonly start: JobStart,
    private readonly onEnd: (end: JobEnd) => void,
  ) {}

  end(exitCode = 0, more: Partial<JobEnd> = {}): void {
    this.onEnd({ exitCode, userCpuMs: 0, systemCpuMs: 0, maxMemoryBytes: 0, ...more });
  }
}

const signalNumbers: Partial<Record<JobSignal, number>> = {
  SIGXCPU: 24,
  SIGTERM: 15,
  SIGKILL: 9,
};

/** Jobs run until the test ends them, or for `runMs`; signals end them unless they are caught. */
export class ManualRunner implements JobRunner {
  readonly jobs: ManualJob[] = [];
  caught = new Set<JobSignal>();
  /** How long a job runs by itself; undefined: until told. */
  runMs: ((start: JobStart) => number) | undefined;
  onStart: ((start: JobStart) => void) | undefined;

  constructor(private readonly clock: Clock) {}

  start(start: JobStart, onEnd: (end: JobEnd) => void) {
    const job = new ManualJob(start, onEnd);
    this.jobs.push(job);
    this.onStart?.(start);
    if (this.runMs)
      this.clock.after(this.runMs(start), () => {
        job.end();
      });
    return {
      signal: (signal: JobSignal) => {
        job.signals.push(signal);
        const number = signalNumbers[signal];
        if (number !== undefined && !this.caught.has(signal))
          job.end(128 + number, { signal: number });
      },
      writeOutput: (line: string) => {
        job.outputs.push(line);
      },
      writeError: (line: string) => {
        job.errors.push(line);
      },
    };
  }

  find(key: string): ManualJob {
    const job = this.jobs.filter(({ start }) => start.subJobId === key).at(-1);
    if (!job) throw new Error(`${key} has not started`);
    return job;
  }
}

export interface Answer {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** 19 June 2025, 01:01:55 in Japan: the acceptance of a real job. */
export const acceptedAt = Date.UTC(2025, 5, 18, 16, 1, 55);
export const folder = '/home/user1/exp';

export const shareScript = `#!/bin/bash -x
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=1:00:00  # REWRITE ME!!!!!
#PJM -j
#PJM -S

python inference.py
`;
export const singleScript = `#!/bin/bash -x
#PJM -L rscgrp=cx-single
#PJM -L node=1
#PJM -L elapse=1:00:00
#PJM -j
#PJM -S

python inference.py
`;

export interface BenchOptions {
  readonly options?: Partial<SchedulerOptions>;
  readonly snapshot?: SchedulerSnapshot;
}

/** One user at one login node. */
export class PjmBench {
  readonly clock = new VirtualClock(acceptedAt);
  readonly files = new MemoryFiles();
  readonly runner = new ManualRunner(this.clock);
  readonly scheduler: Scheduler;
  readonly environment: Record<string, string> = { HOME: '/home/user1', SHELL: '/bin/bash' };

  constructor({ options = {}, snapshot }: BenchOptions = {}) {
    const { clock, runner, files } = this;
    this.scheduler = new Scheduler({
      clock,
      runner,
      files,
      options,
      ...(snapshot && { snapshot }),
    });
    this.files.write(`${folder}/share.sh`, shareScript);
    this.files.write(`${folder}/single.sh`, singleScript);
    this.files.write(`${folder}/plain.sh`, '#!/bin/bash\ntrue\n');
  }

  async run(words: string | readonly string[], more: Partial<CommandCall> = {}): Promise<Answer> {
    const [program = '', ...args] = typeof words === 'string' ? words.split(' ') : words;
    const texts = { out: '', err: '' };
    const status = await runPjmCommand(this.scheduler, {
      program,
      arguments: args,
      folder,
      environment: this.environment,
      user: 'user1',
      group: 'grp-aaaa',
      hostName: 'flow-cx05',
      files: this.files,
      signal: new AbortController().signal,
      stdout: (text) => (texts.out += text),
      stderr: (text) => (texts.err += text),
      interact: () => Promise.reject(new Error('no terminal')),
      ...more,
    });
    return { status, ...texts };
  }

  /** Submits and returns the id; fails when refused. */
  async submit(words: string | readonly string[]): Promise<string> {
    const { out, err } = await this.run(words);
    const id = /Job (\S+) submitted\./.exec(out)?.[1];
    if (id === undefined) throw new Error(`not accepted: ${err}`);
    return id;
  }

  async state(key: string): Promise<string> {
    const words = ['pjstat', '-v', '--choose', 'jid,st', '--data', key];
    for (const history of [[], ['-H']]) {
      const { out } = await this.run([...words, ...history]);
      const line = out.split('\n').find((text) => text.startsWith(','));
      if (line) return line.split(',')[2] ?? '';
    }
    return '';
  }
}
