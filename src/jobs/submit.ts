// From a WorkflowJob to a recorded Job: sync, runtime, script, pjsub. Knows no views; tells its steps.
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../base/clock';
import { isFailure } from '../base/failure';
import type { Logger } from '../base/log';
import { findGroup } from '../pjm/furo';
import { renderScript } from '../pjm/render';
import { parseScript, toJobRequest } from '../pjm/script';
import { joinRemote, type Remote, type RemotePath } from '../ssh/remote';
import { syncProject, type SyncProgress } from '../sync/upload';
import { requestOf } from '../workflow/expand';
import { renderJobFile } from '../workflow/jobFile';
import { renderBody } from '../workflow/launchLine';
import type { WorkflowJob } from '../workflow/workflow';
import { checkInput } from './checkInput';
import { jobFailure } from './failures';
import type { Job, JobFiles } from './job';
import type { JobStore } from './jobStore';
import { projectPlaces, resultsFolder, runFolder, type ProjectPlaces } from './places';
import type { Queue, Submission } from './queue';

/** Where a submission stands; `sync` comes with numbers. */
export type SubmitStep =
  | { readonly kind: 'checking' | 'connecting' | 'runtime' | 'submitting' }
  | { readonly kind: 'sync'; readonly progress: SyncProgress };

export interface SubmitPlan {
  readonly job: WorkflowJob;
  /** Local folder that is synced. */
  readonly workspaceFolder: string;
  /** Absolute folder on the machine. */
  readonly remoteFolder: RemotePath;
  readonly exclude: readonly string[];
  /** `user@host:port`. */
  readonly target: string;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: SubmitStep) => void;
}

