// From a WorkflowJob to a recorded Job: sync, runtime, script, pjsub. Knows no views; tells its steps.
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import { findGroup } from '../pjm/furo';
import { renderScript } from '../pjm/render';
import { parseScript, toJobRequest } from '../pjm/script';
import { joinRemote, type Remote, type RemotePath } from '../ssh/remote';
import { syncProject, type SyncNotes, type SyncProgress, type SyncSummary } from '../sync/upload';
import { requestOf } from '../workflow/expand';
import { renderJobFile } from '../workflow/jobFile';
import { renderBody } from '../workflow/launchLine';
import type { WorkflowJob } from '../workflow/workflow';
import { checkInput } from './checkInput';
import { jobFailure } from './failures';
import type { Job, JobFiles } from './job';
import { outputFiles } from './jobFiles';
import { projectPlaces, resultsFolder, runFolder, type ProjectPlaces } from './places';
import type { Submission } from './queue';
import { askPlan, checkPlan, planLine, type PlanPlaces } from './runtimePlan';
import { sendOff, type SendParts } from './sendOff';

/** Where a submission stands; `sync` comes with numbers. */
export type SubmitStep =
  | { readonly kind: 'checking' | 'connecting' | 'runtime' | 'planning' | 'submitting' }
  | { readonly kind: 'sync'; readonly progress: SyncProgress }
  /** What a person should know about a sync that went well. */
  | { readonly kind: 'notes'; readonly notes: SyncNotes }
  /** Files that are now different there, because they were changed on the machine or cannot be sent. */
  | { readonly kind: 'kept'; readonly paths: readonly string[] };

export interface SubmitPlan {
  readonly job: WorkflowJob;
  /** Local folder that is synced. */
  readonly workspaceFolder: string;
  /** Absolute folder on the machine. */
  readonly remoteFolder: RemotePath;
  readonly exclude: readonly string[];
  /** Sent in spite of ignore files and `exclude`; both in .gitignore's language. */
  readonly include?: readonly string[];
  /** Asked before more files are removed there than is usual. */
  readonly confirmRemovals?: (paths: readonly string[]) => Promise<boolean>;
  /** `user@host:port`. */
  readonly target: string;
  /** Submits also what the runtime's plan calls too large. */
  readonly ignoresPlan?: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: SubmitStep) => void;
}

export interface SubmitParts extends SendParts {
  readonly remote: Remote;
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
  const { name, work } = plan.job;
  if (work.kind === 'inference')
    checkRivals(
      parts,
      plan,
      joinRemote(resultsFolder(places, name, work.inference), 'results.jsonl'),
    );
  await sendProject(parts, plan, places);
  const jobId = randomUUID();
  const prepared = await prepare(parts, plan, { places, jobId });
  onStep?.({ kind: 'submitting' });
  signal?.throwIfAborted();
  // A second click may have overtaken this one during the sync; nothing is awaited from here to the record.
  checkRivals(parts, plan, prepared.files.results);
  const record = recordOf(parts, plan, { jobId, prepared });
  return sendOff(parts, record, prepared.submission, signal);
}

/** Checks the work, connects, and makes the project there equal to the one here. */
export async function sendProject(
  parts: SubmitParts,
  plan: SubmitPlan,
  places: ProjectPlaces,
): Promise<void> {
  const { signal, onStep } = plan;
  onStep?.({ kind: 'checking' });
  await checkWork(plan);
  onStep?.({ kind: 'connecting' });
  await parts.remote.connect(signal);
  const summary = await syncProject({
    files: parts.remote.files,
    exec: (command, options) => parts.remote.exec(command, options),
    localFolder: plan.workspaceFolder,
    remoteFolder: places.project,
    exclude: plan.exclude,
    // Data is often left out of version control, but the job cannot run without its own file.
    needed: [neededPath(plan.job)],
    ...(plan.include && { include: plan.include }),
    ...(plan.confirmRemovals && { confirmRemovals: plan.confirmRemovals }),
    ...(signal && { signal }),
    onProgress: (progress) => onStep?.({ kind: 'sync', progress }),
  });
  tellSync(parts, plan, summary);
}

