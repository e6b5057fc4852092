// The state of the connection in words: a few for the status bar, a sentence where there is room.
import type { BlockingReason, ConnectionState } from '../ssh/connectionState';
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
      return wordsOf(state.reason).short(t);
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
    return t('There is no connection now. The next try comes by itself in {0} s; jobs on the machine go on.', secondsUntil(state.retryAtMs, nowMs)); // prettier-ignore
  if (state.kind !== 'blocked') return undefined;
  return wordsOf(state.reason).advice(t);
}

function secondsUntil(atMs: number, nowMs: number): number {
  return Math.max(0, Math.ceil((atMs - nowMs) / 1000));
}

/** The command that helps: each is an id of package.json without its prefix. */
export type NextStep = 'reconnect' | 'checkConnection' | 'openSettings';

/** What a click on the state should do; undefined where nothing has to be done. */
export function nextStep(state: ConnectionState): NextStep | undefined {
  if (state.kind === 'waiting') return 'reconnect';
  if (state.kind !== 'blocked') return undefined;
  return wordsOf(state.reason).next;
}

/** The step as the text of a button or a link. */
export function stepText(step: NextStep, t: Translate): string {
  switch (step) {
    case 'reconnect':
      return t('Reconnect now');
    case 'checkConnection':
      return t('Check the connection');
    case 'openSettings':
      return t('Open the settings');
  }
}

interface BlockedWords {
  readonly next: NextStep;
  readonly short: (t: Translate) => string;
  readonly advice: (t: Translate) => string;
}

/** A reason of a later version gets words that are true of each. */
function wordsOf(reason: string): BlockedWords {
  return (blockedWords as Readonly<Record<string, BlockedWords>>)[reason] ?? elsewise;
}

const elsewise: BlockedWords = {
  next: 'checkConnection',
  short: (t) => t('waits for you'),
  advice: (t) => t('Furo cannot connect by itself. Check Connection says why and what helps.'),
};

const noAlgorithm: BlockedWords = {
  next: 'checkConnection',
  short: (t) => t('no shared algorithm'),
  advice: (t) =>
    t('The machine and this extension share no way to encrypt, so nothing was sent. Check Connection says which ways it offers.'), // prettier-ignore
};

const otherKey: BlockedWords = {
  next: 'checkConnection',
  short: (t) => t('key not usable'),
  advice: (t) =>
    t('The key is of a kind that this extension or the machine cannot use. Check Connection says which one helps.'), // prettier-ignore
};

/** Why only a person can help. A reason without an entry does not compile. */
const blockedWords: Readonly<Record<BlockingReason, BlockedWords>> = {
  endpointInvalid: {
    next: 'openSettings',
    short: (t) => t('settings unusable'),
    advice: (t) => t('The connection settings cannot be used. Check Connection says which one.'),
  },
  sshConfigUnusable: {
    next: 'checkConnection',
    short: (t) => t('ssh config unusable'),
    advice: (t) =>
      t('Your ssh configuration cannot be used for this host. Check Connection says what ssh itself says about it.'), // prettier-ignore
  },
  jumpLoop: {
    next: 'checkConnection',
    short: (t) => t('jump hosts unusable'),
    advice: (t) =>
      t('The jump hosts of your ssh configuration lead in a circle or are too many. Correct them, then connect again.'), // prettier-ignore
  },
  handshakeFailed: {
    next: 'checkConnection',
    short: (t) => t('no SSH server that fits'),
    advice: (t) => t('Something answers there, but not as an SSH server that we can talk to.'),
  },
  keyExchangeUnshared: noAlgorithm,
  hostKeyTypeUnshared: noAlgorithm,
  cipherUnshared: noAlgorithm,
  hostKeyChanged: {
    next: 'checkConnection',
    short: (t) => t('host key refused'),
    advice: (t) =>
    t('The key of the machine is not the one that you trust, so nothing was sent. Check Connection says where the old one is remembered.'), // prettier-ignore
  },
  hostKeyRevoked: {
    next: 'checkConnection',
    short: (t) => t('host key refused'),
    advice: (t) =>
      t('The key of the machine is marked as revoked, so nothing was sent. Ask the computer centre which key is right.'), // prettier-ignore
  },
  hostKeyUnchecked: {
    next: 'checkConnection',
    short: (t) => t('host key not checked'),
    advice: (t) =>
      t('The key of the machine could not be checked, so nothing was sent. Check Connection says which file is in the way.'), // prettier-ignore
  },
  hostKeyUnknown: {
    next: 'checkConnection',
    short: (t) => t('host key unknown'),
    advice: (t) =>
      t('Nobody has remembered the key of the machine, and your ssh configuration forbids new ones, so nothing was sent.'), // prettier-ignore
  },
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
  methodUnsupported: {
    next: 'checkConnection',
    short: (t) => t('no way to log in'),
    advice: (t) =>
      t('The machine lets nobody in by a key, a password or a code. Check Connection says what it wants.'), // prettier-ignore
  },
  securityKeyUnsupported: otherKey,
  certificateUnsupported: otherKey,
  signatureTooWeak: otherKey,
  personNeeded: {
    next: 'reconnect',
    short: (t) => t('waits for your login'),
    advice: (t) =>
      t('Connecting needs an answer from you, such as a passphrase or a code. Connect when you are ready; jobs on the machine go on.'), // prettier-ignore
  },
  agentRefused: {
    next: 'reconnect',
    short: (t) => t('agent did not sign'),
    advice: (t) =>
      t('The machine takes a key of your SSH agent, but the agent did not sign with it. Unlock the agent or confirm its question, then connect again.'), // prettier-ignore
  },
  answerTooLate: {
    next: 'reconnect',
    short: (t) => t('answer came too late'),
    advice: (t) =>
      t('The machine hung up before a question of the login was answered. Connect again and answer within two minutes.'), // prettier-ignore
  },
  loginGivenUp: {
    next: 'reconnect',
    short: (t) => t('login not finished'),
    advice: (t) =>
      t('A question of the login was not answered. Connect again to be asked once more.'),
  },
  passwordExpired: {
    next: 'checkConnection',
    short: (t) => t('password expired'),
    advice: (t) =>
      t('Your password there has expired. Choose a new one with "ssh" in a terminal, then connect again.'), // prettier-ignore
  },
};
