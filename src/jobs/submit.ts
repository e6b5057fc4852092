// From a WorkflowJob to a recorded Job: sync, runtime, snapshot, script, pjsub. Knows no views; tells its steps.
import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import type { Clock } from '../base/clock';
import { isFailure } from '../base/failure';
import type { Logger } from '../base/log';
import { findGroup } from '../pjm/furo';
import { renderScript } from '../pjm/render';
import { parseScript, toJobRequest } from '../pjm/script';
import { joinRemote, type Remote, type RemotePath } from '../ssh/remote';
import type { SyncNotes, SyncProgress, SyncSummary } from '../sync/upload';
import { requestOf } from '../workflow/expand';
import { renderJobFile } from '../workflow/jobFile';
import { renderBody } from '../workflow/launchLine';
import type { WorkflowJob } from '../workflow/workflow';
import { jobFailure } from './failures';
import type { Job, JobFiles, JobSnapshot } from './job';
import { outputFiles } from './jobFiles';
import {
  projectPlaces,
  resultsFolder,
  runFolder,
  snapshotFolder,
  type ProjectPlaces,
} from './places';
import type { Submission } from './queue';
import { askPlan, checkPlan, planLine, type PlanPlaces } from './runtimePlan';
import { sendOff, type SendParts } from './sendOff';
import { freezeProject, sendProject } from './sendProject';
import { clearSnapshots } from './snapshot';

/** Where a submission stands; `sync` comes with numbers. */
export type SubmitStep =
  | {
      readonly kind: 'checking' | 'connecting' | 'runtime' | 'planning' | 'freezing' | 'submitting';
    }
  | { readonly kind: 'sync'; readonly progress: SyncProgress }
  /** What a person should know about a sync that went well. */
  | { readonly kind: 'notes'; readonly notes: SyncNotes }
  /** What is not there as it is here, or keeps another copy beside it. */
  | { readonly kind: 'kept'; readonly summary: Pick<SyncSummary, 'kept' | 'skippedLinks'> };

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
  /** Name of this one, by which its projects are told from those of others. */
  readonly computer: string;
  /** Sends the runtime and returns its folder on the machine. */
  readonly uploadRuntime: (remoteFolder: RemotePath, signal?: AbortSignal) => Promise<RemotePath>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is written for a job before pjsub runs. */
interface Prepared {
  readonly submission: Submission;
  readonly files: JobFiles;
  readonly snapshot: JobSnapshot;
  readonly elapseSeconds: number;
  readonly resourceGroup: string;
}

/** Submits a job and returns its record, which is in the store from just before pjsub. */
export async function submitJob(parts: SubmitParts, plan: SubmitPlan): Promise<Job> {
  const { signal, onStep } = plan;
  const places = projectPlaces(plan.remoteFolder, plan.workspaceFolder, parts.computer);
  const { name, work } = plan.job;
  if (work.kind === 'inference')
    checkRivals(
      parts,
      plan,
      joinRemote(resultsFolder(places, name, work.inference), 'results.jsonl'),
    );
  const synced = await sendProject(parts, plan, places);
  const jobId = randomUUID();
  const site = { places, synced, jobId, run: runFolder(places, name, jobId) };
  for (let isAgain = false; ; isAgain = true) {
    const prepared = await prepare(parts, plan, site);
    try {
      onStep?.({ kind: 'submitting' });
      signal?.throwIfAborted();
      // A second click may have overtaken this one during the sync; nothing is awaited from here to the record.
      checkRivals(parts, plan, prepared.files.results);
      const record = recordOf(parts, plan, { jobId, prepared });
      return await sendOff(parts, record, prepared.submission, signal);
    } catch (error) {
      // With a record the job may be in the queue.
      if (parts.store.get(jobId)) throw error;
      if (!isAgain && (await isPurged(parts, prepared, error))) continue;
      await forgetRun(parts, site.run);
      throw error;
    }
  }
}

/** The folder went away between snapshot and pjsub, as a site's purge does it. */
async function isPurged(
  { remote }: SubmitParts,
  { submission }: Prepared,
  error: unknown,
): Promise<boolean> {
  if (!isFailure(error, 'remoteFolderUnusable')) return false;
  return (await remote.files.stat(submission.folder)) === undefined;
}

