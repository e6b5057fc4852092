// Output of a job as lines: bytes to text without splitting a character, carriage returns folded as a terminal would.
import { StringDecoder } from 'node:string_decoder';

/** Longest unfinished line that is held back; a longer one is passed on in parts. */
const longestLine = 64 * 1024;
/** A progress bar is shown at most so often while its line goes on. */
const glanceMs = 10_000;

/** What is known of a line that has not ended, since somebody first looked at it. */
interface Watched {
  readonly sinceMs: number;
  /** The state that was given last; undefined before the first one. */
  readonly shown: string | undefined;
}

/** Turns pieces of an output file into whole lines; what a `\r` overwrote is dropped. */
export class LineFolder {
  readonly #decoder = new StringDecoder('utf8');
  #pending = '';
  /** The last state of the pending line that a `\r` completed. */
  #drawn = '';
  /** The pending line has a `\r`, so it is drawn over itself. */
  #isBar = false;
  #isFresh = false;
  /** The beginning of the pending line was passed on, so no line may come in between. */
  #isSplit = false;
  #watched: Watched | undefined;

  /** Text that is complete with this piece: whole lines, each ended by `\n`. */
  push(bytes: Uint8Array): string {
    return this.#take(this.#decoder.write(Buffer.from(bytes)));
  }

  /** A progress bar that is drawn for a while already, as a line of its own; '' when there is nothing new to show. */
  glance(nowMs: number): string {
    // Between two pieces the newest state may be drawn half; one that nothing followed is whole.
    const state = this.#isFresh ? this.#drawn : fold(this.#pending);
    this.#isFresh = false;
    if (this.#pending === '' || this.#isSplit) return '';
    this.#watched ??= { sinceMs: nowMs, shown: undefined };
    if (!this.#isBar || state === '' || state === this.#watched.shown) return '';
    if (nowMs - this.#watched.sinceMs < glanceMs) return '';
    this.#watched = { sinceMs: nowMs, shown: state };
    this.#drawn = state;
    return `${state}\n`;
  }

  /** The unfinished rest, when nothing more will come. */
  end(): string {
    const rest = fold(this.#pending + this.#decoder.end());
    this.#pending = '';
    return rest === '' ? '' : this.#finish(rest);
  }

  #take(text: string): string {
    if (text !== '') this.#isFresh = true;
    const lines = (this.#pending + text).split('\n');
    const pending = lines.pop() ?? '';
    const whole = lines.map((line) => this.#finish(fold(line))).join('');
    this.#pending = dropOverwritten(pending);
    this.#isBar ||= pending.includes('\r');
    this.#drawn = lastDrawn(pending) ?? this.#drawn;
    if (this.#pending.length <= longestLine) return whole;
    const part = fold(this.#pending);
    this.#pending = '';
    this.#watched = undefined;
    this.#isSplit = true;
    return whole + part;
  }

  /** A line that ended; not once more when it ended as it was shown. */
  #finish(line: string): string {
    const isShown = line === this.#watched?.shown;
    this.#watched = undefined;
    this.#drawn = '';
    this.#isBar = false;
    this.#isSplit = false;
    return isShown ? '' : `${line}\n`;
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

/** The last text that a carriage return follows; undefined where there is none. */
function lastDrawn(line: string): string | undefined {
  const last = line.lastIndexOf('\r');
  const drawn = last < 0 ? '' : fold(line.slice(0, last));
  return drawn === '' ? undefined : drawn;
}
