// Where to connect and as whom. Checks text that people or config files wrote; opens nothing.
import { sshFailure } from './failures';

/** All that one login needs to know; made by `sshConfig.ts`, checked here. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The name under which the host key is remembered, when it is not the host name. */
  readonly hostKeyAlias?: string;
  /** Private key files, tried in this order; local paths. */
  readonly identityFiles: readonly string[];
  /** Offer only keys of `identityFiles`, whatever the agent holds. */
  readonly identitiesOnly: boolean;
  /** Socket of the agent; undefined means `SSH_AUTH_SOCK`, `none` means no agent. */
  readonly identityAgent?: string;
  /** known_hosts files, read and never written. */
  readonly knownHostsFiles: readonly string[];
  /** Keys that must never be accepted, as a plain list of public keys. */
  readonly revokedKeysFile?: string;
  /** What happens to a host that nobody knows: refused, remembered without a question, or asked about (the default). */
  readonly strictHostKeys?: 'yes' | 'accept-new' | 'ask';
  /** The login that stands before this one; the connection goes through it. */
  readonly jump?: Endpoint;
  /** A command that carries the connection, tokens expanded. From the user's own ssh configuration only. */
  readonly proxyCommand?: string;
  readonly keepaliveSeconds?: number;
  readonly keepaliveCount?: number;
  /** For the way to the machine, the key exchange and the login together. */
  readonly connectTimeoutSeconds?: number;
}

/** What a person names: a host, and user and port where they differ from the ssh configuration. */
export interface Target {
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
}

/**
 * Refuses names that a shell, an ssh command line or a known_hosts file could misread: a leading `-`,
 * control characters, blanks and shell metacharacters (CVE-2023-51385 and its kin).
 */
export function checkTarget(target: Target & { readonly hostKeyAlias?: string }): void {
  checkName('host', target.host);
  if (target.hostKeyAlias !== undefined) checkName('hostKeyAlias', target.hostKeyAlias);
  if (target.user !== undefined) checkName('user', target.user);
  if (target.port !== undefined) checkPort(target.port);
}

/** The name to look up in known_hosts: `host`, or `[host]:port` off port 22. */
export function knownHostsName(endpoint: Pick<Endpoint, 'host' | 'port' | 'hostKeyAlias'>): string {
  if (endpoint.hostKeyAlias !== undefined) return endpoint.hostKeyAlias.toLowerCase();
  const host = endpoint.host.toLowerCase();
  return endpoint.port === 22 ? host : `[${host}]:${endpoint.port}`;
}

/** True for a host name that no shell, command line or known_hosts file can misread. */
export function isSafeName(value: string): boolean {
  return isSafeUser(value) && !/[*?!#~,@]/.test(value);
}

/** A user name stands in no known_hosts file, and bastions take `user@target` for one. */
function isSafeUser(value: string): boolean {
  return (
    value.length > 0 &&
    value.length <= 255 &&
    !value.startsWith('-') &&
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    !/[\u0000-\u0020\u007f-\u009f'"`$;&<>|(){}\\\u2028\u2029]/.test(value)
  );
}

function checkName(field: 'host' | 'user' | 'hostKeyAlias', value: string): void {
  const isSafe = field === 'user' ? isSafeUser(value) : isSafeName(value);
  if (!isSafe) throw sshFailure('endpointInvalid', { field, value: value.slice(0, 80) });
}

function checkPort(port: number, text = String(port)): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw sshFailure('endpointInvalid', { field: 'port', value: text });
}
