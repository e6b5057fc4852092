// What `furo_infer plan` says about a job file, asked on the login node before pjsub. It needs no torch and no GPU, only a
// Python; where none is new enough the job is submitted without a plan. Knows no sentences: the plan brings its own.
import { isCancellation } from '../base/failure';
import type { Logger } from '../base/log';
import { findGroup, gpusPerNode } from '../pjm/furo';
import type { ExecResult, Remote, RemotePath } from '../ssh/remote';
import { shellQuote as quote, shellScript } from '../ssh/shellQuote';
import type { JobSettings } from '../workflow/workflow';
import { jobFailure } from './failures';

/** The runtime's plan. Shape: test/fixtures/contract/plan.json. */
export interface RuntimePlan {
  readonly replicas: number;
  readonly stages: number;
  readonly tensorParallel: number;
  /** Records that are computed together on one replica. */
  readonly rows: number;
  readonly bytesPerGpu: number;
  readonly elapseSeconds: number | undefined;
  /** The cheapest resource group that fits; absent when none does or nothing is known. */
  readonly group: { readonly name: string; readonly nodes: number } | undefined;
  /** Whole sentences: why this layout, why not a smaller group. */
  readonly reasons: readonly string[];
  /** Whole sentences: what speaks against running at all. */
  readonly problems: readonly string[];
}

export interface PlanPlaces {
  /** The job's relative paths count from here. */
  readonly project: RemotePath;
  readonly runtimeFolder: RemotePath;
  readonly jobFile: RemotePath;
  readonly condaEnvironment: string;
}

/** Exit status of the script when no Python is new enough. */
const noPython = 69;
/** The plan itself takes less than a second; Python may have to be loaded from a busy file system first. */
const planTimeoutMs = 60_000;
/** `requires-python` of python-runtime/pyproject.toml. */
const oldestPython = '(3, 10)';

/** The job's own environment comes first: the `python3` of CentOS 7 is too old. */
function planScript(places: PlanPlaces, options: readonly string[]): string {
  const { project, runtimeFolder, jobFile, condaEnvironment } = places;
  const own =
    condaEnvironment === ''
      ? ''
      : `"$HOME/miniconda3/envs/"${quote(condaEnvironment)}/bin/python "$HOME/.conda/envs/"${quote(condaEnvironment)}/bin/python `;
  return `cd ${quote(project)} || exit 73
export PYTHONPATH=${quote(runtimeFolder)} PYTHONDONTWRITEBYTECODE=1 PYTHONIOENCODING=utf-8
for python in ${own}python3.13 python3.12 python3.11 python3.10 python3 "$HOME/miniconda3/bin/python"; do
  "$python" -c 'import sys; sys.exit(sys.version_info < ${oldestPython})' < /dev/null > /dev/null 2>&1 || continue
  exec "$python" -m furo_infer plan ${[jobFile, ...options].map(quote).join(' ')} < /dev/null
done
exit ${String(noPython)}
`;
}

/** The plan, or undefined with a line in the log: a job must not fail for want of a forecast. */
export async function askPlan(
  remote: Pick<Remote, 'exec'>,
  places: PlanPlaces,
  { log, signal }: { log: Logger; signal?: AbortSignal | undefined },
): Promise<RuntimePlan | undefined> {
  try {
    const result = await runPlan(remote, places, { options: ['--json'], signal });
    const plan = parsePlan(result.stdout);
    if (!plan) throw planUnavailable(result);
    return plan;
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn(`submitting without a plan: ${String(error)}`);
    return undefined;
  }
}

/** The plan in the words of the runtime, for a person. */
export async function askPlanText(
  remote: Pick<Remote, 'exec'>,
  places: PlanPlaces,
  signal: AbortSignal | undefined,
): Promise<string> {
  const result = await runPlan(remote, places, { options: [], signal });
  // A plan that finds no room says so in its text, whatever its exit status is.
  if (result.stdout.trim() === '') throw planUnavailable(result);
  return result.stdout;
}

