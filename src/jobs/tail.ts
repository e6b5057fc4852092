// Follows the output file of a job that runs. Knows where it has read to; nothing is read twice or skipped.
import type { Clock } from '../base/clock';
import type { Logger } from '../base/log';
import { remotePath, type RemoteFiles } from '../ssh/remote';
import { LineFolder } from './foldLines';

export interface TailParts {
  readonly files: RemoteFiles;
  readonly clock: Clock;
  readonly log: Logger;
  readonly intervalMs: number;
}

const pieceBytes = 256 * 1024;

/** One output file, read from its start; `JobWatch` calls `catchUp` again and again. */
export class Tail {
  readonly #parts: TailParts;
  readonly #path: string;
  readonly #onText: (text: string) => void;
  readonly #folder = new LineFolder();
  #offset = 0;

  constructor(parts: TailParts, path: string, onText: (text: string) => void) {
    this.#parts = parts;
    this.#path = path;
    this.#onText = onText;
  }

  /** Reads until the end that the file has now. A file that is not there yet is simply empty. */
  async catchUp(signal?: AbortSignal): Promise<void> {
    const path = remotePath(this.#path);
    const stat = await this.#parts.files.stat(path, signal);
    if (!stat) return;
    while (this.#offset < stat.size) {
      const length = Math.min(pieceBytes, stat.size - this.#offset);
      const piece = await this.#parts.files.read(path, { offset: this.#offset, length }, signal);
      if (piece.length === 0) break;
      this.#offset += piece.length;
      this.#give(this.#folder.push(piece));
    }
    this.#give(this.#folder.glance(this.#parts.clock.now()));
  }

  /** The unfinished last line, when the job has ended. */
  end(): void {
    this.#give(this.#folder.end());
  }

  #give(text: string): void {
    if (text !== '') this.#onText(text);
  }
}
