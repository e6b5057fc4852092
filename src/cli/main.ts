// The program `furo`: reads its arguments, runs one verb, words every Failure. Composition is in session.ts.
import { join } from 'node:path';
import { isCancellation, isFailure } from '../base/failure';
import { silentLogger, type Logger } from '../base/log';
import { configFolder } from '../jobs/computer';
import { jobFailure } from '../jobs/failures';
import { failureText } from '../words/failureText';
import { runCheck } from './check';
import { chooseJob } from './chooseJob';
import { follow, listJobs, printLogs, printResults, submit, type Context } from './commands';
import { runDemo } from './demo';
import { languageOf } from './language';
import { openSession, readSettingsFile } from './session';
import { syncOrPreview } from './syncVerb';
import { parseCommandLine, usage, UsageError, type CommandLine } from './usage';

/** The bundle lies in dist/, the Python package beside it. */
const runtimeFolder = join(__dirname, '..', 'python-runtime');

const translate = languageOf(process.env);

async function main(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const line = parseCommandLine(argv);
  if (line.wantsHelp || line.command === '') {
    process.stdout.write(usage);
    return line.wantsHelp ? 0 : 2;
  }
  const log = line.isVerbose ? consoleLogger : silentLogger;
  if (line.command === 'demo')
    return runDemo({ line, runtimeFolder, screen: process.stdout, log, translate, signal });
  const session = openSession({
    folder: line.folder,
    values: await readValues(line),
    stateFolder: configFolder(),
    runtimeFolder,
    log,
    translate,
  });
  try {
    return await runVerb(line, { session, screen: process.stdout, translate, signal });
  } finally {
    session.dispose();
  }
}

async function runVerb(line: CommandLine, context: Context): Promise<number> {
  const { session, signal } = context;
  switch (line.command) {
    case 'run': {
      const { folder, settings } = session;
      const choice = { folder, settings, wanted: line.operands[0], group: line.group };
      const work = await chooseJob({ ...choice, translate: context.translate });
      const job = await submit(context, work, line.ignoresPlan);
      if (line.isDetached) return 0;
      const { phase } = await follow(context, job.id);
      await printResults(context, session.store.get(job.id) ?? job);
      return phase.kind === 'finished' && phase.outcome.kind === 'succeeded' ? 0 : 1;
    }
    case 'sync':
      await syncOrPreview(context, line);
      return 0;
    case 'check':
      return (await runCheck(context)) ? 0 : 1;
    case 'jobs':
      if (session.center.hasLiveJobs) await session.center.pollOnce(signal);
      listJobs(context);
      return 0;
    case 'logs':
      await printLogs(context, findJob(line, context), line.follows);
      return 0;
    case 'cancel':
      await session.center.cancel(findJob(line, context).id, signal);
      return 0;
    case 'results':
      if (session.center.hasLiveJobs) await session.center.pollOnce(signal);
      await printResults(context, findJob(line, context));
      return 0;
    default:
      throw new UsageError(`there is no command ${line.command}`);
  }
}

function findJob(line: CommandLine, { session }: Context) {
  const wanted = line.operands[0];
  if (wanted === undefined) throw new UsageError(`furo ${line.command} needs a job`);
  const job = session.store.find(wanted);
  if (!job) throw jobFailure('jobUnknown', { id: wanted });
  return job;
}

async function readValues(line: CommandLine): Promise<Record<string, unknown>> {
  const file = line.settingsFile ?? join(configFolder(), 'settings.json');
  const values = await readSettingsFile(file, line.settingsFile === undefined);
  for (const assignment of line.set) {
    const at = assignment.indexOf('=');
    if (at < 1) throw new UsageError(`--set ${assignment}: write KEY=VALUE`);
    values[assignment.slice(0, at)] = readValue(assignment.slice(at + 1));
  }
  return values;
}

/** Numbers and lists as JSON, everything else as text. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const consoleLogger: Logger = {
  debug: (message) => process.stderr.write(`${message}\n`),
  info: (message) => process.stderr.write(`${message}\n`),
  warn: (message) => process.stderr.write(`${message}\n`),
  error: (message) => process.stderr.write(`${String(message)}\n`),
};

function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`furo: ${error.message}\n\n${usage}`);
    return 2;
  }
  if (isCancellation(error)) return 130;
  if (isFailure(error)) process.stderr.write(`furo: ${failureText(error, translate).message}\n`);
  else
    process.stderr.write(
      `furo: this is a defect of the program, please report it\n${String((error as Error).stack)}\n`,
    );
  return 1;
}

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => { interrupt.abort(); }); // prettier-ignore
main(process.argv.slice(2), interrupt.signal).then(
  (code) => (process.exitCode = code),
  (error: unknown) => (process.exitCode = report(error)),
);
