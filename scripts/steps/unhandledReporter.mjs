/**
 * A reporter of vitest that writes what no test caught (a rejected promise that nobody awaits, a socket's late error)
 * into the file FURO_UNHANDLED_FILE, as a JSON list of texts. vitest's own JSON report leaves these out.
 */
import { writeFileSync } from 'node:fs';

export default class UnhandledReporter {
  onTestRunEnd(_modules, errors) {
    const file = process.env['FURO_UNHANDLED_FILE'];
    if (file)
      writeFileSync(file, JSON.stringify(errors.map(({ stack, message }) => stack ?? message)));
  }
}
