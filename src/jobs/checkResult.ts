// What a connection check finds, step by step, as values. Knows neither how a step is done nor any sentence.
import type { Failure, FailureValues } from '../base/failure';

/** In the order in which they are done and shown. */
export const checkSteps = [
  'settings',
  'name',
  'port',
  'hostKey',
  'login',
  'shell',
  'sftp',
  'pjm',
  'folder',
  'space',
  'clock',
] as const;

export type CheckStep = (typeof checkSteps)[number];

/** What a step found when it did not fail. */
export type CheckFinding =
  /** user, host, port: what settings and ssh configuration say together. */
  | 'settingsRead'
  /** host, addresses */
  | 'nameFound'
  /** host: another machine or a command finds the way there. */
  | 'reachedByProxy'
  /** host: the window is connected already, so this was not tried anew. */
  | 'connectedAlready'
  /** host, port, banner: what the server calls itself. */
  | 'portAnswers'
  /** host */
  | 'hostKeyKnown'
  /** user, host: the name that the machine gives itself. */
  | 'loggedIn'
  /** shell */
  | 'shellQuiet'
  /** shell, line: printed by the start-up files of the shell before the command's own output. */
  | 'shellNoisy'
  /** shell, seconds: that its start-up files take. */
  | 'shellSlow'
  | 'sftpWorks'
  /** path of pjsub */
  | 'pjmAnswers'
  /** folder */
  | 'folderWritable'
  /** folder */
  | 'folderCreated'
  /** folder, free, used: in GiB; `used` is the percentage of the quota, or ''. */
  | 'spaceEnough'
  /** folder, free: in GiB. */
  | 'spaceLow'
  /** folder, used: percentage of the quota. */
  | 'quotaLow'
  /** folder: no command there tells. */
  | 'spaceUnknown'
  | 'clockAgrees'
  /** seconds: how far the machine's clock is ahead of this computer's; negative when behind. */
  | 'clockDiffers'
  | 'clockUnknown';

/** `warning`: works, but a person should know. `skipped`: needs no test. `notReached`: an earlier step failed. */
export type CheckState = 'ok' | 'warning' | 'failed' | 'skipped' | 'notReached';

export interface CheckedStep {
  readonly step: CheckStep;
  readonly state: CheckState;
  /** Absent when the step failed or was not reached. */
  readonly finding?: CheckFinding;
  readonly values?: FailureValues;
  /** Present when the step failed. */
  readonly failure?: Failure;
}

/** All steps in their order. */
export interface CheckReport {
  readonly startedMs: number;
  readonly steps: readonly CheckedStep[];
}

/** True when nothing failed; warnings do not count. */
export function isSound({ steps }: CheckReport): boolean {
  return steps.every(({ state }) => state !== 'failed' && state !== 'notReached');
}
