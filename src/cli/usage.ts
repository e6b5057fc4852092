// What the command line takes, and its help text.
import { parseArgs } from 'node:util';

export const usage = `furo - run jobs of a folder on the supercomputer Furo

  furo run [JOB | FILE] [--group G] [--detach]   submit a job of furo.yaml, or a .jsonl, .py or .sh file
  furo sync [--preview]                          send the folder; --preview only tells what would be sent and why
  furo jobs                                      list the jobs of this folder
  furo logs JOB [-f]                             print a job's output; -f follows it
  furo cancel JOB                                end a job
  furo results JOB                               bring the results and print them as a table
  furo check                                     test each step of the connection and say what to do
  furo demo                                      the whole way on a simulated Furo

  -C, --folder DIR     the project folder (default: here)
  --settings FILE      JSON with furo.* keys (default: settings.json in the configuration folder)
  --set KEY=VALUE      one setting, for example --set furo.connection.user=abc; may be repeated
  --anyway             submit also what the plan of the runtime calls too large
  -v, --verbose        tell what is done
  -h, --help           this text

JOB is a name of furo.yaml, PJM's job id, or a file. Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`;

export interface CommandLine {
  readonly command: string;
  readonly operands: readonly string[];
  readonly folder: string;
  readonly settingsFile: string | undefined;
  readonly set: readonly string[];
  readonly group: string | undefined;
  readonly isPreview: boolean;
  readonly isDetached: boolean;
  readonly ignoresPlan: boolean;
  readonly follows: boolean;
  readonly isVerbose: boolean;
  readonly wantsHelp: boolean;
  /** For `demo`: set by scripts/demo.mjs. */
  readonly demo: DemoPlaces;
}

export interface DemoPlaces {
  readonly root: string | undefined;
  readonly python: string | undefined;
  readonly model: string | undefined;
  /** Only start the simulated Furo, print how to reach it, and wait. */
  readonly serves: boolean;
}

const commands = ['run', 'sync', 'jobs', 'logs', 'cancel', 'results', 'check', 'demo'];

/** A mistake in the arguments; the text is for the person who typed them. */
export class UsageError extends Error {}

export function parseCommandLine(argv: readonly string[]): CommandLine {
  const { values, positionals } = parse(argv);
  const [command = '', ...operands] = positionals;
  if (command !== '' && !commands.includes(command))
    throw new UsageError(`there is no command ${command}`);
  return {
    command,
    operands,
    folder: values.folder ?? '.',
    settingsFile: values.settings,
    set: values.set ?? [],
    group: values.group,
    isPreview: values.preview ?? false,
    isDetached: values.detach ?? false,
    ignoresPlan: values.anyway ?? false,
    follows: values.follow ?? false,
    isVerbose: values.verbose ?? false,
    wantsHelp: values.help ?? false,
    demo: {
      root: values.root,
      python: values.python,
      model: values.model,
      serves: values.serve ?? false,
    },
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        folder: { type: 'string', short: 'C' },
        settings: { type: 'string' },
        set: { type: 'string', multiple: true },
        group: { type: 'string' },
        preview: { type: 'boolean' },
        detach: { type: 'boolean' },
        anyway: { type: 'boolean' },
        follow: { type: 'boolean', short: 'f' },
        verbose: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
        root: { type: 'string' },
        python: { type: 'string' },
        model: { type: 'string' },
        serve: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
