// Output of a job as lines: bytes to text without splitting a character, carriage returns folded as a terminal would.
import { StringDecoder } from 'node:string_decoder';

/** Longest unfinished line that is held back; a longer one is passed on in parts. */
const longestLine = 64 * 1024;

/** Turns pieces of an output file into whole lines; what a `\r` overwrote is dropped. */
export class LineFolder {
  readonly #decoder = new StringDecoder('utf8');
  #pending = '';

  /** Text that is complete with this piece: whole lines, each ended by `\n`. */
  push(bytes: Uint8Array): string {
    return this.#take(this.#decoder.write(Buffer.from(bytes)));
  }

  /** The unfinished rest, when nothing more will come. */
  end(): string {
    const rest = fold(this.#pending + this.#decoder.end());
    this.#pending = '';
    return rest === '' ? '' : `${rest}\n`;
  }

  #take(text: string): string {
    const lines = (this.#pending + text).split('\n');
    this.#pending = dropOverwritten(lines.pop() ?? '');
    const whole = lines.map((line) => `${fold(line)}\n`).join('');
    if (this.#pending.length <= longestLine) return whole;
    const part = fold(this.#pending);
    this.#pending = '';
    return whole + part;
  }
}

/** One line as a terminal shows it: the text after the last carriage return that something follows. */
function fold(line: string): string {
  return dropOverwritten(line).replace(/\r+$/, '');
}

/** A progress bar may grow for hours without a line end, so what it overwrote is not kept. Trailing returns stay. */
function dropOverwritten(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return end === 0 ? line : line.slice(line.lastIndexOf('\r', end - 1) + 1);
}