/** Nobody will run it. What cannot be cleared now does no harm there. */
async function forgetRun({ remote, log }: SubmitParts, run: RemotePath): Promise<void> {
  await clearSnapshots(remote, [run]).catch((error: unknown) => {
    log.warn(`snapshot ${run} stays: ${String(error)}`);
  });
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

/** One submission and its places. */
interface Site {
  readonly places: ProjectPlaces;
  readonly synced: SyncSummary;
  readonly jobId: string;
  readonly run: RemotePath;
}

async function prepare(parts: SubmitParts, plan: SubmitPlan, site: Site): Promise<Prepared> {
  const { work } = plan.job;
  return work.kind === 'script'
    ? prepareOwnScript(parts, plan, { ...site, script: work.script })
    : prepareGenerated(parts, plan, site);
}

/** A user's batch script runs as it is, from its own folder in the snapshot, as they would do by hand. */
async function prepareOwnScript(
  parts: SubmitParts,
  plan: SubmitPlan,
  site: Site & { script: string },
): Promise<Prepared> {
  const { places, jobId, run, script } = site;
  const snapshot = await freezeProject(parts, plan, site);
  const path = joinRemote(snapshotFolder(run), script);
  const folder = joinRemote(path, '..');
  const scriptName = posix.basename(path);
  const { value } = parseScript((await parts.remote.files.read(path)).toString('utf8'));
  const request = toJobRequest(value);
  const valueOf = (id: string) =>
    value.directives.findLast(({ option }) => option?.id === id)?.value;
  const [outName, errName, statisticsName] = [valueOf('out'), valueOf('err'), valueOf('spath')];
  // On the command line `-x` would take the place of the script's own.
  const canTell = valueOf('x') === undefined && /^[\w./+@-]+$/.test(places.project);
  return {
    submission: {
      ...{ jobId, folder, scriptName, claimsFolder: places.claims },
      ...(canTell && { variables: { FURO_PROJECT: places.project } }),
    },
    files: outputFiles(folder, request.name ?? scriptName, {
      hasStatistics: request.statistics !== 'none',
      isJoined: request.joinOutput,
      ...(outName !== undefined && { outName }),
      ...(errName !== undefined && { errName }),
      ...(statisticsName !== undefined && { statisticsName }),
    }),
    snapshot,
    elapseSeconds: request.elapseSeconds || 3600,
    resourceGroup: request.resourceGroup,
  };
}

async function prepareGenerated(
  parts: SubmitParts,
  plan: SubmitPlan,
  site: Site,
): Promise<Prepared> {
  const { files } = parts.remote;
  const { job, signal } = plan;
  const { places, jobId, run: folder } = site;
  const request = requestOf(job, findGroup(job.settings.resourceGroup));
  const name = request.name ?? 'job';
  const jobFile = joinRemote(folder, 'job.json');
  let results: RemotePath | undefined;
  let runtimeFolder = places.own;
  if (job.work.kind === 'inference') {
    plan.onStep?.({ kind: 'runtime' });
    runtimeFolder = await parts.uploadRuntime(plan.remoteFolder, signal);
    results = resultsFolder(places, job.name, job.work.inference);
    await files.makeFolder(folder, signal);
    await files.makeFolder(results, signal);
    await files.write(jobFile, renderJobFile(job.work.inference, results));
    plan.onStep?.({ kind: 'planning' });
    const { condaEnvironment } = job.settings;
    const planPlaces = { project: places.project, runtimeFolder, jobFile, condaEnvironment };
    await weighPlan(parts, plan, planPlaces);
  }
  const snapshot = await freezeProject(parts, plan, site);
  const startFolder = snapshotFolder(folder);
  const launch = { startFolder, projectFolder: places.project, runtimeFolder, jobFile };
  const script = renderScript(request, renderBody(job, launch));
  await files.write(joinRemote(folder, 'job.sh'), script, { mode: 0o700 });
  return {
    submission: { jobId, folder, scriptName: 'job.sh', claimsFolder: places.claims },
    files: {
      ...outputFiles(folder, name, { hasStatistics: true, isJoined: true }),
      ...(results && (await resultFiles(parts, results, signal))),
    },
    snapshot,
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
    snapshot: prepared.snapshot,
    workflow: plan.job,
    claimsFolder: prepared.submission.claimsFolder,
    scriptName: prepared.submission.scriptName,
  };
}
