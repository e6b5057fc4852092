// An operation that could not be done, named where it happened; worded only in `words/failureText.ts`.

/** Values that a sentence about a failure may mention. Never a secret. */
export type FailureValues = Readonly<Record<string, string | number>>;

/**
 * An expected kind of error. `reason` is one of the names that a layer lists in its `failures.ts`;
 * `values` fill the sentence; `cause` keeps the foreign error it was translated from.
 */
export class Failure<Reason extends string = string> extends Error {
  override readonly name = 'Failure';

  constructor(
    readonly reason: Reason,
    readonly values: FailureValues = {},
    options?: { cause?: unknown },
  ) {
    super(`${reason} ${JSON.stringify(values)}`, options);
  }
}

/** True for a {@link Failure}, with its reason when one is given. */
export function isFailure<Reason extends string>(
  error: unknown,
  reason?: Reason,
): error is Failure<Reason> {
  return error instanceof Failure && (reason === undefined || error.reason === reason);
}

/** True for the error that an `AbortSignal` throws: cancellation, shown as nothing. */
export function isCancellation(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
