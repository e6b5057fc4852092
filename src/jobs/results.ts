// What a job left: statistics, outcome, and the files that come back into the workspace. Knows no views.
import { sleep, type Clock } from '../base/clock';
import { isCancellation, isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import { parseJobStatistics, type JobStatistics } from '../pjm/jobStatistics';
import type { QueueEntry } from '../pjm/pjstat';
import { needsPerson } from '../ssh/connectionState';
import { remotePath, type RemoteFiles, type RemotePath } from '../ssh/remote';
import { downloadFolder, type DownloadNotes, type DownloadSummary, type SkippedEntry } from '../sync/download'; // prettier-ignore
import { join, posix } from 'node:path';
import type { InferenceProgress, Job, JobFiles, JobPhase, RunFailure } from './job';
import { localResultsFolder } from './places';
import { outcomeOf } from './outcome';
import { parseProgress, parseRunFailure } from './progress';

export interface ResultParts {
  readonly files: RemoteFiles;
  readonly clock: Clock;
  readonly log: Logger;
}

/** On Furo the statistics came 2 to 3 s after the end; an absent file is looked for this long. */
const statisticsWaitMs = 15_000;
/** A job that never ran may have none at all, and then nobody should wait for them. */
const unrunStatisticsWaitMs = 2_000;
const statisticsStepMs = 500;
/** The last event of the runtime is well inside this many bytes. */
const progressTailBytes = 64 * 1024;

/** What is known about a job once PJM calls it ended. */
export type JobEnd = Partial<Omit<Job, 'id'>> & Pick<Job, 'phase'>;

/**
 * How a job ended: reads its statistics and brings its files back. A job that PJM no longer knows and that left no
 * statistics becomes `unknown`.
 */
export async function readEnd(
  parts: ResultParts,
  job: Job,
  entry: QueueEntry | undefined,
  signal: AbortSignal,
): Promise<JobEnd> {
  const waitMs = !entry ? 0 : entry.state === 'EXT' ? statisticsWaitMs : unrunStatisticsWaitMs;
  const wanted = { ...parts, waitMs, signal };
  const statistics = await unlessUnreadable(parts, () => readStatistics(wanted, job));
  if (!entry && !statistics) return { phase: lostPhase(job, parts.clock.now()) };
  const told = await unlessUnreadable(parts, () => readProgress(parts.files, job, signal));
  const brought = await unlessUnreadable(parts, () => downloadResults(parts, job, signal));
  const outcome = outcomeOf(statistics?.state ?? entry?.state ?? '', entry, statistics);
  return {
    phase: { kind: 'finished', outcome, endedMs: parts.clock.now() },
    ...brought,
    ...(statistics && { statistics }),
    ...told,
  };
}

function lostPhase({ phase }: Job, nowMs: number): JobPhase {
  if (phase.kind === 'unknown') return phase;
  const lastState = 'state' in phase ? phase.state : undefined;
  return { kind: 'unknown', lastSeenMs: nowMs, ...(lastState !== undefined && { lastState }) };
}

/** Only a lost connection is worth another try by itself; any other trouble must not hide how the job ended. */
export async function unlessUnreadable<T>(
  { log }: Pick<ResultParts, 'log'>,
  step: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (isCancellation(error) || !isFailure(error) || isAboutConnection(error)) throw error;
    log.error(`Part of what a job left could not be read: ${String(error)}`);
    return undefined;
  }
}

/** The same question will be answered later. */
function isAboutConnection({ reason }: Failure): boolean {
  return connectionReasons.has(reason) || needsPerson(reason);
}

const connectionReasons: ReadonlySet<string> = new Set([
  'connectionLost',
  'connectionClosed',
  'connectionRefused',
  'hostUnreachable',
  'hostNotFound',
  'jumpRefused',
  'proxyCommandFailed',
  'sshConfigUnanswered',
  'endedEarly',
  'tooManyLogins',
  'timedOut',
  'channelRefused',
]);