function runPlan(
  remote: Pick<Remote, 'exec'>,
  places: PlanPlaces,
  { options, signal }: { options: readonly string[]; signal: AbortSignal | undefined },
): Promise<ExecResult> {
  const { command, stdin } = shellScript(planScript(places, options));
  const limits = { timeoutMs: planTimeoutMs, ...(signal && { signal }) };
  return remote.exec(command, { stdin, ...limits });
}

function planUnavailable({ exitCode, stderr }: ExecResult) {
  const detail =
    exitCode === noPython ? 'no python3 >= 3.10' : (stderr.trim().split('\n').at(-1) ?? '');
  return jobFailure('planUnavailable', { detail });
}

/** Reads the JSON of `plan --json`; undefined when it is something else. */
export function parsePlan(text: string): RuntimePlan | undefined {
  const value = readObject(text);
  if (value?.['version'] !== 1) return undefined;
  const { replicas, stages, tensor_parallel: tensorParallel, rows } = value;
  if (![replicas, stages, tensorParallel, rows].every((number) => Number.isInteger(number)))
    return undefined;
  return {
    replicas: Number(replicas),
    stages: Number(stages),
    tensorParallel: Number(tensorParallel),
    rows: Number(rows),
    bytesPerGpu: Number(value['bytes_per_gpu']),
    elapseSeconds:
      typeof value['elapse_seconds'] === 'number' ? value['elapse_seconds'] : undefined,
    group: readGroup(value['group']),
    reasons: readSentences(value['reasons']),
    problems: readSentences(value['problems']),
  };
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    // A login shell may greet before the answer.
    const value: unknown = JSON.parse(text.slice(text.indexOf('{')));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function readGroup(value: unknown): RuntimePlan['group'] {
  const { name, nodes } = (value ?? {}) as { name?: unknown; nodes?: unknown };
  return typeof name === 'string' && typeof nodes === 'number' ? { name, nodes } : undefined;
}

function readSentences(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** GPUs that a job of these settings gets; undefined for a group that is not known here. */
export function gpusOf({ resourceGroup, nodes }: JobSettings): number | undefined {
  const group = findGroup(resourceGroup);
  if (!group) return undefined;
  return group.isShared ? group.gpusPerUnit : nodes * gpusPerNode;
}

/** True when one whole copy of the model needs more GPUs than the job gets. */
export function isTooLarge(plan: RuntimePlan, settings: JobSettings): boolean {
  const gpus = gpusOf(settings);
  return gpus !== undefined && plan.stages * plan.tensorParallel > gpus;
}

/** Throws `doesNotFit` with the plan's own sentences and the group that fits. */
export function checkPlan(
  plan: RuntimePlan,
  { name: job, settings }: { readonly name: string; readonly settings: JobSettings },
): void {
  if (!isTooLarge(plan, settings)) return;
  const { resourceGroup, nodes } = settings;
  const ofNodes = (group: string, count: number) =>
    findGroup(group)?.isShared === false && count > 1 ? `${group} (node=${String(count)})` : group;
  throw jobFailure('doesNotFit', {
    job,
    group: ofNodes(resourceGroup, nodes),
    fitting: plan.group ? ofNodes(plan.group.name, plan.group.nodes) : '',
    detail: [...plan.problems, ...plan.reasons].join(' '),
  });
}

/** A line for the log about what is going to run. */
export function planLine(plan: RuntimePlan): string {
  const { replicas, stages, tensorParallel, rows, bytesPerGpu, elapseSeconds } = plan;
  const elapse = elapseSeconds === undefined ? '' : `, elapse ${String(elapseSeconds)} s`;
  const gib = (bytesPerGpu / 1024 ** 3).toFixed(1);
  return `plan: ${String(replicas)} x ${String(stages)} x ${String(tensorParallel)} (replicas, stages, tensor parallel), ${String(rows)} rows, ${gib} GiB on each GPU${elapse}`;
}
