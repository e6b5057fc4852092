// A simulated Furo with clients of the real layers over it: connection, sync, queue, job centre. For tests.
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { expect } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { DisposableStore } from '../../../src/base/disposable';
import type { Logger } from '../../../src/base/log';
import { keepHistory, type KeyValue } from '../../../src/jobs/history';
import type { Job } from '../../../src/jobs/job';
import type { JobCenter } from '../../../src/jobs/jobCenter';
import { JobStore } from '../../../src/jobs/jobStore';
import { openMachine, type Machine } from '../../../src/jobs/openMachine';
import type { ConnectionSettings } from '../../../src/settings';
import { remotePath, type Remote, type RemotePath } from '../../../src/ssh/remote';
import type { SshPrompts } from '../../../src/ssh/prompts';
import { keepKeyPair } from '../../../src/simulator/keys';
import { findMarked, machineMarker } from '../../../src/simulator/processes';
import {
  startSimulatedFuro,
  type SimulatedFuro,
  type SimulatedFuroOptions,
} from '../../../src/simulator/simulatedFuro';
import type { Work, WorkflowJob } from '../../../src/workflow/workflow';

/** Delays of PJM that nobody has to sit through. */
export const quickScheduling = {
  acceptMs: 10,
  schedulingDelayMs: 50,
  terminationMs: 20,
  deleteDelayMs: 20,
  killDelayMs: 300,
};

/** What the simulated clients take for the name of their computer. */
export const computer = 'a computer';

export const runtimeFolder = join(import.meta.dirname, '../../../python-runtime');

/** Values as a Memento keeps them: copies, so that nobody shares objects with what was kept. */
export class Memory implements KeyValue {
  readonly values = new Map<string, string>();
  updates = 0;

  get(key: string): unknown {
    const text = this.values.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  update(key: string, value: unknown): Promise<void> {
    this.updates += 1;
    this.values.set(key, JSON.stringify(value));
    return Promise.resolve();
  }
}

/** One window: everything from the connection to the store, over the memory of earlier windows. */
export interface Window {
  readonly remote: Remote;
  readonly store: JobStore;
  readonly center: JobCenter;
  readonly log: string[];
  /** Everything that `onDidOutput` gave for a job. */
  outputOf(jobId: string): string;
  /** Tests each step of the connection. */
  check: Machine['check'];
  submit(
    job: WorkflowJob,
    options?: { signal?: AbortSignal; remoteFolder?: RemotePath },
  ): Promise<Job>;
  /** The record of a job once it satisfies `isTrue`. */
  when(jobId: string, isTrue: (job: Job) => boolean, limitMs?: number): Promise<Job>;
  /** The record of a job that ended. */
  ended(jobId: string, limitMs?: number): Promise<Job>;
  close(): void;
}

export interface WindowOptions {
  readonly connection?: Partial<ConnectionSettings>;
  readonly prompts?: Partial<SshPrompts>;
  readonly memory?: KeyValue;
  readonly trustFile?: string;
}

export interface PythonOptions {
  /** The Python of the conda environment; by default a bare one that has no torch. */
  readonly interpreter?: string;
  /** Keys of the runtime's job file that the extension does not write, such as `engine`. */
  readonly jobFileChanges?: Readonly<Record<string, unknown>>;
}

/**
 * One of 256 ed25519 keys that ssh2 1.17 makes is malformed: its generator strips a leading zero byte of the public
 * half. The simulator keeps pairs that it finds, so good ones are laid out for it.
 */
function makeKeys(folder: string): void {
  for (const name of ['id_ed25519', 'host_key', 'other_host_key'])
    while (ssh2.utils.parseKey(keepKeyPair(folder, name).privateText) instanceof Error)
      rmSync(join(folder, name));
}

/** The real interpreter, after the job file got the changes of the test. */
function pythonWrapper(root: string, interpreter: string): string {
  const program =
    'import json, sys; a, b = sys.argv[1:]; j = json.load(open(a)); j.update(json.load(open(b))); json.dump(j, open(a, "w"))';
  return [
    '#!/bin/sh',
    `if [ "$1 $2 $3" = "-m furo_infer run" ]; then`,
    `  ${interpreter} -c '${program}' "$4" '${root}/changes.json' || exit 99`,
    'fi',
    `exec ${interpreter} "$@"`,
    '',
  ].join('\n');
}

export class Bench {
  readonly workspace: string;
  readonly memory = new Memory();
  readonly trustFile: string;
  readonly #windows: Window[] = [];