async function readStatistics(
  { files, clock, waitMs, signal }: ResultParts & { waitMs: number; signal: AbortSignal },
  job: Job,
): Promise<JobStatistics | undefined> {
  const path = job.files?.statistics;
  if (path === undefined) return undefined;
  for (let waited = 0; ; waited += statisticsStepMs) {
    if (await files.stat(remotePath(path), signal)) {
      const text = (await files.read(remotePath(path), undefined, signal)).toString('utf8');
      const statistics = parseJobStatistics(text);
      if (statistics) return statistics;
    }
    if (waited >= waitMs) return undefined;
    await sleep(clock, statisticsStepMs, signal);
  }
}

/** What the runtime told of this run, from the end of its event file; undefined for other jobs. */
export async function readProgress(
  files: RemoteFiles,
  job: Job,
  signal?: AbortSignal,
): Promise<{ progress?: InferenceProgress; failure?: RunFailure } | undefined> {
  const { progress: path, progressStart = 0 } = job.files ?? {};
  if (path === undefined) return undefined;
  const stat = await files.stat(remotePath(path), signal);
  if (!stat) return undefined;
  // A file shorter than it was has been begun anew.
  const start = stat.size < progressStart ? 0 : progressStart;
  if (stat.size === start) return {};
  const offset = Math.max(start, stat.size - progressTailBytes);
  const bytes = await files.read(remotePath(path), { offset, length: stat.size - offset }, signal);
  const text = bytes.toString('utf8');
  const progress = parseProgress(text, job.progress);
  const failure = parseRunFailure(text);
  return { ...(progress && { progress }), ...(failure && { failure }) };
}

/** Where the results are now, and what to know of them. */
export interface BroughtResults {
  readonly resultsFolder: string;
  readonly resultsNotes: DownloadNotes;
}

/** Whether nothing is left to bring that a person may have put right since the last time. */
export function areBrought(job: Job): job is Job & Pick<BroughtResults, 'resultsFolder'> {
  const isLost = ({ why }: SkippedEntry) => why === 'gone' || why === 'tooDeep';
  return job.resultsFolder !== undefined && (job.resultsNotes?.skipped.every(isLost) ?? true);
}

/** Brings output, statistics and answers into the workspace; undefined when nothing is there to bring. */
export async function downloadResults(
  { files, log }: Pick<ResultParts, 'files' | 'log'>,
  job: Job,
  signal?: AbortSignal,
): Promise<BroughtResults | undefined> {
  const folder = localResultsFolder(job.workspaceFolder, job.name, job.pjmId ?? job.id);
  const taken = new Set<string>();
  const summaries: DownloadSummary[] = [];
  for (const [remoteFolder, names] of namesByFolder(job.files)) {
    // A script may give two files of different folders the same name.
    const localFolder = names.some((name) => taken.has(name)) ? join(folder, 'other') : folder;
    const options = { files, remoteFolder, localFolder, names, ...(signal && { signal }) };
    try {
      const summary = await downloadFolder(options);
      for (const { path, why } of summary.skipped) log.warn(`${path} was not brought: ${why}`);
      for (const { path, copy } of summary.keptAside)
        log.warn(`${path} was edited here; the edited file is now ${copy}`);
      summaries.push(summary);
    } catch (error) {
      if (!isFailure(error, 'noSuchFile')) throw error;
      log.info(`no ${remoteFolder}`);
    }
    for (const name of names) taken.add(name);
  }
  const skipped = summaries.flatMap((summary) => summary.skipped);
  if (skipped.length === 0 && summaries.every((summary) => summary.files === 0)) return undefined;
  const keptAside = summaries.flatMap((summary) => summary.keptAside);
  return { resultsFolder: folder, resultsNotes: { skipped, keptAside } };
}

function namesByFolder(files: JobFiles | undefined): ReadonlyMap<RemotePath, readonly string[]> {
  const folders = new Map<RemotePath, string[]>();
  if (!files) return folders;
  const { stdout, stderr, statistics, results, progress } = files;
  for (const path of new Set([stdout, stderr, statistics, results, progress])) {
    if (path === undefined) continue;
    const folder = remotePath(posix.dirname(path));
    folders.set(folder, [...(folders.get(folder) ?? []), posix.basename(path)]);
  }
  return folders;
}
