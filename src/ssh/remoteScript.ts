// A script of ours on the machine whose answer is found whatever else the login prints. Knows no meaning of any script.
import { randomBytes } from 'node:crypto';
import type { ExecOptions, ExecResult } from './remote';

export type Exec = (command: string, options?: ExecOptions) => Promise<ExecResult>;

/**
 * Text for `sh -c` as one word of every login shell: no single quote, no `!`, no doubled backslash and
 * no line break, which csh and fish would read in their own way. `$1` is the nonce; `decoded` reads the others.
 */
export type ScriptText = string & { readonly scriptBrand: unique symbol };

/** Joins the lines of a script; each must be able to stand before a space. */
export function scriptText(...lines: readonly string[]): ScriptText {
  const text = lines.join(' ');
  if (/['!]|[^\x20-\x7e]|\\\\/.test(text))
    throw new TypeError(`not for every login shell: ${text}`);
  return text as ScriptText;
}

/** Sets the variable to the argument as it was before {@link argument} wrote it in plain letters. */
export function decoded(variable: string, place: number): string {
  const value = `\${${String(place)}#_}`;
  const plain = `$(printf %b "$(printf %s "$${variable}" | tr = "\\134")")`;
  return `${variable}="${value}"; case "$${variable}" in *=*) ${variable}="${plain}";; esac;`;
}

/** Any text in letters that no shell treats as special, and never empty or like an option. */
function argument(text: string): string {
  const letters = [...Buffer.from(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_./-]/.test(char) ? char : `=0${byte.toString(8).padStart(3, '0')}`;
  });
  return `_${letters.join('')}`;
}

export interface ScriptCall {
  readonly script: ScriptText;
  readonly args: readonly string[];
}

/** What the script printed between its marks; undefined where no shell ran it, or the answer is cut short. */
export async function runScript(
  exec: Exec,
  call: ScriptCall,
  options: Omit<ExecOptions, 'encoding'> = {},
): Promise<Buffer | undefined> {
  const nonce = randomBytes(16).toString('hex');
  const words = [nonce, ...call.args.map(argument)].join(' ');
  const body = scriptText('printf "<%s>" "$1";', call.script, 'printf "</%s>" "$1"');
  const command = `exec /bin/sh -c '${body}' furo ${words}`;
  const { stdout } = await exec(command, { ...options, encoding: 'latin1' });
  const start = stdout.indexOf(`<${nonce}>`);
  const end = stdout.lastIndexOf(`</${nonce}>`);
  if (start < 0 || end < start) return undefined;
  return Buffer.from(stdout.slice(start + nonce.length + 2, end), 'latin1');
}
