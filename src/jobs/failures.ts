// Every way in which the life of a job can fail. Knows no sentences.
import { Failure, type FailureValues } from '../base/failure';

export type JobFailureReason =
  | EnvironmentFailureReason
  | PlanFailureReason
  /** keys: settings that have to be filled in. */
  | 'settingsMissing'
  /** key, expected */
  | 'settingInvalid'
  /** folder, detail: the remote folder is not absolute, or cannot be made or written. */
  | 'remoteFolderUnusable'
  /** job: its settings name no model. */
  | 'modelMissing'
  /** job */
  | 'inputMissing'
  /** path: the local file of a job is not there. */
  | 'inputNotFound'
  /** path, found: the same but for capital and small letters. */
  | 'inputSpelledOtherwise'
  /** path: it or a link in it leads out of the folder or nowhere. */
  | 'inputOutside'
  /** path, name: the part of it that is never sent, whatever a job needs. */
  | 'inputNeverSent'
  /** path, there: edited on the machine only, where it is called `there`. */
  | 'inputChangedThere'
  /** path, there: a link or folder on the machine has its name. */
  | 'inputBlockedThere'
  /** path */
  | 'inputEmpty'
  /** path, line, detail: and how many more lines are wrong (more). */
  | 'inputMalformed'
  /** path, line, firstLine, id */
  | 'inputDuplicateId'
  /** job, count, first: code of the first problem. */
  | 'jobInvalid'
  /** job, pjmId: its results would go to the same file. */
  | 'alreadyRunning'
  /** code, text: pjsub's own words. */
  | 'submitRefused'
  /** text: neither accepted nor refused. */
  | 'submitUnclear'
  /** job: the connection broke and the outcome is not known yet. */
  | 'submitLost'
  /** command, path: PATH of the login shell. */
  | 'commandMissing'
  /** command, text */
  | 'commandFailed'
  /** job, target: it was sent to another machine than the one that the settings name now. */
  | 'otherMachine'
  /** path: it changed on the machine between sync and snapshot. */
  | 'snapshotChanged'
  /** folder, detail */
  | 'snapshotFailed'
  /** pjmId, code, text */
  | 'cancelRefused'
  /** folder: the Python runtime that travels with this program is missing. */
  | 'runtimeMissing'
  /** job */
  | 'resultsMissing'
  /** id */
  | 'jobUnknown'
  /** file, version: the history was written by a newer program. */
  | 'historyUnreadable';

/** What can stop the set-up of the conda environment. */
export type EnvironmentFailureReason =
  | 'condaMissing'
  /** folder: a conda that jobs do not look for. */
  | 'condaElsewhere'
  /** name */
  | 'environmentNameUnusable'
  /** folder, detail */
  | 'environmentNoSpace'
  /** detail */
  | 'environmentNoNetwork'
  /** detail: a version of the environment file is not to be had. */
  | 'environmentNoVersion'
  /** name, step, detail */
  | 'environmentFailed'
  /** name: the work on the machine ended without a result. */
  | 'environmentInterrupted'
  /** name, problems: EnvironmentProblem[] as JSON. The earlier environment is still in place. */
  | 'environmentWrong';

/** What can stop a plan, or what a plan stops. */
export type PlanFailureReason =
  /** job, group: the chosen one; fitting: the cheapest that fits, or ''; detail: the plan's own sentences. */
  | 'doesNotFit'
  /** job */
  | 'planOnlyForInference'
  /** detail */
  | 'planUnavailable';

export function jobFailure(
  reason: JobFailureReason,
  values: FailureValues,
  cause?: unknown,
): Failure<JobFailureReason> {
  return new Failure(reason, values, cause === undefined ? undefined : { cause });
}
