// Builds what one machine needs from the connection settings: connection, queue, job centre. A composition root's tool.
import type { Clock } from '../base/clock';
import { DisposableStore, type Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import type { ConnectionSettings } from '../settings';
import { SshConnection } from '../ssh/connection';
import type { KeyRing } from '../ssh/keyRing';
import type { LoginBudget } from '../ssh/loginBudget';
import type { SshPrompts } from '../ssh/prompts';
import type { Remote } from '../ssh/remote';
import { resolveEndpoint } from '../ssh/sshConfig';
import type { CheckReport } from './checkResult';
import { checkConnection, routeOf, type CheckOptions, type Route } from './connectionCheck';
import { jobFailure } from './failures';
import { JobCenter } from './jobCenter';
import type { JobStore } from './jobStore';
import { PjmQueue } from './pjmQueue';

export interface MachineParts {
  readonly connection: ConnectionSettings;
  readonly store: JobStore;
  readonly prompts: SshPrompts;
  /** Keys opened so far; they outlive a change of the connection settings. */
  readonly keyRing?: KeyRing;
  /** Counts logins; without one they are not limited. */
  readonly logins?: LoginBudget;
  /** Our own known_hosts file. */
  readonly trustFile: string;
  /** Name of this computer. */
  readonly computer: string;
  /** Folder that holds the Python package `furo_infer`. */
  readonly localRuntime: string;
  readonly pollSeconds: () => number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Machine extends Disposable {
  readonly target: string;
  readonly localRuntime: string;
  readonly remote: Remote;
  readonly center: JobCenter;
  /** Where the settings and the ssh configuration lead; opens nothing. */
  readonly route: (signal: AbortSignal) => Promise<Route>;
  /** Tests each step of the connection; rejects only when cancelled. */
  readonly check: (options: CheckOptions) => Promise<CheckReport>;
}

const usualPort = 22;

/** Opens nothing yet: the connection comes with its first use. */
export function openMachine(parts: MachineParts): Machine {
  const { host, port, user, identityFile, remoteFolder } = parts.connection;
  const missing = [
    ...(host === '' ? ['furo.connection.host'] : []),
    ...(remoteFolder === '' ? ['furo.connection.remoteFolder'] : []),
  ];
  if (missing.length > 0) throw jobFailure('settingsMissing', { keys: missing.join(', ') });
  const { clock, log, keyRing, logins, localRuntime } = parts;
  const disposables = new DisposableStore();
  const endpoint = (signal: AbortSignal) =>
    resolveEndpoint(
      {
        host,
        // The usual port is what the ssh configuration may say otherwise.
        ...(port !== usualPort && { port }),
        ...(user !== '' && { user }),
        ...(identityFile !== '' && { identityFile }),
      },
      { signal },
    );
  const route = async (signal: AbortSignal) => routeOf(await endpoint(signal));
  const remote = disposables.add(
    new SshConnection({
      endpoint,
      trustFile: parts.trustFile,
      prompts: parts.prompts,
      ...(keyRing && { keyRing }),
      ...(logins && { logins }),
      log,
      clock,
    }),
  );
  const target = targetOf(parts.connection);
  const queue = new PjmQueue(remote, log);
  const center = disposables.add(new JobCenter({ ...parts, remote, queue, target }));
  return {
    target,
    localRuntime,
    remote,
    center,
    route,
    check: (options) => checkConnection({ remote, clock, route, remoteFolder }, options),
    dispose: () => {
      disposables.dispose();
    },
  };
}

/** `user@host:port`, by which jobs of different machines are told apart. */
export function targetOf({ user, host, port }: ConnectionSettings): string {
  return `${user}@${host}:${port}`;
}
