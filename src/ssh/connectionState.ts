// The states of one connection and how events move them. Pure: `connection.ts` acts on them, views only show them.
import type { SshFailureReason } from './failures';

export type ConnectionState =
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'connected'; readonly sinceMs: number }
  /** Not there without being asked; the next attempt comes at `retryAtMs`. */
  | { readonly kind: 'waiting'; readonly attempt: number; readonly retryAtMs: number }
  /**
   * Only a person can help: authentication, host key, bad settings. `reason` is a failure reason. `isUnattended` where
   * nobody waited for the connection, so nobody has been told yet.
   */
  | { readonly kind: 'blocked'; readonly reason: string; readonly isUnattended?: true };

export type ConnectionEvent =
  /** Somebody needs the connection, or the wait is over. */
  | { readonly kind: 'started' }
  | { readonly kind: 'opened'; readonly atMs: number }
  /** An attempt failed, or an open connection broke. `delayMs` is the wait that the caller drew. */
  | {
      readonly kind: 'failed';
      readonly reason: string;
      /** No person asked for it. */
      readonly isUnattended?: boolean;
      readonly atMs: number;
      readonly delayMs: number;
    }
  /** Closed on purpose. */
  | { readonly kind: 'closed' };

const BASE_DELAY_MS = 1_000;
const CAP_DELAY_MS = 60_000;
/** A machine that has been away for so long is in maintenance, or the computer has no network. */
const LONG_AWAY_MS = 30 * 60_000;
const LONG_CAP_DELAY_MS = 10 * 60_000;

/** Reasons for which trying again by itself is useless or harmful (it may lock out a whole campus). */
const PERSON_NEEDED = [
  'endpointInvalid',
  'sshConfigUnusable',
  'jumpLoop',
  'handshakeFailed',
  'keyExchangeUnshared',
  'hostKeyTypeUnshared',
  'cipherUnshared',
  'hostKeyChanged',
  'hostKeyRevoked',
  'hostKeyUnknown',
  'hostKeyRejected',
  'hostKeyUnchecked',
  'authenticationFailed',
  'noKey',
  'keyFileUnreadable',
  'passphraseRefused',
  'methodUnsupported',
  'securityKeyUnsupported',
  'certificateUnsupported',
  'signatureTooWeak',
  'personNeeded',
  'agentRefused',
  'answerTooLate',
  'loginGivenUp',
  'passwordExpired',
] as const satisfies readonly SshFailureReason[];

export type BlockingReason = (typeof PERSON_NEEDED)[number];

export function needsPerson(reason: string): reason is BlockingReason {
  return (PERSON_NEEDED as readonly string[]).includes(reason);
}

/**
 * Full jitter: evenly between 0 and min(60 s, 1 s x 2^(attempt-1)), or up to 10 min once the connection has been away
 * for half an hour. `random` is in [0, 1).
 */
export function backOffDelayMs(attempt: number, random: number, awayMs = 0): number {
  const growing = Math.min(CAP_DELAY_MS, BASE_DELAY_MS * 2 ** Math.min(attempt - 1, 30));
  return Math.floor(random * (awayMs >= LONG_AWAY_MS ? LONG_CAP_DELAY_MS : growing));
}

/**
 * The next state. A first attempt that a person asked for and that fails ends as `disconnected`: its caller is told and
 * decides. Only a connection that once stood, or that live jobs need, is brought back by itself.
 */
export function transition(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  switch (event.kind) {
    case 'closed':
      return { kind: 'disconnected' };
    case 'started':
      if (state.kind === 'connected' || state.kind === 'connecting') return state;
      return { kind: 'connecting', attempt: state.kind === 'waiting' ? state.attempt : 0 };
    case 'opened':
      return state.kind === 'connecting' ? { kind: 'connected', sinceMs: event.atMs } : state;
    case 'failed':
      return afterFailure(state, event);
  }
}

function afterFailure(
  state: ConnectionState,
  event: Extract<ConnectionEvent, { kind: 'failed' }>,
): ConnectionState {
  if (state.kind !== 'connecting' && state.kind !== 'connected') return state;
  const { reason, isUnattended = false } = event;
  if (needsPerson(reason))
    return { kind: 'blocked', reason, ...(isUnattended && { isUnattended }) };
  if (state.kind === 'connecting' && state.attempt === 0 && !isUnattended)
    return { kind: 'disconnected' };
  const attempt = state.kind === 'connecting' ? state.attempt + 1 : 1;
  return { kind: 'waiting', attempt, retryAtMs: event.atMs + event.delayMs };
}
