// One JSON value on disk that survives the end of the process, whenever that comes: a snapshot, and beside it a journal
// of what changed since. Knows nothing of what it keeps.
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import type { Logger } from '../base/log';

/** Format of the file; a file of another version is set aside, never guessed at. */
const version = 1;
/** Changes that come close together are written once. */
const delayMs = 200;
/** A large snapshot is written less often, so that writing takes a tenth of the time at most. */
const restFactor = 9;
const journalEnding = '.journal';

export interface StateFileOptions<T> {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The value to write, asked for at the time of writing. */
  readonly snapshot: () => T;
  /** What changed since this was asked last, and must not be lost; undefined: nothing. */
  readonly changes: () => unknown;
}

/** What an earlier process kept. */
export interface KeptState {
  readonly state: unknown;
  /** Changes after the snapshot, oldest first. */
  readonly changes: readonly unknown[];
}

/**
 * Writes a snapshot soon after each `touch`, whole or not at all, and changes at once with `keep`.
 * `dispose` writes what is still waiting.
 */
export class StateFile<T> implements Disposable {
  #waiting: Disposable | undefined;
  #restMs = delayMs;
  /** Each snapshot has a journal of its own, so that no old change is ever put on top of a newer snapshot. */
  #journal: string | undefined;

  constructor(readonly options: StateFileOptions<T>) {}

  touch(): void {
    this.#waiting ??= this.options.clock.after(this.#restMs, () => {
      this.flush();
    });
  }

  /** Returns when the last changes are on disk: the price is that of the changes, not of the whole value. */
  keep(): void {
    const changes = this.options.changes();
    if (changes === undefined) return;
    if (this.#journal === undefined) {
      this.flush();
      return;
    }
    try {
      appendFileSync(this.#journal, `${JSON.stringify(changes)}\n`, { mode: 0o600 });
    } catch (error) {
      this.options.log.error(`state: ${String(error)}`);
    }
  }

  flush(): void {
    this.#waiting?.dispose();
    this.#waiting = undefined;
    const { path, snapshot, changes, log, clock } = this.options;
    const begin = clock.now();
    try {
      const folder = dirname(path);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      // The snapshot holds these changes.
      changes();
      const journal = `${basename(path)}.${randomUUID()}${journalEnding}`;
      const text = JSON.stringify({ version, journal, state: snapshot() });
      writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
      this.#journal = join(folder, journal);
      for (const name of readdirSync(folder))
        if (name.startsWith(`${basename(path)}.`) && name.endsWith(journalEnding))
          rmSync(join(folder, name));
    } catch (error) {
      log.error(`state: ${String(error)}`);
    }
    this.#restMs = Math.max(delayMs, (clock.now() - begin) * restFactor);
  }

  dispose(): void {
    if (this.#waiting) this.flush();
  }
}

/** The value that an earlier process kept; undefined when there is none that can be read. */
export function readStateFile(path: string, log: Logger): KeptState | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const file = JSON.parse(text) as Partial<Record<'version' | 'journal' | 'state', unknown>>;
    if (file.version === version) {
      const journal = join(dirname(path), basename(String(file.journal)));
      return { state: file.state, changes: readJournal(journal, log) };
    }
    log.warn(`state: ${path} has version ${String(file.version)}, not ${String(version)}`);
  } catch (error) {
    log.warn(`state: ${path} is not readable (${String(error)})`);
  }
  renameSync(path, `${path}.unreadable`);
  return undefined;
}

/** Stops at a line that is not whole: the process died while it wrote, before anybody was answered. */
function readJournal(path: string, log: Logger): readonly unknown[] {
  if (!existsSync(path)) return [];
  const changes: unknown[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
    try {
      changes.push(JSON.parse(line));
    } catch (error) {
      log.warn(`state: ${path} holds a broken line (${String(error)})`);
      break;
    }
  }
  return changes;
}
