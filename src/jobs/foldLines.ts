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
    const all = this.#pending + text;
    const end = all.lastIndexOf('\n') + 1;
    this.#pending = all.slice(end);
    const lines =
      end === 0 ? '' : all.slice(0, end).split('\n').slice(0, -1).map(fold).join('\n') + '\n';
    if (this.#pending.length <= longestLine) return lines;
    const part = fold(this.#pending);
    this.#pending = '';
    return lines + part;
  }
}

/** One line as a terminal shows it: the text after the last carriage return that something follows. */
function fold(line: string): string {
  const withoutEnd = line.replace(/\r+$/, '');
  return withoutEnd.slice(withoutEnd.lastIndexOf('\r') + 1);
}
