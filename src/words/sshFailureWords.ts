// Words for the failures of ssh/.
import type { SshFailureReason } from '../ssh/failures';
import type { FailureWords } from './failureText';
import { loginFailureWords } from './loginFailureWords';

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
  sshConfigUnusable: {
    text: (t, v) =>
      t(
        'Your ssh configuration cannot be used for {0}: {1}. "ssh {0}" in a terminal says the same; correct the configuration there.',
        v('host'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  sshConfigUnanswered: {
    text: (t, v) =>
      t(
        'ssh itself did not say how to reach {0} ({1}). A "Match exec" line or a name look-up of your ssh configuration may wait for the network. Try again when the network is there.',
        v('host'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  jumpLoop: {
    text: (t, v) =>
      t(
        'The jump hosts (ProxyJump) on the way to {0} lead in a circle or are too many: {1}. Correct the ssh configuration.',
        v('host'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  jumpRefused: {
    text: (t, v) =>
      t(
        'The jump host {0} does not get through to {1} on port {2} ({3}). Check the name, or ask whether {0} may forward connections.',
        v('host'),
        v('target'),
        v('port'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  proxyCommandFailed: {
    text: (t, v) =>
      t(
        'The ProxyCommand of your ssh configuration for {0} ended before there was a connection ({1}). Try "ssh {0}" in a terminal: if that fails too, start your VPN or correct the command.',
        v('host'),
        v('detail'),
      ),
    actions: ['tryAgain', 'showLog'],
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
  endedEarly: {
    text: (t, v) =>
      t(
        'The connection to {0} ended before the login was done. The machine may be too busy or refuse this computer for some minutes, or the network went away. Try again later; Check Connection shows how far it comes.',
        v('host'),
      ),
    actions: ['tryAgain', 'showLog'],
  },
  handshakeFailed: {
    text: (t, v) =>
      t(
        '{0} answered, but not as an SSH server that we can talk to ({1}). Check host and port in the settings; a proxy or a firewall may have answered in its place.',
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
        'Connection refused, nothing was sent: the key of {0} is not the one that is remembered in {2}. Its fingerprint is now {1}. Somebody may be in between, or the machine was set up anew. Ask the computer centre. To see the remembered key: {3}. Only if the new key is right, remove the old one with {4} and connect again.',
        v('host'),
        v('fingerprint'),
        [v('file'), v('line')].filter(Boolean).join(':'),
        `ssh-keygen -l -F "${v('name')}" -f "${v('file')}"`,
        `ssh-keygen -R "${v('name')}" -f "${v('file')}"`,
      ),
    actions: ['showLog'],
  },
  hostKeyRevoked: {
    text: (t, v) =>
      t(
        'Connection refused, nothing was sent: the key {1} of {0} is marked as revoked in {2}. Somebody may use a stolen key. Ask the computer centre which key is right.',
        v('host'),
        v('fingerprint'),
        [v('file'), v('line')].filter(Boolean).join(':'),
      ),
    actions: ['showLog'],
  },
  hostKeyUnknown: {
    text: (t, v) =>
      t(
        'Connection refused, nothing was sent: nobody has remembered a key of {0}, and your ssh configuration (StrictHostKeyChecking yes) forbids new ones. It shows {1}. Compare that with what the computer centre publishes. Only if it is the same, connect once with "ssh -o StrictHostKeyChecking=ask" in a terminal, which remembers the key.',
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
        'Not connected: the key of {0} could not be checked ({1}). Nothing was sent. Make the files of known and revoked keys that your ssh configuration names readable as text, then connect again.',
        v('host'),
        v('detail'),
      ),
    actions: ['showLog'],
  },
  ...loginFailureWords,
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
    text: (t, v) =>
      t(
        '{0} opens no further channel ({1}). Close other connections of yours to it and try again. If it stays so, ask the computer centre whether your account may run commands there.',
        v('host'),
        v('detail'),
      ),
    actions: ['showLog'],
  },
  sftpUnavailable: {
    text: (t, v) =>
      t(
        '{0} offers no file transfer over SFTP ({1}). Start-up files there that print something may break it. If they do not, choose another login node or ask the computer centre.',
        v('host'),
        v('detail'),
      ),
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
    text: (t, v) =>
      t(
        '{0} changed while it was sent. Run again when nothing writes to it, or leave it out with a line in .furoignore.',
        v('path'),
      ),
    actions: ['tryAgain'],
  },
};
