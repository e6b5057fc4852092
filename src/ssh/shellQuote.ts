// Words for a remote shell. Knows POSIX sh only; other login shells just start it.

/** One word of POSIX sh that means exactly `text`. NUL cannot be passed and throws. */
export function shellQuote(text: string): string {
  if (text.includes('\0')) throw new TypeError('NUL cannot be part of a shell word');
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command for any login shell (bash, csh, fish): sh reads the script from its standard input. */
export function shellScript(script: string): { command: string; stdin: string } {
  return { command: 'exec /bin/sh -s', stdin: script };
}
