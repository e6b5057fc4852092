// What a test needs of this computer beside npm packages. `requires` skips by name what cannot run, and names what is
// missing; with CI=true that is a failure. Knows programs and rights; does not know what is tested with them.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it } from 'vitest';
import { editorObstacle } from '../scripts/steps/codeServer.mjs';

export const chromiumPath = process.env['FURO_CHROMIUM'] ?? '/usr/bin/chromium';

/** Each need with how a person reads it and how it is found. */
const needs = {
  sshd: { words: '/usr/sbin/sshd (openssh-server)', isThere: () => existsSync('/usr/sbin/sshd') },
  root: {
    words: 'root on Linux',
    isThere: () => process.platform === 'linux' && process.getuid?.() === 0,
  },
  ip: { words: 'ip (iproute2)', isThere: () => isOnPath('ip') },
  mpirun: { words: 'mpirun (openmpi-bin)', isThere: () => isOnPath('mpirun') },
  python: {
    words: 'the Python of npm test (FURO_TEST_PYTHON)',
    isThere: () => process.env['FURO_TEST_PYTHON'] !== undefined,
  },
  model: {
    words: 'the small model of npm test (FURO_TEST_MODEL)',
    isThere: () => process.env['FURO_TEST_MODEL'] !== undefined,
  },
  chromium: { words: `${chromiumPath} (FURO_CHROMIUM)`, isThere: () => existsSync(chromiumPath) },
  editor: {
    words: editorObstacle() ?? 'code-server',
    isThere: () => editorObstacle() === undefined,
  },
} as const;

export type Need = keyof typeof needs;

/** `FURO_TEST_WITHOUT=sshd,root` pretends that these are missing, for the test of this file. */
const pretended = (process.env['FURO_TEST_WITHOUT'] ?? '').split(',');

/** What of `wanted` is missing here, in words, or undefined. */
export function missing(...wanted: readonly Need[]): string | undefined {
  const absent = wanted.filter((need) => pretended.includes(need) || !needs[need].isThere());
  if (absent.length === 0) return undefined;
  return `needs ${absent.map((need) => needs[need].words).join(', ')}`;
}

/** A `describe` for tests that need these. */
export function requires(...wanted: readonly Need[]): (name: string, tests: () => void) => void {
  const why = missing(...wanted);
  if (why === undefined) return (name, tests) => describe(name, tests);
  if (process.env['CI'] !== 'true')
    return (name, tests) => describe.skip(`${name} (${why})`, tests);
  return (name) => {
    describe(name, () => {
      it(why, () => {
        throw new Error(`${why}, and with CI=true nothing may be skipped.`);
      });
    });
  };
}

function isOnPath(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return [...folders, '/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, program)));
}
