// The demo: a simulated Furo and a whole job on it, through the same layers as the real way.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger } from '../base/log';
import { politePollSeconds, type ConnectionSettings } from '../settings';
import { startSimulatedFuro, type SimulatedFuro } from '../simulator/simulatedFuro';
import type { Translate } from '../words/translate';
import { chooseJob } from './chooseJob';
import { follow, printResults, say, submit, type Context } from './commands';
import { openSession } from './session';
import type { Screen } from './terminal';
import { UsageError, type CommandLine } from './usage';

const demoModel = 'HuggingFaceTB/SmolLM2-135M-Instruct';

export interface DemoOptions {
  readonly line: CommandLine;
  readonly runtimeFolder: string;
  readonly screen: Screen;
  readonly log: Logger;
  readonly translate: Translate;
  readonly signal: AbortSignal;
}

/** Runs the example job; returns the exit status. With `--serve` only keeps the simulated Furo up. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { line, log, screen } = options;
  const { python, model, root } = line.demo;
  if (python === undefined || model === undefined)
    throw new UsageError(
      'furo demo is started by "npm run demo", which prepares Python and the model',
    );
  const folder = root ?? (await mkdtemp(join(tmpdir(), 'furo-demo-')));
  const furo = await startSimulatedFuro({
    root: resolve(folder),
    python: resolve(python),
    models: { [demoModel]: resolve(model) },
    log,
  });
  try {
    if (line.demo.serves) return await serve(furo, screen, options.signal);
    return await runJob(furo, options, folder);
  } finally {
    await furo.dispose();
  }
}

/** Settings that lead to a simulated Furo; `demo --vscode` writes the same ones for the editor. */
export function settingsFor({
  endpoint,
}: {
  readonly endpoint: ConnectionSettings;
}): Record<string, unknown> {
  const { host, port, user, identityFile, remoteFolder } = endpoint;
  return {
    'furo.connection.host': host,
    'furo.connection.port': port,
    'furo.connection.user': user,
    'furo.connection.identityFile': identityFile,
    'furo.connection.remoteFolder': remoteFolder,
    'furo.poll.intervalSeconds': politePollSeconds,
  };
}

async function runJob(furo: SimulatedFuro, options: DemoOptions, folder: string): Promise<number> {
  const { line, translate, log, screen, signal } = options;
  const session = openSession({
    folder: line.folder,
    values: settingsFor(furo),
    stateFolder: join(folder, 'client'),
    runtimeFolder: options.runtimeFolder,
    log,
    translate,
    knownHostKey: furo.endpoint.knownHostsLine,
  });
  const context: Context = { session, screen, translate, signal };
  try {
    say(context, translate('A simulated Furo listens on 127.0.0.1, port {0}', furo.endpoint.port));
    const wanted = line.operands[0] ?? 'answer';
    const choice = { folder: session.folder, settings: session.settings, wanted, translate };
    const job = await chooseJob({ ...choice, group: line.group });
    const record = await submit(context, job);
    const ended = await follow(context, record.id);
    await printResults(context, ended);
    const { phase } = ended;
    return phase.kind === 'finished' && phase.outcome.kind === 'succeeded' ? 0 : 1;
  } finally {
    session.dispose();
  }
}

async function serve(furo: SimulatedFuro, screen: Screen, signal: AbortSignal): Promise<number> {
  const ready = { ...settingsFor(furo), knownHostsLine: furo.endpoint.knownHostsLine };
  screen.write(`${JSON.stringify(ready)}\n`);
  await new Promise((stop) => {
    signal.addEventListener('abort', stop, { once: true });
  });
  return 0;
}
