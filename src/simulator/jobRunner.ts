// The border between the pure scheduler and real processes. The scheduler asks, a runner does.

/** Everything needed to run one (sub-)job for real. Paths are absolute paths of the simulator's host. */
export interface JobStart {
  /** `1996122`, `1996122[3]` or `1996122_0`. */
  readonly subJobId: string;
  readonly user: string;
  /** The `.d<10 digits>` copy that becomes `$0`. */
  readonly scriptPath: string;
  readonly shell: string;
  readonly submitFolder: string;
  readonly stdoutPath: string;
  /** Equal to `stdoutPath` with `-j`. */
  readonly stderrPath: string;
  /** The `PJM_*` variables and what `-x` asked for; without `PJM_O_NODEINF` and `PJM_LOCALDIR`, which the runner adds. */
  readonly environment: Readonly<Record<string, string>>;
  /** Indices 0..220 of the allocated nodes, rank order. */
  readonly nodes: readonly number[];
  /** GPU numbers given on a shared node; all four otherwise. */
  readonly gpus: readonly number[];
  /** Interactive jobs get a terminal instead of a script file. */
  readonly isInteractive: boolean;
  /** The job ran before (node lost, simulator restarted): its output files are continued, not emptied. */
  readonly isRestart: boolean;
}

/** How a job's shell ended. */
export interface JobEnd {
  /** Exit status of the shell; 128 + signal where a signal ended it. */
  readonly exitCode: number;
  readonly signal?: number;
  readonly userCpuMs: number;
  readonly systemCpuMs: number;
  readonly maxMemoryBytes: number;
  /** The script could not be started (PJM code 21) or its folder is gone (16). */
  readonly pjmCode?: number;
}

export type JobSignal = 'SIGXCPU' | 'SIGKILL' | 'SIGTERM' | 'SIGUSR1' | 'SIGUSR2' | 'SIGINT';

/** A job that runs; signals go to every process of it. */
export interface RunningJob {
  signal(signal: JobSignal): void;
  /** A line such as PLE 1700 into the job's standard output file. */
  writeOutput(line: string): void;
  /** A line such as PJM 7004 into the job's standard error file. */
  writeError(line: string): void;
}

/** Starts jobs. `onEnd` is called exactly once for each started job. */
export interface JobRunner {
  start(job: JobStart, onEnd: (end: JobEnd) => void): RunningJob;
}
