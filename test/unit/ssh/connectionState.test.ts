// The states of a connection: what is tried again, how soon, and what waits for a person.
import { describe, expect, it } from 'vitest';
import { backOffDelayMs, transition, type ConnectionState } from '../../../src/ssh/connectionState';

const minute = 60_000;

describe('the wait before a reconnect', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [6, 32_000],
    [7, 60_000],
    [1_000, 60_000],
  ])('at attempt %i is spread evenly below %i ms', (attempt, ceiling) => {
    expect(backOffDelayMs(attempt, 0)).toBe(0);
    expect(backOffDelayMs(attempt, 0.5)).toBe(ceiling / 2);
    expect(backOffDelayMs(attempt, 0.999_999)).toBeLessThan(ceiling);
  });

  it('grows to ten minutes once the machine has been away for half an hour', () => {
    expect(backOffDelayMs(40, 0.5, 30 * minute - 1)).toBe(minute / 2);
    expect(backOffDelayMs(40, 0.5, 30 * minute)).toBe(5 * minute);
  });
});

describe('a failure', () => {
  const failed = (state: ConnectionState, reason: string): ConnectionState =>
    transition(state, { kind: 'failed', reason, atMs: 10, delayMs: 5 });
  const connected: ConnectionState = { kind: 'connected', sinceMs: 0 };

  it('of an open connection is tried again, with growing attempts', () => {
    const waiting = failed(connected, 'connectionLost');
    expect(waiting).toEqual({ kind: 'waiting', attempt: 1, retryAtMs: 15 });
    const connecting = transition(waiting, { kind: 'started' });
    expect(connecting).toEqual({ kind: 'connecting', attempt: 1 });
    expect(failed(connecting, 'tooManyLogins')).toMatchObject({ kind: 'waiting', attempt: 2 });
  });

  it.each([
    'authenticationFailed',
    'personNeeded',
    'loginGivenUp',
    'passphraseRefused',
    'passwordExpired',
    'methodUnsupported',
    'securityKeyUnsupported',
    'certificateUnsupported',
    'signatureTooWeak',
    'keyExchangeUnshared',
    'hostKeyTypeUnshared',
    'cipherUnshared',
    'hostKeyChanged',
  ])('%s is never tried again without a person', (reason) => {
    for (const state of [connected, { kind: 'connecting', attempt: 3 } as const])
      expect(failed(state, reason)).toEqual({ kind: 'blocked', reason });
  });
});
