// What became of a job that PJM calls ended. EXT is not success: exit code, PJM code and signal decide.
// Source of the codes: Command Reference, pjstat PC; `.stats` of real jobs.
import type { JobStatistics } from '../pjm/jobStatistics';
import type { QueueEntry } from '../pjm/pjstat';
import type { Outcome, RunFailure } from './job';

/** PJM codes that people meet; words for them are in `words/`. */
export const pjmCodes = {
  normal: 0,
  deleted: 1,
  rejected: 2,
  elapseLimit: 11,
  memoryLimit: 12,
} as const;

/** The outcome from the statistics file where there is one, else from the queue's last row. */
export function outcomeOf(
  state: string,
  entry: Pick<QueueEntry, 'exitCode' | 'pjmCode' | 'signal' | 'reason'> | undefined,
  statistics: JobStatistics | undefined,
): Outcome {
  const exitCode = statistics?.exitCode ?? entry?.exitCode;
  const pjmCode = statistics?.pjmCode ?? entry?.pjmCode;
  const signal = withoutZero(statistics ? statistics.signal : entry?.signal);
  if (state === 'CCL') return { kind: 'cancelled' };
  if (state === 'RJT')
    return { kind: 'rejected', reason: statistics?.reason ?? entry?.reason ?? '' };
  if (pjmCode === pjmCodes.deleted) return { kind: 'cancelled' };
  if (exitCode === 0 && pjmCode === 0 && signal === undefined) return { kind: 'succeeded' };
  return { kind: 'failed', exitCode, pjmCode, signal };
}

/** Tables print 0 where no signal came, `.stats` prints `-`. */
function withoutZero(signal: number | undefined): number | undefined {
  return signal === 0 ? undefined : signal;
}

/** Longest part of a line that is kept as a cause. */
const longestCause = 500;

/** What the last line of the output says about a program that ended with an error by itself. */
export function causeFromOutput(outcome: Outcome, lastLine: string): RunFailure | undefined {
  const message = lastLine.trim().slice(0, longestCause);
  const isOwnError = outcome.kind === 'failed' && outcome.pjmCode === 0 && outcome.exitCode !== 0;
  return isOwnError && message !== '' ? { reason: 'lastOutput', message } : undefined;
}
