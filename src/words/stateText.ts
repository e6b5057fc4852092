// The state of a job in words. Knows the record, not how it is shown.
import type { Job, JobPhase, Outcome } from '../jobs/job';
import type { SkippedEntry } from '../sync/download';
import { pjmCodes } from '../jobs/outcome';
import { runtimeFailureText } from './runtimeFailureWords';
import type { Translate } from './translate';

/** Parts of a line, those that are not empty, with the comma of the language. */
export function listText(parts: readonly string[], t: Translate): string {
  return parts
    .filter(Boolean)
    .reduce((all, part) => (all === '' ? part : t('{0}, {1}', all, part)), '');
}

/** One or two words: waiting, running, done. */
export function phaseText(phase: JobPhase, t: Translate): string {
  switch (phase.kind) {
    case 'submitting':
      return t('submitting');
    case 'waiting':
      return waitingText(phase, t);
    case 'running':
      return t('running');
    case 'unknown':
      return t('unknown');
    case 'finished':
      return outcomeText(phase.outcome, t);
  }
}

function waitingText(phase: Extract<JobPhase, { kind: 'waiting' }>, t: Translate): string {
  const { state, plannedStart } = phase;
  if (plannedStart === undefined || state === 'HLD' || state === 'ERR') return queueText(state, t);
  return t('waiting, planned for {0}', plannedStart);
}

function queueText(state: string, t: Translate): string {
  if (state === 'HLD') return t('held');
  return state === 'ERR' ? t('stopped by a system error') : t('waiting');
}

/** How a job ended, with the cause where PJM names one. */
export function outcomeText(outcome: Outcome, t: Translate): string {
  switch (outcome.kind) {
    case 'succeeded':
      return t('done');
    case 'cancelled':
      return t('cancelled');
    case 'rejected':
      return outcome.reason === 'neverSubmitted' ? t('not submitted') : t('rejected by PJM');
    case 'failed':
      return failedText(outcome, t);
  }
}

/** Exit codes of furo_infer, in words; source: test/fixtures/contract/README.md. */
function failedText(outcome: Extract<Outcome, { kind: 'failed' }>, t: Translate): string {
  const { pjmCode, exitCode, signal } = outcome;
  if (pjmCode === pjmCodes.elapseLimit) return t('stopped at the time limit');
  if (pjmCode === pjmCodes.memoryLimit || pjmCode === 23) return t('stopped at the memory limit');
  if (pjmCode === 16) return t('failed: a folder or output file could not be used');
  if (pjmCode === 20) return t('failed: the node went down');
  if (pjmCode === 21) return t('failed: the script could not be started');
  if (pjmCode !== undefined && pjmCode !== 0) return t('failed (PJM code {0})', pjmCode);
  if (exitCode === 75) return t('interrupted; run it again for the rest');
  if (exitCode !== undefined && exitCode !== 0) return t('failed (exit code {0})', exitCode);
  if (signal !== undefined) return t('failed (signal {0})', signal);
  return t('failed');
}

/** `3/24` style counts of an inference; empty for other jobs. */
export function progressText(job: Job, t: Translate): string {
  const { progress } = job;
  if (!progress) return '';
  if (progress.stage === 'loading') return t('loading the model');
  const counts = t('{0} of {1} answered', progress.done, progress.total);
  return progress.failed > 0 ? `${counts}, ${t('{0} failed', progress.failed)}` : counts;
}

/** Why the program of a job failed, and what to do where we know the reason; empty when nobody said. */
export function causeText({ failure }: Pick<Job, 'failure'>, t: Translate): string {
  if (!failure) return '';
  return failure.reason === 'lastOutput'
    ? t('its last line: {0}', failure.message)
    : runtimeFailureText(failure, t);
}

/** One sentence for each thing that was not brought as it is there. */
export function resultsNotesText(
  { resultsNotes }: Pick<Job, 'resultsNotes'>,
  t: Translate,
): string[] {
  if (!resultsNotes) return [];
  const { keptAside, skipped } = resultsNotes;
  return [
    ...keptAside.map(({ path, copy }) =>
      t('{0} was edited here. The edited file is now {1}, beside the new one.', path, copy),
    ),
    ...skipped.map((entry) => t('{0} was not brought: {1}', entry.path, skippedText(entry, t))),
  ];
}

function skippedText({ why, other }: SkippedEntry, t: Translate): string {
  switch (why) {
    case 'unsafe':
    case 'reserved':
      return t('a file here cannot have this name. Rename it on the machine, or in the job.');
    case 'collides':
      return t('here it would be the same file as {0}. Rename one of them.', other ?? '');
    case 'notAFile':
      return t('it is no plain file there.');
    case 'tooDeep':
      return t('it lies too many folders deep.');
    case 'linkInTheWay':
      return t(
        'something else stands here in its place: a folder, a link or a file. Move it away and open the results again.',
      );
    case 'permissionDenied':
      return t('you may not read it there.');
    case 'gone':
      return t('it vanished while it was read.');
  }
}

/** The state with counts as short as a list row needs: `running 8/24`; a planned start stands elsewhere. */
export function shortStateText(job: Job, t: Translate): string {
  const { progress, phase } = job;
  const state = phase.kind === 'waiting' ? queueText(phase.state, t) : phaseText(phase, t);
  if (!progress || progress.stage === 'loading') return state;
  return `${state} ${progress.done}/${progress.total}`;
}

/** How long a job ran, or runs by now; undefined before its start. */
export function elapsedSeconds(
  { statistics, phase }: Pick<Job, 'statistics' | 'phase'>,
  nowMs: number,
): number | undefined {
  if (statistics?.elapseSeconds !== undefined) return statistics.elapseSeconds;
  if (phase.kind !== 'running' || phase.startedMs === undefined) return undefined;
  return (nowMs - phase.startedMs) / 1000;
}

/** `0:05:10` of seconds. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
