// What a `furo.yaml` says, after defaults: the jobs of a folder and what each runs. Values only.

/** Sampling of the model; greedy when `temperature` is 0. Names as in the runtime's job file. */
export interface Generation {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed: number;
  readonly stop: readonly string[];
}

/** An inference over a JSONL file; field for field the job file of `furo_infer`. */
export interface Inference {
  /** Hub name or a folder on the remote machine. */
  readonly model: string;
  readonly revision?: string;
  /** JSONL file, relative to the workspace folder. */
  readonly input: string;
  readonly systemPrompt?: string;
  /** Jinja template over the fields of a record; absent when records carry `messages` or `prompt`. */
  readonly promptTemplate?: string;
  readonly generation: Generation;
  /** Rows that are generated together. */
  readonly batchRows: number;
  readonly dtype: 'auto' | 'float16' | 'bfloat16' | 'float32';
}

/** What a job executes. Paths are relative to the workspace folder, POSIX style. */
export type Work =
  | { readonly kind: 'inference'; readonly inference: Inference }
  | { readonly kind: 'python'; readonly script: string; readonly arguments: readonly string[] }
  /** A batch script with `#PJM` lines, submitted as it is. */
  | { readonly kind: 'script'; readonly script: string };

/** Resources and environment of a job, from settings and overridden by `furo.yaml`. */
export interface JobSettings {
  readonly resourceGroup: string;
  readonly nodes: number;
  readonly elapseSeconds: number;
  readonly modules: readonly string[];
  readonly condaEnvironment: string;
  readonly projectGroup: string;
  /** Further variables exported before the work; never secrets. */
  readonly environment: Readonly<Record<string, string>>;
}

/** One job, ready to be rendered and submitted. */
export interface WorkflowJob {
  /** Key in `furo.yaml`, or derived from the file that was run. */
  readonly name: string;
  readonly settings: JobSettings;
  readonly work: Work;
}
