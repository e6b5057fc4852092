// Every way in which the connection can fail, with the values each reason carries. Knows no sentences.
import { Failure, isFailure, type FailureValues } from '../base/failure';

export type SshFailureReason =
  /** field, value: a host, user, port or path that must not reach a command line. */
  | 'endpointInvalid'
  /** host, detail: the ssh configuration cannot be used for this host, as ssh itself would say. */
  | 'sshConfigUnusable'
  /** host, detail: ssh did not say in time, or could not be started, so a later question may be answered. */
  | 'sshConfigUnanswered'
  /** host, detail: the jump hosts of the ssh configuration lead in a circle, or are too many. */
  | 'jumpLoop'
  /** host, target, port, detail: the jump host cannot reach the next machine. */
  | 'jumpRefused'
  /** host, detail: the proxy command of the ssh configuration ended before there was a connection. */
  | 'proxyCommandFailed'
  /** host: the name has no address. */
  | 'hostNotFound'
  /** host, port: nothing listens there. */
  | 'connectionRefused'
  /** host, port, detail: no route, or no answer in time. */
  | 'hostUnreachable'
  /** host: the connection ended before the login was done. */
  | 'endedEarly'
  /** host, port, detail: the other side speaks no SSH, or shares no algorithm with us. */
  | 'handshakeFailed'
  /** host, offered: the server's ways to exchange keys are all unknown to us, such as post-quantum only. */
  | 'keyExchangeUnshared'
  /** host, offered: all its host keys are of types that we do not take. */
  | 'hostKeyTypeUnshared'
  /** host, offered: all its ciphers or checksums are too weak or unknown. */
  | 'cipherUnshared'
  /** host, port, name, fingerprint, keyType, file, line: where the other key is remembered, and under which name. */
  | 'hostKeyChanged'
  /** host, port, name, fingerprint, keyType, file, line. */
  | 'hostKeyRevoked'
  /** host, port, name, fingerprint, keyType: nobody knows it, and the ssh configuration forbids new keys. */
  | 'hostKeyUnknown'
  /** host, port, name, fingerprint, keyType: the person did not confirm it. */
  | 'hostKeyRejected'
  /** host, detail: the check itself failed, so nothing was sent. */
  | 'hostKeyUnchecked'
  /** host, user, keys, answers: the server accepted none of so many keys, and of so many codes and passwords. */
  | 'authenticationFailed'
  /** host, user: the server had got something to log in with, and said nothing more in time. */
  | 'loginUnanswered'
  /** host, user: neither an agent nor a key file to offer. */
  | 'noKey'
  /** host, methods: the server lets in by ways only that we do not know, such as Kerberos. */
  | 'methodUnsupported'
  /** file: a key that lives in a security key (FIDO), or the agent that holds one. */
  | 'securityKeyUnsupported'
  /** file: a key with a certificate, or the agent that holds one. */
  | 'certificateUnsupported'
  /** host: it takes RSA signatures over SHA-1 only. */
  | 'signatureTooWeak'
  /** host: a code or password is asked for, and nobody waits for this connection. */
  | 'personNeeded'
  /** host, detail: the server takes a key of the agent, which did not sign. */
  | 'agentRefused'
  /** host: the server hung up while a question was open. */
  | 'answerTooLate'
  /** host: the person gave no answer. */
  | 'loginGivenUp'
  /** host: the server wants a new password first. */
  | 'passwordExpired'
  /** host, limit, minutes, seconds: what is allowed, and the wait until the next login. */
  | 'tooManyLogins'
  /** file, detail. */
  | 'keyFileUnreadable'
  /** file: the passphrase was wrong or not given. */
  | 'passphraseRefused'
  /** host: the connection broke while the request was under way; its outcome is unknown. */
  | 'connectionLost'
  /** host: the connection was closed by us. */
  | 'connectionClosed'
  /** operation, seconds: no answer in time. */
  | 'timedOut'
  /** host, detail: the server opens no more channels. */
  | 'channelRefused'
  /** host, detail: the server offers no file transfer. */
  | 'sftpUnavailable'
  /** limitBytes: a command printed more than is kept. */
  | 'outputTooLarge'
  /** path. */
  | 'noSuchFile'
  /** path. */
  | 'permissionDenied'
  /** path, detail: the file system or the user's quota is full. */
  | 'diskFull'
  /** path, operation, detail: any other answer of the file server. */
  | 'remoteFileFailed'
  /** path, detail: a file on this computer. */
  | 'localFileFailed'
  /** path: the file changed while it was sent. */
  | 'localFileChanged';

export function sshFailure(
  reason: SshFailureReason,
  values: FailureValues,
  cause?: unknown,
): Failure<SshFailureReason> {
  return new Failure(reason, values, cause === undefined ? undefined : { cause });
}

/** The line broke, or broke again while it came back: what was asked may be asked again. */
export function isCut(error: unknown): error is Failure {
  return isFailure(error, 'connectionLost') || isFailure(error, 'endedEarly');
}

/** What was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The text of a foreign error, cut so that a hostile server cannot flood a message. */
export function detailOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, 300);
}
