// What a `furo.yaml` says, after defaults: the jobs of a folder and what each runs. Values only.
import type { Backend, Dtype, Policy } from './yamlFields';

/** Sampling of the model; greedy when `temperature` is 0. Names as in the runtime's job file. */
export interface Generation {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly seed: number;
  readonly stop: readonly string[];
}

/** How a model lies on the GPUs; what is absent is planned by the runtime. Their product is the number of processes. */
export interface Layout {
  readonly replicas?: number;
  readonly stages?: number;
  readonly tensorParallel?: number;
}

/** A value of JSON, as it stands in `furo.yaml`. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

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
  /** `module.py:function` of the project, which makes the prompt in place of a template. */
  readonly promptFunction?: string;
  readonly generation: Generation;
  /** Rows that are generated together; absent: the runtime chooses. */
  readonly batchRows?: number;
  readonly dtype: Dtype;
  /** What computes; absent: the runtime chooses. */
  readonly backend?: Backend;
  readonly layout?: Layout;
  /** How the back end `transformers` lays a model on the GPUs of a node. */
  readonly policy?: Policy;
  /** `response_format` of OpenAI's API: the form that answers must have. */
  readonly responseFormat?: Readonly<Record<string, Json>>;
  /** Further values for the model's chat template, such as `enable_thinking`. */
  readonly chatTemplateKwargs?: Readonly<Record<string, Json>>;
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
