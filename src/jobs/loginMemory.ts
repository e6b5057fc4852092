// What the logins of one front end remember: confirmed host keys, opened keys, the count of logins. Knows no machine.
import { join } from 'node:path';
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import type { SecretStore } from '../ssh/keptPassphrases';
import { KeyRing } from '../ssh/keyRing';
import { rememberHostLine } from '../ssh/knownHosts';
import { LoginBudget } from '../ssh/loginBudget';

export interface LoginMemoryParts {
  /** Shared by all windows, so that their logins are counted together. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface LoginMemory {
  /** Our own known_hosts file. */
  readonly trustFile: string;
  /** Adds a line to it, for a machine whose key we made ourselves. */
  readonly trustHost: (knownHostsLine: string) => Promise<void>;
  readonly keyRing: KeyRing;
  readonly logins: LoginBudget;
}

export function openLoginMemory(secrets: SecretStore, parts: LoginMemoryParts): LoginMemory {
  const { folder, clock, log } = parts;
  const trustFile = join(folder, 'known_hosts');
  return {
    trustFile,
    trustHost: (line) => rememberHostLine(trustFile, line),
    keyRing: new KeyRing({ log, secrets }),
    logins: new LoginBudget({ file: join(folder, 'logins'), clock, log }),
  };
}
