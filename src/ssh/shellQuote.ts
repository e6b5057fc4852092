// Words and commands for a remote shell: POSIX sh, and whatever login shell reads the line before it.

/**
 * One word of sh, bash and csh that means exactly `text`. `\`, `!` and `'` stand outside the quotes, as csh reads `!`
 * inside them too. A newline is for sh and bash only: csh has no word that holds one. NUL cannot be passed and throws.
 */
export function shellQuote(text: string): string {
  if (text.includes('\0')) throw new TypeError('NUL cannot be part of a shell word');
  // At the start of a word csh and zsh give `=` a meaning, and every shell `%`.
  if (/^[A-Za-z0-9_./:@+,-][A-Za-z0-9_./:=@%+,-]*$/.test(text)) return text;
  return `'${text.replace(/[\\!']+/g, (run) => `'${run.replace(/./g, '\\$&')}'`)}'`;
}

/** A command for any login shell (bash, csh, fish): sh reads the script from its standard input. */
export function shellScript(script: string): { command: string; stdin: string } {
  return { command: 'exec /bin/sh -s', stdin: script };
}

/** The same where standard input is needed for something else: one line, whatever the script holds. */
export function shellCommand(script: string): string {
  if (!script.includes('\n')) return `exec /bin/sh -c ${shellQuote(script)}`;
  const line = script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return `exec /bin/sh -c ${shellQuote(`eval "$(printf %b ${shellQuote(line)})"`)}`;
}
