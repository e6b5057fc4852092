// Values kept in one JSON file, for a program without VS Code's Memento. Knows nothing of what is kept.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { jobFailure } from '../jobs/failures';
import type { KeyValue } from '../jobs/history';

/** Reads the file once; writes it whole, by a rename, at every change. */
export class FileMemory implements KeyValue {
  readonly #file: string;
  readonly #values: Record<string, unknown>;

  constructor(file: string, values: Record<string, unknown>) {
    this.#file = file;
    this.#values = values;
  }

  static open(file: string): FileMemory {
    try {
      return new FileMemory(
        file,
        JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>,
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new FileMemory(file, {});
      // Left as it is: it may hold jobs that still run.
      if (error instanceof SyntaxError)
        throw jobFailure('historyUnreadable', { file, version: '?' }, error);
      throw error;
    }
  }

  get(key: string): unknown {
    return this.#values[key];
  }

  /** Synchronous inside, so that nothing is lost when the program is ended right after. */
  update(key: string, value: unknown): Promise<void> {
    this.#values[key] = value;
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const temporary = `${this.#file}.tmp`;
    writeFileSync(temporary, JSON.stringify(this.#values), { mode: 0o600 });
    renameSync(temporary, this.#file);
    return Promise.resolve();
  }
}
