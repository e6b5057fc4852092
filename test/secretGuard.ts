// Runs before every test file whose tests type secrets: what is written to any file through `fs` must hold none of them.
import type * as FileSystem from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { afterEach, expect } from 'vitest';

/** What tests type where a person would type a secret. */
export const secrets = {
  passphrase: 'canary-passphrase-7f3a',
  password: 'canary-password-91bc',
  code: 'canary-code-5de2',
} as const;

const CANARY = /canary-(?:passphrase|password|code)-[0-9a-f]{4}/;

/** Where the program was about to write a secret since the last call. */
export function takeFound(): string[] {
  return found.splice(0);
}

/** A write that holds a secret does not take place, unless a test itself writes it. */
function guard(owner: object, names: readonly string[]): void {
  for (const name of names) {
    const write = (owner as Record<string, (...args: unknown[]) => unknown>)[name];
    if (!write) throw new TypeError(`no ${name} to guard`);
    const value = function (this: unknown, ...args: unknown[]): unknown {
      if (args.slice(0, 2).flat().some(holdsSecret) && !isOfTest()) {
        const error = new Error(`a secret would be written by ${name}`);
        found.push(error.stack ?? name);
        throw error;
      }
      return write.apply(this, args);
    };
    Object.defineProperty(owner, name, { ...Object.getOwnPropertyDescriptor(owner, name), value });
  }
}

/** Whether a file of the tests called, and not one of the program. */
function isOfTest(): boolean {
  const callers = (new Error().stack ?? '').split('\n').slice(1);
  const own = callers.find(
    (line) => !line.includes(import.meta.filename) && !/(?:\(|at )node:/.test(line),
  );
  return own?.includes(import.meta.dirname) ?? false;
}

function holdsSecret(part: unknown): boolean {
  if (typeof part === 'string') return CANARY.test(part);
  if (!ArrayBuffer.isView(part)) return false;
  const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  return bytes.includes('canary-') && CANARY.test(bytes.toString('latin1'));
}

// The module itself, whose functions can be changed; once, where several test files share a process.
const fs = createRequire(import.meta.url)('node:fs') as typeof FileSystem;
const shared = fs as unknown as Record<symbol, string[] | undefined>;
const mark = Symbol.for('furo.secretGuard');
const found = shared[mark] ?? [];
if (!shared[mark]) {
  shared[mark] = found;
  const handle = await fs.promises.open(import.meta.filename);
  await handle.close();
  guard(Object.getPrototypeOf(handle) as object, ['write', 'writeFile', 'appendFile', 'writev']);
  guard(fs.promises, ['writeFile', 'appendFile']);
  guard(fs, ['writeFile', 'appendFile', 'write', 'writev']);
  guard(fs, ['writeFileSync', 'appendFileSync', 'writeSync', 'writevSync']);
  syncBuiltinESMExports();
}

afterEach(() => {
  expect(takeFound()).toEqual([]);
});
