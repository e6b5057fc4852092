// Words for the failures of a login: keys, passphrases, passwords, and what only a person can go on with.
import type { SshFailureReason } from '../ssh/failures';
import type { FailureWords } from './failureText';

export const loginFailureWords = {
  authenticationFailed: {
    text: (t, v) =>
      t(
        '{0} did not accept the login of {1}. Keys tried: {2}; codes and passwords: {3}. Check user and key file in the settings; the public key has to be registered in the HPC portal.',
        v('host'),
        v('user'),
        v('keys'),
        v('answers'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  loginUnanswered: {
    text: (t, v) =>
      t(
        '{0} was reached, but did not finish the login of {1} in time. Its home folders may hang, or it is overloaded. Try again later, choose another login node, or ask the computer centre.',
        v('host'),
        v('user'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  noKey: {
    text: (t, v) =>
      t(
        'There is no key to log in to {0}: no SSH agent and no key file. Enter a key file in the settings.',
        v('host'),
      ),
    actions: ['openSettings'],
  },
  methodUnsupported: {
    text: (t, v) =>
      t(
        '{0} lets you in only by {1}, which this extension cannot do (Kerberos, for example). Ask the computer centre whether a key or a one-time code can be used.',
        v('host'),
        v('methods'),
      ),
    actions: ['showLog'],
  },
  securityKeyUnsupported: {
    text: (t, v) =>
      t(
        'The key of {0} lives in a security key (FIDO), which this extension cannot use. Register an ordinary key (ssh-keygen -t ed25519) in the HPC portal and enter it in the settings.',
        v('file'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  certificateUnsupported: {
    text: (t, v) =>
      t(
        'Not logged in: OpenSSH would show a certificate here ({0}), which this extension cannot do. Register the public key itself in the HPC portal, or enter another key in the settings.',
        v('file'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  signatureTooWeak: {
    text: (t, v) =>
      t(
        '{0} takes RSA signatures only in their old, broken form (SHA-1). Use an ed25519 key (ssh-keygen -t ed25519).',
        v('host'),
      ),
    actions: ['openSettings'],
  },
  personNeeded: {
    text: (t, v) =>
      t(
        'Connecting to {0} needs an answer from you, such as a passphrase or a code. Connect when you are ready; jobs on the machine go on.',
        v('host'),
      ),
    actions: ['tryAgain'],
  },
  agentRefused: {
    text: (t, v) =>
      t(
        '{0} takes a key of your SSH agent, but the agent did not sign with it ({1}). Unlock the agent or confirm its question, then connect again.',
        v('host'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  answerTooLate: {
    text: (t, v) =>
      t(
        '{0} hung up before a question of the login was answered: it waits for a limited time only, often two minutes. Connect again and answer sooner.',
        v('host'),
      ),
    actions: ['tryAgain'],
  },
  loginGivenUp: {
    text: (t, v) => t('Not logged in to {0}: no answer was given.', v('host')),
    actions: ['tryAgain'],
  },
  passwordExpired: {
    text: (t, v) =>
      t(
        'Your password on {0} has expired. Log in with "ssh" in a terminal, choose a new one, then connect again.',
        v('host'),
      ),
    actions: ['tryAgain'],
  },
  tooManyLogins: {
    text: (t, v) =>
      t(
        '{1} logins to {0} within {2} minutes are enough: more could get you or your whole campus locked out. The next one is possible in {3} s.',
        v('host'),
        v('limit'),
        v('minutes'),
        v('seconds'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  keyFileUnreadable: {
    text: (t, v) =>
      t(
        'The key file {0} cannot be read ({1}). Choose a private key in the settings, one that you may read, or make one with ssh-keygen -t ed25519.',
        v('file'),
        v('detail'),
      ),
    actions: ['openSettings'],
  },
  passphraseRefused: {
    text: (t, v) => t('The passphrase of {0} was wrong or not given.', v('file')),
    actions: ['tryAgain'],
  },
} satisfies Partial<Record<SshFailureReason, FailureWords>>;