export interface SubmitParts {
  readonly remote: Remote;
  readonly queue: Queue;
  readonly store: JobStore;
  /** Sends the runtime and returns its folder on the machine. */
  readonly uploadRuntime: (remoteFolder: RemotePath, signal?: AbortSignal) => Promise<RemotePath>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is written for a job before pjsub runs. */
interface Prepared {
  readonly submission: Submission;
  readonly files: JobFiles;
  readonly elapseSeconds: number;
  readonly resourceGroup: string;
}

/** Submits a job and returns its record, which is in the store from just before pjsub. */
export async function submitJob(parts: SubmitParts, plan: SubmitPlan): Promise<Job> {
  const { signal, onStep } = plan;
  const places = projectPlaces(plan.remoteFolder, plan.workspaceFolder);
  onStep?.({ kind: 'checking' });
  await checkWork(parts.store, plan, places);
  onStep?.({ kind: 'connecting' });
  await parts.remote.connect(signal);
  const summary = await syncProject({
    files: parts.remote.files,
    localFolder: plan.workspaceFolder,
    remoteFolder: places.project,
    exclude: plan.exclude,
    ...(signal && { signal }),
    onProgress: (progress) => onStep?.({ kind: 'sync', progress }),
  });
  parts.log.info(`sync: ${summary.uploaded} sent, ${summary.unchanged} unchanged`);
  const jobId = randomUUID();
  const prepared = await prepare(parts, plan, { places, jobId });
  onStep?.({ kind: 'submitting' });
  parts.store.put(recordOf(parts, plan, { jobId, prepared }));
  return sendOff(parts, jobId, prepared.submission, signal);
}

/** Checks what can be known here, before anything is sent. */
async function checkWork(store: JobStore, plan: SubmitPlan, places: ProjectPlaces): Promise<void> {
  const { work, name } = plan.job;
  if (work.kind !== 'inference') return;
  const { input } = work.inference;
  await checkInput(join(plan.workspaceFolder, input), input, plan.signal);
  const results = joinRemote(resultsFolder(places, name, work.inference), 'results.jsonl');
  const rival = store.all.find(
    (job) =>
      job.files?.results === results && job.target === plan.target && job.phase.kind !== 'finished',
  );
  if (rival) throw jobFailure('alreadyRunning', { job: name, pjmId: rival.pjmId ?? '' });
}

async function prepare(
  parts: SubmitParts,
  plan: SubmitPlan,
  { places, jobId }: { places: ProjectPlaces; jobId: string },
): Promise<Prepared> {
  const { work } = plan.job;
  return work.kind === 'script'
    ? prepareOwnScript(parts, { places, jobId, script: work.script })
    : prepareGenerated(parts, plan, { places, jobId });
}

/** A user's batch script runs as it is, from its own folder, as they would do by hand. */
async function prepareOwnScript(
  parts: SubmitParts,
  { places, jobId, script }: { places: ProjectPlaces; jobId: string; script: string },
): Promise<Prepared> {
  const folder = joinRemote(places.project, dirname(script));
  const text = (await parts.remote.files.read(joinRemote(places.project, script))).toString('utf8');
  const { value } = parseScript(text);
  const request = toJobRequest(value);
  const outName = value.directives.findLast(({ option }) => option?.id === 'out')?.value;
  return {
    submission: { jobId, folder, scriptName: basename(script), claimsFolder: places.claims },
    files: filesIn(folder, request.name ?? basename(script), {
      hasStatistics: request.statistics !== 'none',
      isJoined: request.joinOutput,
      ...(outName !== undefined && { outName }),
    }),
    elapseSeconds: request.elapseSeconds || 3600,
    resourceGroup: request.resourceGroup,
  };
}

async function prepareGenerated(
  parts: SubmitParts,
  plan: SubmitPlan,
  { places, jobId }: { places: ProjectPlaces; jobId: string },
): Promise<Prepared> {
  const { files } = parts.remote;
  const { job, signal } = plan;
  const request = requestOf(job, findGroup(job.settings.resourceGroup));
  const name = request.name ?? 'job';
  const folder = runFolder(places, name, jobId);
  await files.makeFolder(folder, signal);
  const jobFile = joinRemote(folder, 'job.json');
  let results: RemotePath | undefined;
  let runtimeFolder = places.own;
  if (job.work.kind === 'inference') {
    plan.onStep?.({ kind: 'runtime' });
    runtimeFolder = await parts.uploadRuntime(plan.remoteFolder, signal);
    results = resultsFolder(places, job.name, job.work.inference);
    await files.makeFolder(results, signal);
    await files.write(jobFile, renderJobFile(job.work.inference, results));
  }
  const body = renderBody(job, { projectFolder: places.project, runtimeFolder, jobFile });
  await files.write(joinRemote(folder, 'job.sh'), renderScript(request, body), { mode: 0o700 });
  return {
    submission: { jobId, folder, scriptName: 'job.sh', claimsFolder: places.claims },
    files: {
      ...filesIn(folder, name, { hasStatistics: true, isJoined: true }),
      ...(results && {
        results: joinRemote(results, 'results.jsonl'),
        progress: joinRemote(results, 'progress.jsonl'),
      }),
    },
    elapseSeconds: request.elapseSeconds,
    resourceGroup: request.resourceGroup,
  };
}

/** `%j` stands for the id that pjsub will give; {@link withJobId} fills it in. Names as in pjm.md, section 4. */
function filesIn(
  folder: RemotePath,
  name: string,
  kind: { hasStatistics: boolean; isJoined: boolean; outName?: string },
): JobFiles {
  const stem = joinRemote(folder, `${/^\d/.test(name) ? 'J' : ''}${name}.%j`);
  const out = kind.outName?.replaceAll('%n', name);
  const stdout =
    out === undefined ? `${stem}.out` : out.startsWith('/') ? out : joinRemote(folder, out);
  return {
    submitFolder: folder,
    stdout,
    ...(!kind.isJoined && { stderr: `${stem}.err` }),
    ...(kind.hasStatistics && { statistics: `${stem}.stats` }),
  };
}

function withJobId(files: JobFiles, pjmId: string): JobFiles {
  const fill = (path: string) => path.replaceAll('%j', pjmId);
  const { stdout, stderr, statistics, ...rest } = files;
  return {
    ...rest,
    stdout: fill(stdout),
    ...(stderr !== undefined && { stderr: fill(stderr) }),
    ...(statistics !== undefined && { statistics: fill(statistics) }),
  };
}

function recordOf(
  parts: SubmitParts,
  plan: SubmitPlan,
  { jobId, prepared }: { jobId: string; prepared: Prepared },
): Job {
  const now = parts.clock.now();
  return {
    id: jobId,
    name: plan.job.name,
    resourceGroup: prepared.resourceGroup,
    elapseLimitSeconds: prepared.elapseSeconds,
    target: plan.target,
    workspaceFolder: plan.workspaceFolder,
    submittedMs: now,
    phase: { kind: 'submitting', sinceMs: now },
    files: prepared.files,
    workflow: plan.job,
    claimsFolder: prepared.submission.claimsFolder,
    scriptName: prepared.submission.scriptName,
  };
}

/** How often the same submission is sent when the connection breaks; the claim makes that safe. */
const sendAttempts = 3;

async function sendOff(
  parts: SubmitParts,
  jobId: string,
  submission: Submission,
  signal?: AbortSignal,
): Promise<Job> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const pjmId = await parts.queue.submit(submission, signal);
      return markSubmitted(parts.store, jobId, pjmId);
    } catch (error) {
      const isLost = isFailure(error, 'connectionLost') || isFailure(error, 'timedOut');
      if (isLost && attempt < sendAttempts) continue;
      const { name = '' } = parts.store.get(jobId) ?? {};
      if (isLost) throw jobFailure('submitLost', { job: name }, error);
      if (isFailure(error)) parts.store.remove(jobId);
      throw error;
    }
  }
}

/** Records PJM's answer. */
export function markSubmitted(store: JobStore, jobId: string, pjmId: string): Job {
  const job = store.get(jobId);
  if (!job?.files) throw new Error(`job ${jobId} left the store while it was submitted`);
  const phase = { kind: 'waiting', state: 'ACC' } as const;
  const changed = store.change(jobId, { pjmId, phase, files: withJobId(job.files, pjmId) });
  return changed ?? job;
}
