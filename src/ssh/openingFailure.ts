// Names what went wrong while a connection opened, from ssh2's errors and what the server had said until then.
import type { Failure } from '../base/failure';
import type { Endpoint } from './endpoint';
import { detailOf, sshFailure, type SshFailureReason } from './failures';
import type { Login } from './login';
import type { AlgorithmKind, ServerTalk } from './serverTalk';

/** How far the attempt had come. */
export interface OpeningAttempt {
  readonly endpoint: Endpoint;
  readonly login: Login;
  readonly talk: ServerTalk;
}

/** ssh2 reports a key that could not sign as an error, and then goes on with the next method. */
export function isAboutOneKey(error: unknown): boolean {
  const level = levelOf(error);
  return level === 'agent' || /^Error (while )?signing/.test(detailOf(error));
}

function levelOf(error: unknown): string | undefined {
  return (error as { level?: string } | undefined)?.level;
}

const UNREACHABLE = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN']);
const NO_NAME = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME']);

const UNSHARED: Readonly<Record<AlgorithmKind, SshFailureReason>> = {
  keyExchange: 'keyExchangeUnshared',
  hostKey: 'hostKeyTypeUnshared',
  cipher: 'cipherUnshared',
  mac: 'cipherUnshared',
};

/** Names an attempt that took too long. */
export function lateFailure({ endpoint, login }: OpeningAttempt): Failure<SshFailureReason> {
  const { host, port, user } = endpoint;
  if (login.isAwaiting) return login.failure();
  if (login.hasOffered) return sshFailure('loginUnanswered', { host, user });
  return sshFailure('hostUnreachable', { host, port, detail: 'no answer in time' });
}

/** Names an error of an attempt that has not come to a login yet. */
export function openingFailure(
  error: unknown,
  { endpoint, login, talk }: OpeningAttempt,
): Failure<SshFailureReason> {
  const { host, port } = endpoint;
  const detail = detailOf(error);
  const { code } = error as { code?: unknown };
  if (levelOf(error) === 'client-authentication') return login.failure();
  // After too many refused keys the server hangs up instead of answering.
  if (login.hasOffered && /too many auth|closed by the server/i.test(detail))
    return login.failure();
  // A number is the reason of a goodbye (RFC 4253, 11.1).
  if (login.isAwaiting && (typeof code === 'number' || detail.includes('closed by the server')))
    return login.failure();
  if (typeof code === 'string' && NO_NAME.has(code))
    return sshFailure('hostNotFound', { host }, error);
  if (code === 'ECONNREFUSED') return sshFailure('connectionRefused', { host, port }, error);
  if (typeof code === 'string' && UNREACHABLE.has(code))
    return sshFailure('hostUnreachable', { host, port, detail }, error);
  if (levelOf(error) === 'client-socket' || /lost before handshake|closed by/.test(detail))
    return sshFailure('connectionLost', { host }, error);
  const unshared = talk.unshared(detail);
  if (unshared)
    return sshFailure(UNSHARED[unshared.kind], { host, offered: unshared.offered }, error);
  return sshFailure('handshakeFailed', { host, port, detail }, error);
}
