// Quoted words come back unchanged from every shell that may read them.
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { shellCommand, shellQuote } from '../../../src/ssh/shellQuote';

const words = 10_000;
/** Short of what a kernel takes as one argument. */
const AT_ONCE = 100;

const nasty = fc.constantFrom(
  ...['=1', '=', '%1', '%', '-', '+', '@', '~root', ':h'],
  ...["'", '"', '\\', '`', '$', '$(id)', '${HOME}', '!', '!!', '!$', '~', '*', '?', '[a]', '{a,b}'],
  ...['\n', '\r', '\t', ' ', ';', '&', '|', '<', '>', '#', '^', '%', '=', '-rf', '--', '(', ')'],
  ...['日本', 'é', 'e\u0301', '\u202e', '\u001b[31m', '\u0007', '\u007f', '\\n', "'\\''", '\\\n'],
);
const word = fc.oneof(
  fc.array(nasty, { maxLength: 12 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll('\0', '')),
  fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\0', '')),
);

/** What a program receives when a shell reads the line. */
function received(shell: readonly string[], line: string): string[] {
  const [program = '', ...options] = shell;
  const out = execFileSync(program, [...options, line], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return out.split('\0').slice(0, -1);
}

const seed = process.env['FURO_SOAK'] ? Date.now() : 6;
const all = fc.sample(word, { numRuns: words, seed });
const batches = Array.from({ length: words / AT_ONCE }, (_, index) =>
  all.slice(index * AT_ONCE, (index + 1) * AT_ONCE),
);

function printed(some: readonly string[]): string {
  return ['/usr/bin/printf', '%s\\0', ...some].map(shellQuote).join(' ');
}

/** As sshd does it: the login shell with -c. csh reads no start files here, so that nobody's rc is in the test. */
const shells = [
  ['sh', ['sh', '-c']],
  ['bash', ['bash', '-c']],
  ['csh', ['csh', '-f', '-c']],
] as const;

it.each(shells)(
  `gives ${words} words unchanged to a program started by %s`,
  (name, shell) => {
    for (const some of batches) {
      // No word of csh holds a newline.
      const fit = name === 'csh' ? some.filter((text) => !text.includes('\n')) : some;
      expect(received(shell, printed(fit))).toEqual(fit);
    }
  },
  300_000,
);

it.each(shells)(
  `gives ${words} words unchanged to a script under the login shell %s`,
  (_, shell) => {
    for (const some of batches)
      expect(received(shell, shellCommand(`exec ${printed(some)}`))).toEqual(some);
  },
  300_000,
);

it('leaves the standard input to what the script runs, with lines and backslashes as they are', () => {
  const script = "printf '%s\\n' 'a\\nb'\ncat\n";
  for (const [, [program, ...options]] of shells)
    expect(
      execFileSync(program, [...options, shellCommand(script)], { input: 'in', encoding: 'utf8' }),
    ).toBe('a\\nb\nin');
});

it('refuses NUL, which no shell can pass on', () => {
  expect(() => shellQuote('a\0b')).toThrow(TypeError);
});
