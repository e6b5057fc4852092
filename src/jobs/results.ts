// What a job left: statistics, outcome, and the files that come back into the workspace. Knows no views.
import { sleep, type Clock } from '../base/clock';
import { isCancellation, isFailure } from '../base/failure';
import type { Logger } from '../base/log';
import { parseJobStatistics, type JobStatistics } from '../pjm/jobStatistics';
import type { QueueEntry } from '../pjm/pjstat';
import { remotePath, type RemoteFiles } from '../ssh/remote';
import { mkdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { InferenceProgress, Job, JobFiles } from './job';
import { localResultsFolder } from './places';
import { outcomeOf } from './outcome';
import { parseProgress } from './progress';
import type { JobStore } from './jobStore';

export interface ResultParts {
  readonly files: RemoteFiles;
  readonly store: JobStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/** On Furo the statistics came 2 to 3 s after the end; an absent file is looked for this long. */
const statisticsWaitMs = 15_000;
const statisticsStepMs = 500;
/** The last event of the runtime is well inside this many bytes. */
const progressTailBytes = 64 * 1024;

/**
 * Settles a job that ended: reads its statistics, brings its files back, then says how it ended. A job that PJM no
 * longer knows and that left no statistics stays `unknown`.
 */
export async function settleJob(
  parts: ResultParts,
  job: Job,
  entry: QueueEntry | undefined,
  signal: AbortSignal,
): Promise<void> {
  const statistics = await readStatistics(parts, job, signal);
  if (!entry && !statistics) {
    const lastState = 'state' in job.phase ? job.phase.state : undefined;
    const lastSeenMs = job.phase.kind === 'unknown' ? job.phase.lastSeenMs : parts.clock.now();
    parts.store.change(job.id, {
      phase: { kind: 'unknown', lastSeenMs, ...(lastState !== undefined && { lastState }) },
    });
    return;
  }
  const progress = await readProgress(parts.files, job, signal);
  const resultsFolder = await downloadOrLog(parts, job, signal);
  const outcome = outcomeOf(statistics?.state ?? entry?.state ?? '', entry, statistics);
  parts.store.change(job.id, {
    phase: { kind: 'finished', outcome, endedMs: parts.clock.now() },
    ...(resultsFolder !== undefined && { resultsFolder }),
    ...(statistics && { statistics }),
    ...(progress && { progress }),
  });
}

/** Only a lost connection is worth another try by itself; any other trouble must not hide how the job ended. */
async function downloadOrLog(
  parts: ResultParts,
  job: Job,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await downloadResults(parts, job, signal);
  } catch (error) {
    const isPassing = isFailure(error, 'connectionLost') || isFailure(error, 'timedOut');
    if (isPassing || isCancellation(error)) throw error;
    parts.log.error(`The results of ${job.name} could not be downloaded: ${String(error)}`);
    return undefined;
  }
}

async function readStatistics(
  { files, clock }: ResultParts,
  job: Job,
  signal: AbortSignal,
): Promise<JobStatistics | undefined> {
  const path = job.files?.statistics;
  if (path === undefined) return undefined;
  for (let waited = 0; waited <= statisticsWaitMs; waited += statisticsStepMs) {
    if (await files.stat(remotePath(path), signal)) {
      const text = (await files.read(remotePath(path), undefined, signal)).toString('utf8');
      const statistics = parseJobStatistics(text);
      if (statistics) return statistics;
    }
    await sleep(clock, statisticsStepMs, signal);
  }
  return undefined;
}

/** How far the inference is, from the end of its event file; undefined for other jobs. */
export async function readProgress(
  files: RemoteFiles,
  job: Job,
  signal?: AbortSignal,
): Promise<InferenceProgress | undefined> {
  const path = job.files?.progress;
  if (path === undefined) return undefined;
  const stat = await files.stat(remotePath(path), signal);
  if (!stat) return undefined;
  const offset = Math.max(0, stat.size - progressTailBytes);
  const bytes = await files.read(remotePath(path), { offset, length: progressTailBytes }, signal);
  return parseProgress(bytes.toString('utf8'), job.progress);
}

/** Brings output, statistics and answers into the workspace; returns the local folder. */
export async function downloadResults(
  { files, log }: Pick<ResultParts, 'files' | 'log'>,
  job: Job,
  signal?: AbortSignal,
): Promise<string> {
  const folder = localResultsFolder(job.workspaceFolder, job.name, job.pjmId ?? job.id);
  await mkdir(folder, { recursive: true });
  for (const [path, name] of wantedFiles(job.files)) {
    if (!(await files.stat(remotePath(path), signal))) log.info(`no ${path}`);
    else await files.download(remotePath(path), join(folder, name), { ...(signal && { signal }) });
  }
  return folder;
}

function wantedFiles(files: JobFiles | undefined): readonly (readonly [string, string])[] {
  if (!files) return [];
  const { stdout, stderr, statistics, results, progress } = files;
  const paths = [stdout, stderr, statistics, results, progress];
  return paths.flatMap((path) =>
    path === undefined ? [] : [[path, posix.basename(path)] as const],
  );
}
