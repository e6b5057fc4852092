// The name of a version that is kept beside a file. Pure.

const MAX_NAME_BYTES = 255;
/** A longer end of a name after its dot says no kind. */
const MAX_ENDING_BYTES = 40;

/**
 * With `remote-20260131-235959` as the word, `a/run.sh` -> `a/run.remote-20260131-235959.sh`: sorts beside the file and
 * keeps its kind. A number follows where the name is taken, and a long name is cut.
 */
export function copyName(path: string, word: string, taken: ReadonlySet<string>): string {
  const slash = path.lastIndexOf('/') + 1;
  const dot = path.lastIndexOf('.');
  const isKind = dot > slash && Buffer.byteLength(path.slice(dot)) <= MAX_ENDING_BYTES;
  const at = isKind ? dot : path.length;
  for (let number = 1; ; number += 1) {
    const end = `.${word}${number === 1 ? '' : `-${number}`}${path.slice(at)}`;
    const stem = cutTo(MAX_NAME_BYTES - Buffer.byteLength(end), path.slice(slash, at));
    const copy = `${path.slice(0, slash)}${stem}${end}`;
    if (!taken.has(copy)) return copy;
  }
}

/** `20260131-235959`, in UTC. */
export function stamp(seconds: number): string {
  return new Date(Math.min(seconds, 8.64e12) * 1000)
    .toISOString()
    .replace(/[-:]|\.\d+Z$/g, '')
    .replace('T', '-');
}

/** As many whole letters as fit. */
function cutTo(bytes: number, text: string): string {
  const letters = Array.from(text);
  while (Buffer.byteLength(letters.join('')) > bytes) letters.pop();
  return letters.join('');
}
