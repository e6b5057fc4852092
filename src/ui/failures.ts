// What a click can lack. Knows no sentences.
import { Failure, type FailureValues } from '../base/failure';

export type UiFailureReason =
  | 'noFolder'
  /** scheme: the files are not on the computer where the extension runs. */
  | 'folderNotLocal'
  | 'notTrusted'
  | 'noFile'
  /** path */
  | 'fileOutsideFolder'
  /** path: neither .jsonl, .py, .sh nor furo.yaml. */
  | 'fileNotRunnable'
  /** path: a script without `#PJM` lines. */
  | 'noDirectives'
  /** job: submitted by an older version, or its files are gone. */
  | 'cannotRunAgain';

export function uiFailure(
  reason: UiFailureReason,
  values: FailureValues = {},
): Failure<UiFailureReason> {
  return new Failure(reason, values);
}
