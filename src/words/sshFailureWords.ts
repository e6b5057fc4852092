// Words for the failures of ssh/.
import type { SshFailureReason } from '../ssh/failures';
import type { FailureWords } from './failureText';

export const sshFailureWords: Readonly<Record<SshFailureReason, FailureWords>> = {
  endpointInvalid: {
    text: (t, v) =>
      t(
        '"{1}" cannot be used as {0} of the connection. Check the connection settings.',
        v('field'),
        v('value'),
      ),
    actions: ['openSettings'],
  },
  proxyUnsupported: {
    text: (t, v) =>
      t(
        'Your ssh configuration reaches {0} over a jump host or a proxy command, which is not supported yet. Name a machine that can be reached directly.',
        v('host'),
      ),
    actions: ['openSettings'],
  },
  hostNotFound: {
    text: (t, v) =>
      t(
        'There is no machine named {0}. Check the host in the settings and your network.',
        v('host'),
      ),
    actions: ['openSettings', 'tryAgain'],
  },
  connectionRefused: {
    text: (t, v) =>
      t(
        '{0} does not accept connections on port {1}. Check host and port in the settings.',
        v('host'),
        v('port'),
      ),
    actions: ['openSettings', 'tryAgain'],
  },
  hostUnreachable: {
    text: (t, v) =>
      t(
        '{0} did not answer ({1}). Check your network or VPN, then try again.',
        v('host'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  handshakeFailed: {
    text: (t, v) =>
      t(
        '{0} answered, but not as an SSH server that we can talk to ({1}).',
        v('host'),
        v('detail'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  keyExchangeUnshared: {
    text: (t, v) =>
      t(
        '{0} exchanges keys only in ways that this extension cannot ({1}), such as post-quantum ones. Nothing was sent. Ask the computer centre to allow curve25519-sha256 too; "ssh" in a terminal works meanwhile.',
        v('host'),
        v('offered'),
      ),
    actions: ['showLog'],
  },
  hostKeyTypeUnshared: {
    text: (t, v) =>
      t(
        '{0} shows only host keys of types that this extension does not take ({1}). Nothing was sent. Ask the computer centre for an ssh-ed25519 or rsa-sha2 host key.',
        v('host'),
        v('offered'),
      ),
    actions: ['showLog'],
  },
  cipherUnshared: {
    text: (t, v) =>
      t(
        '{0} encrypts only in ways that are weak or unknown to this extension ({1}). Nothing was sent. Ask the computer centre to allow aes256-gcm@openssh.com or aes256-ctr.',
        v('host'),
        v('offered'),
      ),
    actions: ['showLog'],
  },
  hostKeyChanged: {
    text: (t, v) =>
      t(
        'Connection refused, nothing was sent: the key of {0} is not the one that is remembered in {2}. Its fingerprint is now {1}. Somebody may be in between, or the machine was set up anew. Ask the computer centre; if the new key is right, remove the old line and connect again.',
        v('host'),
        v('fingerprint'),
        [v('file'), v('line')].filter(Boolean).join(':'),
      ),
    actions: ['showLog'],
  },
  hostKeyRevoked: {
    text: (t, v) =>
      t(
        'Connection refused, nothing was sent: the key {1} of {0} is marked as revoked.',
        v('host'),
        v('fingerprint'),
      ),
    actions: ['showLog'],
  },
  hostKeyRejected: {
    text: (t, v) =>
      t(
        'Not connected: you did not accept the key of {0} ({1}). Nothing was sent.',
        v('host'),
        v('fingerprint'),
      ),
    actions: ['tryAgain'],
  },
  hostKeyUnchecked: {
    text: (t, v) =>
      t(
        'Not connected: the key of {0} could not be checked ({1}). Nothing was sent.',
        v('host'),
        v('detail'),
      ),
    actions: ['showLog'],
  },
  authenticationFailed: {
    text: (t, v) =>
      t(
        '{0} did not accept the login of {1}. Keys tried: {2}. Check user and key file in the settings; the public key has to be registered in the HPC portal.',
        v('host'),
        v('user'),
        v('tried'),
      ),
    actions: ['openSettings', 'showLog'],
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
        'The connection to {0} broke, and coming back needs a passphrase, password or code from you. Connect again when you are ready; jobs on the machine go on.',
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
    text: (t, v) => t('The key file {0} cannot be read ({1}).', v('file'), v('detail')),
    actions: ['openSettings'],
  },
  passphraseRefused: {
    text: (t, v) => t('The passphrase of {0} was wrong or not given.', v('file')),
    actions: ['tryAgain'],
  },
  connectionLost: {
    text: (t, v) =>
      t(
        'The connection to {0} broke. It comes back by itself; jobs on the machine go on.',
        v('host'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  connectionClosed: {
    text: (t, v) => t('The connection to {0} was closed.', v('host')),
    actions: ['tryAgain'],
  },
  timedOut: {
    text: (t, v) =>
      t('The machine gave no answer within {1} s ({0}). Try again.', v('operation'), v('seconds')),
    actions: ['tryAgain', 'showLog'],
  },
  channelRefused: {
    text: (t, v) => t('{0} opens no further channel ({1}).', v('host'), v('detail')),
    actions: ['showLog'],
  },
  sftpUnavailable: {
    text: (t, v) => t('{0} offers no file transfer over SFTP ({1}).', v('host'), v('detail')),
    actions: ['showLog'],
  },
  outputTooLarge: {
    text: (t, v) =>
      t('A command printed more than {0} bytes, so its answer was not kept.', v('limitBytes')),
    actions: ['showLog'],
  },
  noSuchFile: {
    text: (t, v) => t('There is no {0} on the machine.', v('path')),
    actions: ['showLog'],
  },
  permissionDenied: {
    text: (t, v) =>
      t(
        'You may not write or read {0} on the machine. Choose another remote folder or change its rights.',
        v('path'),
      ),
    actions: ['openSettings', 'showLog'],
  },
  diskFull: {
    text: (t, v) =>
      t(
        'No space is left for {0} on the machine (disk or quota). Files that were there before are untouched. Free some space and try again.',
        v('path'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  remoteFileFailed: {
    text: (t, v) => t('The machine could not {1} {0}: {2}', v('path'), v('operation'), v('detail')),
    actions: ['showLog'],
  },
  localFileFailed: {
    text: (t, v) =>
      t('The file {0} on this computer could not be used: {1}', v('path'), v('detail')),
    actions: ['showLog'],
  },
  localFileChanged: {
    text: (t, v) => t('{0} changed while it was sent. Save it and run again.', v('path')),
    actions: ['tryAgain'],
  },
};
