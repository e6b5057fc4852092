/**
 * Runs one program to its end, for the set-up steps and the test runner.
 * Knows processes; does not know what they are for. Imports nothing that is installed.
 */
import { spawn } from 'node:child_process';

/** A program that ended badly, with the last lines it printed. */
export class ProgramFailed extends Error {
  constructor(line, code, tail) {
    super(`${line} ended with ${String(code)}\n${tail}`);
    this.name = 'ProgramFailed';
    this.code = code;
  }
}

/**
 * Runs `command` without a shell. Output goes through (`inherit`) or is kept and only shown when it fails.
 * @returns {Promise<{code: number, output: string}>} `code` is never 0 < when `check` is left on
 */
export function run(command, args, { cwd, env, inherit = false, check = true, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: inherit ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && command === 'npm',
    });
    let output = '';
    const keep = (chunk) => {
      const text = chunk.toString('utf8');
      output = (output + text).slice(-200_000);
      if (onLine) for (const line of text.split('\n')) if (line.trim() !== '') onLine(line);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const ended = code ?? (signal ? 128 : 1);
      if (check && ended !== 0) {
        const tail = output.split('\n').slice(-40).join('\n');
        reject(new ProgramFailed([command, ...args].join(' '), signal ?? ended, tail));
      } else resolve({ code: ended, output });
    });
  });
}

/** True when `command` can be found on PATH (or is a path that runs). */
export async function canRun(command, args = ['--version']) {
  try {
    await run(command, args, { check: false });
    return true;
  } catch {
    return false;
  }
}
