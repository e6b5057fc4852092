// From what a person named (a job of furo.yaml, or a file) and the settings to a WorkflowJob. Reads nothing.
import { toJobName } from '../pjm/render';
import type { ResourceGroup } from '../pjm/resourceGroup';
import type { JobRequest } from '../pjm/jobRequest';
import { ranksOf } from './launchLine';
import type { InferenceEntry, JobEntry, WorkEntry } from './loadWorkflow';
import { baseName, plainPath } from './paths';
import type { Inference, JobSettings, WorkflowJob } from './workflow';

/** What the settings say where neither file nor click says more. */
export interface WorkflowDefaults {
  readonly job: JobSettings;
  readonly inference: Inference;
}

/** What makes a job impossible before anything is sent. */
export type ExpandProblem = 'modelMissing' | 'inputMissing';

export type Expanded =
  { readonly job: WorkflowJob } | { readonly problem: ExpandProblem; readonly jobName: string };

/** A job of `furo.yaml` with everything filled in. `over` is what the click chose. */
export function expandEntry(
  entry: JobEntry,
  defaults: WorkflowDefaults,
  over: Partial<JobSettings> = {},
): Expanded {
  const settings = { ...defaults.job, ...entry.settings, ...over };
  return withWork(entry.name, settings, { entry: entry.work, defaults });
}

/** A single file: inference over `.jsonl`, a Python program, or a batch script. */
export function expandFile(
  path: string,
  defaults: WorkflowDefaults,
  over: Partial<JobSettings> = {},
): Expanded | undefined {
  const settings = { ...defaults.job, ...over };
  const work = workOfFile(path);
  return work && withWork(toJobName(baseName(path)), settings, { entry: work, defaults });
}

/** Undefined for a kind of file that nothing here can run. */
export function workOfFile(file: string): WorkEntry | undefined {
  const path = plainPath(file);
  if (/\.jsonl$/i.test(path)) return { kind: 'inference', inference: { input: path } };
  if (/\.py$/i.test(path)) return { kind: 'python', script: path, arguments: [] };
  if (/\.(?:sh|bash|pjm)$/i.test(path)) return { kind: 'script', script: path };
  return undefined;
}

function withWork(
  name: string,
  settings: JobSettings,
  { entry, defaults }: { entry: WorkEntry; defaults: WorkflowDefaults },
): Expanded {
  if (entry.kind !== 'inference') return { job: { name, settings, work: entry } };
  const inference = fillInference(entry.inference, defaults.inference);
  if (inference.model === '') return { problem: 'modelMissing', jobName: name };
  if (inference.input === '') return { problem: 'inputMissing', jobName: name };
  return { job: { name, settings, work: { kind: 'inference', inference } } };
}

function fillInference(entry: InferenceEntry, base: Inference): Inference {
  const { maxNewTokens, temperature, topP, topK, seed, stop, ...rest } = entry;
  const { generation, promptTemplate, input, ...others } = base;
  // A function makes the prompt in place of any template, so also of the one in the settings.
  const keepsTemplate = promptTemplate !== undefined && entry.promptFunction === undefined;
  return {
    ...others,
    input: plainPath(input),
    ...(keepsTemplate && { promptTemplate }),
    ...rest,
    generation: {
      maxNewTokens: maxNewTokens ?? generation.maxNewTokens,
      temperature: temperature ?? generation.temperature,
      topP: topP ?? generation.topP,
      topK: topK ?? generation.topK,
      seed: seed ?? generation.seed,
      stop: stop ?? generation.stop,
    },
  };
}

/** The files of the folder that a job is about, which it cannot run without. */
export function neededFiles(work: WorkEntry): readonly string[] {
  if (work.kind !== 'inference') return [work.script];
  const { input, promptFunction } = work.inference;
  return [input, promptFunction?.replace(/:\w+$/, '')].filter((path) => path !== undefined);
}

/** What the job asks of PJM. Shared groups give quarter nodes, so `node=` stays away and `gpu=1` comes. */
export function requestOf(job: WorkflowJob, group: ResourceGroup | undefined): JobRequest {
  const { settings } = job;
  const isShared = group?.isShared ?? settings.resourceGroup.endsWith('-share');
  const { work } = job;
  const processes = work.kind === 'inference' ? ranksOf(settings, work.inference).count : 1;
  return {
    name: toJobName(job.name),
    resourceGroup: settings.resourceGroup,
    ...(isShared ? { gpus: 1 } : { nodes: settings.nodes }),
    ...(processes > 1 && { mpiProcesses: processes }),
    elapseSeconds: settings.elapseSeconds,
    ...(settings.projectGroup !== '' && { projectGroup: settings.projectGroup }),
    joinOutput: true,
    statistics: 'nodes',
  };
}
