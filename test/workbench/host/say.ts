// Prints lines that the runner outside can tell from what VS Code itself prints. Knows no runner.
import { format } from 'node:util';

/** Begins every line of the suite. */
export const sayMark = '| ';

export function say(...values: unknown[]): void {
  for (const line of format(...values).split('\n')) console.log(sayMark + line);
}

/** The line that tells the runner outside how long the extension took to start. */
export function activationSaid(took: {
  readonly loading: number;
  readonly activating: number;
  readonly version: string;
}): string {
  return `VS Code ${took.version}: code loaded in ${took.loading} ms, activate took ${took.activating} ms`;
}

/** @returns milliseconds of `activate`, or undefined where no line tells them */
export function activationHeard(lines: readonly string[]): number | undefined {
  const ms = lines.map((line) => /activate took (\d+) ms$/.exec(line)?.[1]).find(Boolean);
  return ms === undefined ? undefined : Number(ms);
}
