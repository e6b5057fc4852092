// Every Failure in words: what happened, why, what to do next. A reason without an entry does not compile.
import type { Failure, FailureValues } from '../base/failure';
import type { JobFailureReason } from '../jobs/failures';
import type { SshFailureReason } from '../ssh/failures';
import type { SyncFailureReason } from '../sync/failures';
import { jobFailureWords } from './jobFailureWords';
import { sshFailureWords } from './sshFailureWords';
import { syncFailureWords } from './syncFailureWords';
import { uiFailureWords } from './uiFailureWords';
import type { UiFailureReason } from '../ui/failures';
import type { Translate } from './translate';

export type FailureReason =
  SshFailureReason | SyncFailureReason | JobFailureReason | UiFailureReason;

/** What a button under the sentence does; at most two. */
export type FailureAction =
  | 'openSettings'
  | 'showLog'
  | 'tryAgain'
  | 'openFile'
  | 'openFolder'
  | 'manageTrust'
  | 'submitAnyway'
  | 'openWorkflow';

/** A sentence with its buttons. `t` gives the language, `v` reads a value of the failure. */
export interface FailureWords {
  readonly text: (t: Translate, v: (key: string) => string) => string;
  readonly actions?: readonly FailureAction[];
}

const allWords: Readonly<Record<FailureReason, FailureWords>> = {
  ...sshFailureWords,
  ...syncFailureWords,
  ...jobFailureWords,
  ...uiFailureWords,
};

/** The reasons that have words, for the test that every sentence is translated. */
export const failureReasons = Object.keys(allWords) as readonly FailureReason[];

/** What a person reads about a failure, and which buttons help. */
export function failureText(
  failure: Pick<Failure, 'reason' | 'values'>,
  t: Translate,
): { message: string; actions: readonly FailureAction[] } {
  const words = (allWords as Readonly<Record<string, FailureWords | undefined>>)[failure.reason];
  if (!words) return { message: failure.reason, actions: ['showLog'] };
  const v = reader(failure.values);
  // Any failure of a connection may be that of a machine on the way.
  const place =
    'jumpHost' in failure.values
      ? [t('This is about {0}, the jump host on the way to {1}.', v('jumpHost'), v('onWayTo'))]
      : [];
  const message = [words.text(t, v), ...place].join(' ');
  return { message, actions: words.actions ?? ['showLog'] };
}

function reader(values: FailureValues): (key: string) => string {
  return (key) => String(values[key] ?? '');
}
