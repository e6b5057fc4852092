// Prints a line that the runner outside can tell from what VS Code itself prints. Knows no runner.
import { format } from 'node:util';

/** Begins every line of the suite. */
export const sayMark = '| ';

export function say(...values: unknown[]): void {
  for (const line of format(...values).split('\n')) console.log(sayMark + line);
}
