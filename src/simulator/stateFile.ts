// One JSON value on disk that survives the end of the process. Knows nothing of what it keeps.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import type { Logger } from '../base/log';

/** Format of the file; a file of another version is set aside, never guessed at. */
const version = 1;
/** Changes that come close together are written once. */
const delayMs = 200;

export interface StateFileOptions<T> {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The value to write, asked for at the time of writing. */
  readonly snapshot: () => T;
}

/** Writes a snapshot soon after each `touch`, whole or not at all. `dispose` writes what is still waiting. */
export class StateFile<T> implements Disposable {
  #waiting: Disposable | undefined;

  constructor(readonly options: StateFileOptions<T>) {}

  touch(): void {
    this.#waiting ??= this.options.clock.after(delayMs, () => {
      this.flush();
    });
  }

  flush(): void {
    this.#waiting?.dispose();
    this.#waiting = undefined;
    const { path, snapshot, log } = this.options;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.tmp`, JSON.stringify({ version, state: snapshot() }), { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    } catch (error) {
      log.error(`state: ${String(error)}`);
    }
  }

  dispose(): void {
    if (this.#waiting) this.flush();
  }
}

/** The value that an earlier process kept; undefined when there is none that can be read. */
export function readStateFile(path: string, log: Logger): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const file = JSON.parse(text) as { version?: unknown; state?: unknown };
    if (file.version === version) return file.state;
    log.warn(`state: ${path} has version ${String(file.version)}, not ${String(version)}`);
  } catch (error) {
    log.warn(`state: ${path} is not readable (${String(error)})`);
  }
  renameSync(path, `${path}.unreadable`);
  return undefined;
}
