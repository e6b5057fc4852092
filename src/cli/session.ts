// Composition root of the command line: settings and folders in, one JobCenter out.
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { systemClock } from '../base/clock';
import { DisposableStore, type Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import { computerName } from '../jobs/computer';
import { jobFailure } from '../jobs/failures';
import { keepHistory } from '../jobs/history';
import type { JobCenter } from '../jobs/jobCenter';
import { JobStore } from '../jobs/jobStore';
import { shortHash, withSmallDrive } from '../jobs/places';
import { openMachine, type Machine } from '../jobs/openMachine';
import { readSettings, type SettingKey, type Settings } from '../settings';
import { LoginBudget } from '../ssh/loginBudget';
import type { Remote } from '../ssh/remote';
import type { Translate } from '../words/translate';
import { FileMemory } from './fileMemory';
import { terminalPrompts } from './terminalPrompts';

export interface SessionOptions {
  readonly folder: string;
  /** `furo.*` keys and values. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Folder of known host keys and job lists. */
  readonly stateFolder: string;
  /** Folder that holds `furo_infer`. */
  readonly runtimeFolder: string;
  readonly log: Logger;
  readonly translate: Translate;
  /** A known_hosts line to trust beforehand (the simulated Furo's own). */
  readonly knownHostKey?: string;
}

export interface Session extends Disposable {
  readonly folder: string;
  readonly settings: Settings;
  readonly computer: string;
  readonly remote: Remote;
  readonly store: JobStore;
  readonly center: JobCenter;
  readonly check: Machine['check'];
}

export function openSession(options: SessionOptions): Session {
  const { log } = options;
  const { settings, problems } = readSettings((key: SettingKey) => options.values[`furo.${key}`]);
  const problem = problems[0];
  if (problem) throw jobFailure('settingInvalid', { key: problem.key, expected: problem.expected });
  if (options.knownHostKey !== undefined) {
    mkdirSync(options.stateFolder, { recursive: true, mode: 0o700 });
    writeFileSync(join(options.stateFolder, 'known_hosts'), `${options.knownHostKey}\n`);
  }
  const disposables = new DisposableStore();
  const folder = resolve(options.folder);
  const computer = computerName(options.stateFolder, log);
  const store = disposables.add(new JobStore());
  const memory = FileMemory.open(
    join(options.stateFolder, `jobs-${shortHash(withSmallDrive(folder))}.json`),
  );
  disposables.add(keepHistory(store, memory, log));
  const machine = disposables.add(
    openMachine({
      connection: settings.connection,
      store,
      prompts: terminalPrompts(options.translate),
      // Every command was typed by a person, so only the logins of this one are counted.
      logins: new LoginBudget({ clock: systemClock, log }),
      trustFile: join(options.stateFolder, 'known_hosts'),
      computer,
      localRuntime: options.runtimeFolder,
      pollSeconds: () => settings.pollSeconds,
      clock: systemClock,
      log,
    }),
  );
  const { remote, center, check } = machine;
  return { folder, settings, computer, remote, store, center, check, dispose: () => { disposables.dispose(); } }; // prettier-ignore
}

/** Values of a JSON file with `furo.*` keys; a missing default file is empty. */
export async function readSettingsFile(
  file: string,
  isOptional: boolean,
): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    if (isOptional && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw jobFailure('settingInvalid', { key: file, expected: 'JSON' }, error);
  }
}
