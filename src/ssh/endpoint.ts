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
}

/** What a person types: `user@host:port`, parts optional but the host. */
export interface Target {
  readonly host: string;
  readonly port?: number;
  readonly user?: string;
}

/** Reads `user@host:port`, `host`, `[::1]:22`. Throws `endpointInvalid`. */
export function parseTarget(text: string): Target {
  const match = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:[\]]*|[0-9A-Fa-f:.]+(?:%\w+)?)(?::([^:]*))?$/.exec(
    text.trim(),
  );
  const [, user, rawHost, rawPort] = match ?? [];
  if (rawHost === undefined) throw sshFailure('endpointInvalid', { field: 'host', value: text });
  const target = {
    host: rawHost.replace(/^\[(.*)\]$/, '$1'),
    ...(user !== undefined && { user }),
    ...(rawPort !== undefined && { port: readPort(rawPort) }),
  };
  checkTarget(target);
  return target;
}

/**
 * Refuses names that a shell, an ssh command line or a known_hosts file could misread: a leading `-`,
 * control characters, blanks and shell metacharacters (CVE-2023-51385 and its kin).
 */
export function checkTarget(target: Target): void {
  checkName('host', target.host);
  if (target.user !== undefined) checkName('user', target.user);
  if (target.port !== undefined) checkPort(target.port);
}

/** The name to look up in known_hosts: `host`, or `[host]:port` off port 22. */
export function knownHostsName(endpoint: Pick<Endpoint, 'host' | 'port' | 'hostKeyAlias'>): string {
  if (endpoint.hostKeyAlias !== undefined) return endpoint.hostKeyAlias.toLowerCase();
  const host = endpoint.host.toLowerCase();
  return endpoint.port === 22 ? host : `[${host}]:${endpoint.port}`;
}

function checkName(field: 'host' | 'user', value: string): void {
  const isSafe =
    value.length > 0 &&
    value.length <= 255 &&
    !value.startsWith('-') &&
    // eslint-disable-next-line no-control-regex
    !/[\u0000-\u0020\u007f-\u009f'"`$;&<>|(){}\\*?!#~,@\u2028\u2029]/.test(value);
  if (!isSafe) throw sshFailure('endpointInvalid', { field, value: value.slice(0, 80) });
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  checkPort(port, text);
  return port;
}

function checkPort(port: number, text = String(port)): void {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw sshFailure('endpointInvalid', { field: 'port', value: text });
}
