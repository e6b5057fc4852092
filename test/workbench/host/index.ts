// Runs mocha inside the extension host; VS Code calls `run` and takes a rejection as failure. Knows no test.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import { say } from './say';

/** One line of the results file, for the runner outside. */
export interface HostResult {
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'pending';
  readonly milliseconds: number;
  readonly error?: string;
}

/** Long enough for a login, a queue and a download on a loaded machine. */
const testTimeoutMs = 90_000;

export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'tdd', color: false, timeout: testTimeoutMs });
  Mocha.reporters.Base.consoleLog = say;
  mocha.addFile(join(__dirname, 'suite.cjs'));
  const results: HostResult[] = [];
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    const note = (test: Mocha.Runnable, state: HostResult['state'], error?: Error) => {
      const milliseconds = test.duration ?? 0;
      const text = error && { error: error.stack ?? error.message };
      results.push({ title: test.fullTitle(), state, milliseconds, ...text });
    };
    runner.on('pass', (test) => { note(test, 'passed'); }); // prettier-ignore
    runner.on('pending', (test) => { note(test, 'pending'); }); // prettier-ignore
    runner.on('fail', (test, error: Error) => { note(test, 'failed', error); }); // prettier-ignore
  });
  const file = process.env['FURO_HOST_RESULTS'];
  if (file !== undefined) writeFileSync(file, JSON.stringify(results));
  const count = (state: HostResult['state']) => results.filter((r) => r.state === state).length;
  say(`${count('passed')} passed, ${count('failed')} failed, ${count('pending')} pending`);
  if (failures > 0 || results.length === 0) throw new Error(`${failures} tests failed`);
}
