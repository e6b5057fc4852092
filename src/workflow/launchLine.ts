// The commands of a generated job script: environment first, then the work with its own exit code. Text only.
import type { Work, WorkflowJob } from './workflow';

/** Absolute folders on the machine, as POSIX paths. */
export interface LaunchPlaces {
  readonly projectFolder: string;
  /** Holds `furo_infer`; goes into PYTHONPATH. */
  readonly runtimeFolder: string;
  /** The runtime's job file, for an inference. */
  readonly jobFile: string;
}

/** Body of a job script. Every step ends the job with its error; the work's exit code is the job's. */
export function renderBody(job: WorkflowJob, places: LaunchPlaces): readonly string[] {
  const { modules, condaEnvironment, environment } = job.settings;
  return [
    'set -eo pipefail',
    `cd ${quote(places.projectFolder)}`,
    ...(modules.length > 0 ? loadModules(modules) : []),
    ...(condaEnvironment === '' ? [] : activateConda(condaEnvironment)),
    'export PYTHONUNBUFFERED=1',
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}`),
    ...launch(job.work, places),
  ];
}

/** A batch job runs no login shell, so `module` may be missing until Modules' own file is read. */
function loadModules(modules: readonly string[]): string[] {
  return [
    'type module >/dev/null 2>&1 || . /etc/profile.d/modules.sh',
    `module load ${modules.map(quote).join(' ')}`,
  ];
}

function activateConda(environment: string): string[] {
  return [
    'eval "$("$HOME/miniconda3/bin/conda" shell.bash hook)"',
    `conda activate ${quote(environment)}`,
  ];
}

/** `exec` hands the job's signals (SIGXCPU at the time limit) and its exit code straight to the program. */
function launch(work: Work, places: LaunchPlaces): string[] {
  switch (work.kind) {
    case 'inference':
      return [
        `export PYTHONPATH=${quote(places.runtimeFolder)}\${PYTHONPATH:+:$PYTHONPATH}`,
        `exec python -m furo_infer run ${quote(places.jobFile)}`,
      ];
    case 'python':
      return [`exec python ${[work.script, ...work.arguments].map(quote).join(' ')}`];
    case 'script':
      return [`exec bash ${quote(work.script)}`];
  }
}

/** One word of a POSIX shell. */
function quote(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