/** What was not sent is told, and stops the job when it is the very file that the job is about. */
function tellSync({ log }: SubmitParts, plan: SubmitPlan, summary: SyncSummary & SyncNotes): void {
  const { spared, normalised, purged, missing } = summary;
  log.info(`sync: ${summary.uploaded} sent, ${summary.unchanged} unchanged`);
  if (spared.length + normalised.length + purged.length > 0)
    plan.onStep?.({ kind: 'notes', notes: summary });
  const kept = [
    ...summary.kept.map(({ path, why }) => ({ path, detail: why })),
    ...summary.skippedLinks.map((path) => ({ path, detail: 'link' })),
  ];
  for (const { path, detail } of kept)
    log.warn(`sync: ${path} was not sent as it is here (${detail})`);
  const [absent] = missing;
  if (absent !== undefined) throw jobFailure('inputNotSent', { path: absent, detail: 'link' });
  const needed = kept.find(
    ({ path, detail }) => path === neededPath(plan.job) && detail !== 'bothChanged',
  );
  if (needed) throw jobFailure('inputNotSent', needed);
  if (kept.length > 0) plan.onStep?.({ kind: 'kept', paths: kept.map(({ path }) => path) });
}

/** The file of the workspace that the job is about. */
function neededPath({ work }: WorkflowJob): string {
  return work.kind === 'inference' ? work.inference.input : work.script;
}

/** Checks what can be known here, before anything is sent. */
async function checkWork(plan: SubmitPlan): Promise<void> {
  const { work } = plan.job;
  if (work.kind !== 'inference') {
    const script = await stat(join(plan.workspaceFolder, work.script)).catch(() => undefined);
    if (!script?.isFile()) throw jobFailure('inputNotFound', { path: work.script });
    return;
  }
  const { input } = work.inference;
  await checkInput(join(plan.workspaceFolder, input), input, plan.signal);
}

/** Two live jobs must not write the same results. */
function checkRivals({ store }: SubmitParts, plan: SubmitPlan, results: string | undefined): void {
  if (results === undefined) return;
  const rival = store.all.find(
    (job) =>
      job.files?.results === results &&
      job.target === plan.target &&
      ['submitting', 'waiting', 'running'].includes(job.phase.kind),
  );
  if (rival) throw jobFailure('alreadyRunning', { job: plan.job.name, pjmId: rival.pjmId ?? '' });
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
  const valueOf = (id: string) =>
    value.directives.findLast(({ option }) => option?.id === id)?.value;
  const [outName, errName, statisticsName] = [valueOf('out'), valueOf('err'), valueOf('spath')];
  return {
    submission: { jobId, folder, scriptName: basename(script), claimsFolder: places.claims },
    files: outputFiles(folder, request.name ?? basename(script), {
      hasStatistics: request.statistics !== 'none',
      isJoined: request.joinOutput,
      ...(outName !== undefined && { outName }),
      ...(errName !== undefined && { errName }),
      ...(statisticsName !== undefined && { statisticsName }),
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
    plan.onStep?.({ kind: 'planning' });
    const { condaEnvironment } = job.settings;
    const planPlaces = { project: places.project, runtimeFolder, jobFile, condaEnvironment };
    await weighPlan(parts, plan, planPlaces);
  }
  const body = renderBody(job, { projectFolder: places.project, runtimeFolder, jobFile });
  await files.write(joinRemote(folder, 'job.sh'), renderScript(request, body), { mode: 0o700 });
  return {
    submission: { jobId, folder, scriptName: 'job.sh', claimsFolder: places.claims },
    files: {
      ...outputFiles(folder, name, { hasStatistics: true, isJoined: true }),
      ...(results && (await resultFiles(parts, results, signal))),
    },
    elapseSeconds: request.elapseSeconds,
    resourceGroup: request.resourceGroup,
  };
}

/** Stops a job that cannot fit what it asks for, before it waits in the queue for that. */
async function weighPlan(parts: SubmitParts, plan: SubmitPlan, places: PlanPlaces): Promise<void> {
  const { log, remote } = parts;
  const forecast = await askPlan(remote, places, { log, signal: plan.signal });
  if (!forecast) return;
  log.info([planLine(forecast), ...forecast.problems].join(' '));
  if (plan.ignoresPlan !== true) checkPlan(forecast, plan.job);
}

/** The event file grows with every run, so what earlier runs said is told apart by its length now. */
async function resultFiles(
  { remote }: SubmitParts,
  folder: RemotePath,
  signal: AbortSignal | undefined,
): Promise<Pick<JobFiles, 'results' | 'progress' | 'progressStart'>> {
  const progress = joinRemote(folder, 'progress.jsonl');
  const earlier = await remote.files.stat(progress, signal);
  return {
    results: joinRemote(folder, 'results.jsonl'),
    progress,
    ...(earlier && { progressStart: earlier.size }),
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
