// The commands of a generated job script: environment first, then the work with its own exit code. Text only.
import { findGroup, gpusPerNode } from '../pjm/furo';
import type { Inference, JobSettings, WorkflowJob } from './workflow';
import type { Backend } from './yamlFields';

/** Absolute folders on the machine, as POSIX paths. */
export interface LaunchPlaces {
  /** Where the job starts: the project as it was submitted, for this run alone. */
  readonly startFolder: string;
  /** The project that all runs share; the job finds it as `FURO_PROJECT`. */
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
    ...(job.work.kind === 'inference' ? tellDeadline(job.settings) : []),
    `cd ${quote(places.startFolder)}`,
    `export FURO_PROJECT=${quote(places.projectFolder)}`,
    ...(modules.length > 0 ? loadModules(modules) : []),
    ...(condaEnvironment === '' ? [] : activateConda(condaEnvironment)),
    'export PYTHONUNBUFFERED=1',
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}`),
    ...launch(job, places),
  ];
}

/** The runtime ends by itself before the elapse limit; what comes before it in this script counts too. */
function tellDeadline({ elapseSeconds }: JobSettings): string[] {
  return [`export FURO_JOB_STARTED="$(date +%s)" FURO_ELAPSE_SECONDS=${String(elapseSeconds)}`];
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
    // Packages in ~/.local would come before those of the environment that was checked.
    'export PYTHONNOUSERSITE=1',
  ];
}

/** `exec` hands the job's signals (SIGXCPU at the time limit) and its exit code straight to the program. */
function launch({ work, settings }: WorkflowJob, places: LaunchPlaces): string[] {
  switch (work.kind) {
    case 'inference': {
      const ranks = ranksOf(settings, work.inference);
      const run = `-m furo_infer run ${quote(places.jobFile)}`;
      return [
        `export PYTHONPATH=${quote(places.runtimeFolder)}\${PYTHONPATH:+:$PYTHONPATH}`,
        ...(ranks.count === 1 ? [`exec python ${run}`] : launchRanks(ranks, settings, run)),
      ];
    }
    case 'python':
      return [`exec python ${[work.script, ...work.arguments].map(quote).join(' ')}`];
    case 'script':
      return [`exec bash ${quote(work.script)}`];
  }
}

/** The processes of an inference. */
export interface Ranks {
  readonly nodes: number;
  readonly count: number;
  readonly perNode: number;
}

/** Back ends that use all GPUs of a node from one process. */
const wholeNodeBackends: readonly Backend[] = ['transformers', 'lmdeploy', 'vllm'];

/** One process for each GPU, or as many as a whole layout says; shared groups give one GPU. */
export function ranksOf(settings: JobSettings, inference: Inference): Ranks {
  const { resourceGroup, nodes } = settings;
  const isShared = findGroup(resourceGroup)?.isShared ?? resourceGroup.endsWith('-share');
  if (isShared) return { nodes: 1, count: 1, perNode: 1 };
  if (wholeNodeBackends.includes(inference.backend ?? 'auto'))
    return { nodes, count: nodes, perNode: 1 };
  const { replicas, stages, tensorParallel } = inference.layout ?? {};
  const isWhole = replicas !== undefined && stages !== undefined && tensorParallel !== undefined;
  const count = isWhole ? replicas * stages * tensorParallel : nodes * gpusPerNode;
  return { nodes, count, perNode: Math.ceil(count / nodes) };
}

/** The beginning of an expression for `grep -E`: what must reach other nodes. Open MPI itself passes OMPI_* only. */
const passedOn =
  '^(PATH|LD_LIBRARY_PATH|PYTHON[A-Z]*|OMP_NUM_THREADS|CONDA_PREFIX|LANG|(MASTER|NCCL|GLOO|HF|FURO|PJM|TORCH)_[A-Z0-9_]*';

/**
 * Open MPI starts the ranks, through `pjrsh` on the other nodes. The machine file names no slots, so without
 * `--map-by` all ranks would land on the first node, and by default each would be bound to one core.
 */
function launchRanks({ nodes, count, perNode }: Ranks, settings: JobSettings, run: string) {
  const names = [passedOn, ...Object.keys(settings.environment)].join('|');
  const interfaces = ['NCCL_SOCKET_IFNAME', 'GLOO_SOCKET_IFNAME'].map(
    (name) => `export ${name}="\${${name}:-ib0}"`,
  );
  return [
    'export MASTER_ADDR="$(head -n 1 "$PJM_O_NODEINF")" MASTER_PORT=$((20000 + PJM_JOBID % 10000))',
    ...(nodes > 1 ? interfaces : []),
    'export OMP_NUM_THREADS="${OMP_NUM_THREADS:-10}"',
    'mpirun="$(command -v mpirun)" || { echo "mpirun is not there: add openmpi_cuda/4.0.5 to the modules of the job." >&2; exit 127; }',
    'pjrsh="$(command -v pjrsh || echo /usr/bin/pjrsh)"',
    'passed=()',
    `while read -r name; do passed+=(-x "$name"); done < <(compgen -e | grep -E '${names})$')`,
    ...runUntilSignal(
      [
        `"$mpirun" -np ${String(count)} -machinefile "$PJM_O_NODEINF" --map-by ppr:${String(perNode)}:node --bind-to none`,
        // How long the other ranks have to end after one has ended with an error.
        '-mca plm_rsh_agent "$pjrsh" -mca odls_base_sigkill_timeout 3 -mca ess_base_forward_signals SIGXCPU',
        '"${passed[@]}" "$(command -v python)" ' + run,
      ].join(' \\\n  '),
    ),
  ];
}

/**
 * mpirun forwards SIGUSR1 and SIGXCPU to the ranks, but kills them at SIGTERM before they have saved anything. So the
 * shell stays, hands every signal on as SIGUSR1, and says "run again" (75) for a job that was stopped, however
 * mpirun ended.
 */
function runUntilSignal(command: string): string[] {
  return [
    `${command} &`,
    'ranks=$! stopped=""',
    `trap 'stopped=yes; kill -s USR1 "$ranks" 2>/dev/null || :' TERM XCPU USR1 INT`,
    'code=0',
    'while wait "$ranks" && code=0 || code=$?; kill -0 "$ranks" 2>/dev/null; do :; done',
    'if [ -n "$stopped" ] && [ "$code" -ne 0 ]; then code=75; fi',
    'exit "$code"',
  ];
}

/** One word of a POSIX shell. */
function quote(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