  private constructor(
    readonly root: string,
    readonly furo: SimulatedFuro,
  ) {
    this.workspace = join(root, 'client', 'project');
    this.trustFile = join(root, 'client', 'known_hosts');
    mkdirSync(this.workspace, { recursive: true });
    writeFileSync(this.trustFile, `${furo.endpoint.knownHostsLine}\n`);
  }

  static async start(options: Partial<SimulatedFuroOptions> & PythonOptions = {}): Promise<Bench> {
    const { interpreter, jobFileChanges, ...rest } = options;
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-jobs-')));
    const python = join(root, 'venv/bin/python');
    mkdirSync(dirname(python), { recursive: true });
    writeFileSync(python, pythonWrapper(root, interpreter ?? '/usr/bin/env python3 -S'), {
      mode: 0o755,
    });
    makeKeys(join(root, 'keys'));
    writeFileSync(join(root, 'changes.json'), JSON.stringify(jobFileChanges ?? {}));
    const furo = await startSimulatedFuro({
      root,
      python,
      usesNamespaces: false,
      ...rest,
      scheduling: { ...quickScheduling, ...options.scheduling },
    });
    return new Bench(root, furo);
  }

  /** Writes a file of the local project. */
  write(path: string, text: string | Uint8Array): void {
    const file = join(this.workspace, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  get connection(): ConnectionSettings {
    const { host, port, user, identityFile, remoteFolder } = this.furo.endpoint;
    return { host, port, user, identityFile, remoteFolder };
  }

  /** Ids of all jobs that PJM ever took. */
  get takenJobs(): number {
    return this.furo.scheduler.snapshot().jobs.length;
  }

  /** Replaces a PJM command by shell lines; `$real` in them is the command itself. */
  wrapCommand(name: string, lines: readonly string[]): void {
    const path = join(this.furo.binFolder, name);
    const real = join(this.furo.binFolder, `.${name}.real`);
    renameSync(path, real);
    writeFileSync(path, ['#!/bin/bash', `real=${real}`, ...lines, ''].join('\n'), { mode: 0o755 });
  }

  window(options: WindowOptions = {}): Window {
    const window = openWindow(this, options);
    this.#windows.push(window);
    return window;
  }

  /** Ends everything and checks that nothing of it is left. */
  async stop(): Promise<void> {
    for (const window of this.#windows.splice(0)) window.close();
    await this.furo.dispose();
    const instance = String(this.furo.environment[machineMarker]);
    await until(() => findMarked(machineMarker, instance).length === 0);
    rmSync(this.root, { recursive: true, force: true });
    // One timer may be vitest's own for this hook.
    const isClean = () => ['', 'Timeout 1'].includes(activeResources());
    await until(isClean, 3000).catch(() => {
      expect(activeResources()).toBe('');
    });
  }
}

function openWindow(bench: Bench, options: WindowOptions): Window {
  const disposables = new DisposableStore();
  const lines: string[] = [];
  const outputs = new Map<string, string>();
  const log = listLogger(lines);
  const store = disposables.add(new JobStore());
  disposables.add(keepHistory(store, options.memory ?? bench.memory, log));
  const machine = disposables.add(
    openMachine({
      connection: { ...bench.connection, ...options.connection },
      store,
      prompts: { ...refusingPrompts, ...options.prompts },
      trustFile: options.trustFile ?? bench.trustFile,
      computer,
      localRuntime: runtimeFolder,
      pollSeconds: () => 0.2,
      clock: systemClock,
      log,
    }),
  );
  const { remote, center } = machine;
  disposables.add(
    center.onDidOutput(({ jobId, text }) => {
      outputs.set(jobId, (outputs.get(jobId) ?? '') + text);
    }),
  );
  const when = async (id: string, isTrue: (job: Job) => boolean, limitMs = 10_000) => {
    const now = () => store.get(id);
    await until(() => {
      const job = now();
      return job !== undefined && isTrue(job);
    }, limitMs).catch((error: unknown) => {
      const told = [JSON.stringify(now()?.phase), ...lines, outputs.get(id)];
      throw new Error(`${String(error)}\n${told.join('\n')}`);
    });
    const job = now();
    if (!job) throw new Error(`job ${id} left the list`);
    return job;
  };
  return {
    remote,
    store,
    center,
    log: lines,
    outputOf: (jobId) => outputs.get(jobId) ?? '',
    check: machine.check,
    submit: (job, { signal, remoteFolder } = {}) =>
      center.submit({
        job,
        workspaceFolder: bench.workspace,
        remoteFolder: remoteFolder ?? remotePath(bench.furo.endpoint.remoteFolder),
        exclude: [],
        ...(signal && { signal }),
      }),
    when,
    ended: (id, limitMs) => when(id, ({ phase }) => phase.kind === 'finished', limitMs),
    close: () => {
      disposables.dispose();
    },
  };
}

/** Answers every question of a login with no. */
export const refusingPrompts: SshPrompts = {
  confirmHostKey: () => Promise.resolve(false),
  askPassphrase: () => Promise.resolve(undefined),
  askPassword: () => Promise.resolve(undefined),
  askKeyboard: () => Promise.resolve(undefined),
};

function listLogger(lines: string[]): Logger {
  const keep = (message: string | Error) => {
    lines.push(message instanceof Error ? String(message.stack) : message);
  };
  return { debug: keep, info: keep, warn: keep, error: keep };
}

/** What keeps the process alive and may be ours: sockets, servers, timers, child processes. */
function activeResources(): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (/TCP|Process|Timeout|FSEvent/.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].sort().map(([kind, count]) => `${kind} ${String(count)}`).join(', '); // prettier-ignore
}

export async function until(isTrue: () => boolean, limitMs = 10_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!isTrue()) {
    if (Date.now() > deadline)
      throw new Error(`not true within ${String(limitMs)} ms: ${String(isTrue)}`);
    await pause(10);
  }
}

/** A job over `work`, in the simulated conda environment and without modules. */
export function jobOf(
  name: string,
  work: Work,
  settings: Partial<WorkflowJob['settings']> = {},
): WorkflowJob {
  return {
    name,
    settings: {
      resourceGroup: 'cx-share',
      nodes: 1,
      elapseSeconds: 600,
      modules: [],
      condaEnvironment: 'furo',
      projectGroup: '',
      environment: {},
      ...settings,
    },
    work,
  };
}

/** An inference over a file of the project. */
export function inferenceOf(input: string, model = 'Org/Model'): Work {
  return {
    kind: 'inference',
    inference: {
      model,
      input,
      generation: { maxNewTokens: 8, temperature: 0, topP: 1, topK: 0, seed: 0, stop: [] },
      batchRows: 4,
      dtype: 'auto',
    },
  };
}

/** A batch script with the usual directives. */
export function script(...lines: readonly string[]): string {
  const head = [
    '#!/bin/bash',
    '#PJM -L rscgrp=cx-share',
    '#PJM -L elapse=0:10:00',
    '#PJM -j',
    '#PJM -s',
  ];
  return [...head, ...lines, ''].join('\n');
}
