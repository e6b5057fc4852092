// The state of the connection in words: a few for the status bar, a sentence where there is room.
import type { SshFailureReason } from '../ssh/failures';
import type { ConnectionState } from '../ssh/connectionState';
import type { Translate } from './translate';

/** A few words, such as `connected` or `reconnecting in 12 s`. */
export function connectionText(state: ConnectionState, nowMs: number, t: Translate): string {
  switch (state.kind) {
    case 'connected':
      return t('connected');
    case 'connecting':
      return state.attempt === 0 ? t('connecting') : t('connecting, try {0}', state.attempt);
    case 'waiting':
      return t('reconnecting in {0} s', secondsUntil(state.retryAtMs, nowMs));
    case 'blocked':
      return (blockedWords[state.reason as SshFailureReason] ?? elsewise).short(t);
    case 'disconnected':
      return t('not connected');
  }
}

/** What it means and what to do, for the two states that a person should notice; undefined otherwise. */
export function connectionAdvice(
  state: ConnectionState,
  nowMs: number,
  t: Translate,
): string | undefined {
  if (state.kind === 'waiting')
    return t('The connection broke. It comes back by itself in {0} s; jobs on the machine go on.', secondsUntil(state.retryAtMs, nowMs)); // prettier-ignore
  if (state.kind !== 'blocked') return undefined;
  return (blockedWords[state.reason as SshFailureReason] ?? elsewise).advice(t);
}

function secondsUntil(atMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((atMs - nowMs) / 1000));
}

/** The command that helps: each is an id of package.json without its prefix. */
export type NextStep = 'reconnect' | 'checkConnection' | 'chooseHost' | 'openSettings';

/** What a click on the state should do; undefined where nothing has to be done. */
export function nextStep(state: ConnectionState): NextStep | undefined {
  if (state.kind === 'waiting') return 'reconnect';
  if (state.kind !== 'blocked') return undefined;
  return (blockedWords[state.reason as SshFailureReason] ?? elsewise).next;
}

interface BlockedWords {
  readonly next: NextStep;
  readonly short: (t: Translate) => string;
  readonly advice: (t: Translate) => string;
}

const elsewise: BlockedWords = {
  next: 'checkConnection',
  short: (t) => t('waits for you'),
  advice: (t) => t('Furo cannot connect by itself. Check Connection says why and what helps.'),
};

const hostKey: BlockedWords = {
  next: 'checkConnection',
  short: (t) => t('host key refused'),
  advice: (t) =>
    t('The key of the machine is not the one that you trust, so nothing was sent. Check Connection says where the old one is remembered.'), // prettier-ignore
};

/** Why only a person can help. A reason without an entry gets words that are true of each. */
const blockedWords: Readonly<Partial<Record<SshFailureReason, BlockedWords>>> = {
  endpointInvalid: {
    next: 'openSettings',
    short: (t) => t('settings unusable'),
    advice: (t) => t('The connection settings cannot be used. Check Connection says which one.'),
  },
  proxyUnsupported: {
    next: 'chooseHost',
    short: (t) => t('jump host not supported'),
    advice: (t) =>
      t('Your ssh configuration asks for a jump host or a proxy command. Choose a machine that can be reached directly.'), // prettier-ignore
  },
  handshakeFailed: {
    next: 'checkConnection',
    short: (t) => t('no SSH server that fits'),
    advice: (t) => t('Something answers there, but not as an SSH server that we can talk to.'),
  },
  hostKeyChanged: hostKey,
  hostKeyRevoked: hostKey,
  hostKeyUnchecked: hostKey,
  hostKeyRejected: {
    next: 'reconnect',
    short: (t) => t('host key not confirmed'),
    advice: (t) =>
      t('You did not confirm the key of the machine, so nothing was sent. Connect again to be asked once more.'), // prettier-ignore
  },
  authenticationFailed: {
    next: 'checkConnection',
    short: (t) => t('login refused'),
    advice: (t) =>
      t('The machine did not accept the login. It is not tried again by itself, so that nobody is locked out. Check user and key.'), // prettier-ignore
  },
  noKey: {
    next: 'checkConnection',
    short: (t) => t('no key'),
    advice: (t) => t('There is no key to log in with. Check Connection says what helps.'),
  },
  keyFileUnreadable: {
    next: 'openSettings',
    short: (t) => t('key file unreadable'),
    advice: (t) => t('The key file of the settings cannot be read. Choose another one.'),
  },
  passphraseRefused: {
    next: 'reconnect',
    short: (t) => t('passphrase missing'),
    advice: (t) =>
      t('The passphrase of the key was wrong or not given. Connect again to be asked once more.'),
  },
};
