// Names of a job's files and the variables of its environment, as PJM makes them. Texts only.
// Source: End-user's Guide, table 2.1 and the section on output files.
import type { JobStart } from './jobRunner';
import { isSubJob, type SimulatedJob } from './simulatedJob';

/** Where a job writes. */
export interface JobPaths {
  readonly out: string;
  readonly err: string;
  readonly stats: string;
}

/** Joins a path to a folder unless it is absolute; resolves `.` and `..` without looking at a disk. */
export function resolvePath(folder: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${folder}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `<submitdir>/.d<10-digit id>`; sub-jobs of a step job have their own script and so (a guess) their own name. */
export function scriptCopyPath(folder: string, jobId: number, step?: number): string {
  const suffix = step === undefined ? '' : `_${step}`;
  return `${folder}/.d${String(jobId).padStart(10, '0')}${suffix}`;
}

/** The files of a job. A name that begins with a digit gets a `J` in file names. */
export function jobPaths(job: SimulatedJob): JobPaths {
  const { spec } = job;
  const fileName = /^\d/.test(spec.name) ? `J${spec.name}` : spec.name;
  const standard = (ending: string) =>
    `${spec.submitFolder}/${fileName.slice(0, 63)}.${job.key}.${ending}`;
  const fill = (pattern: string | undefined, ending: string) =>
    pattern === undefined ? standard(ending) : expandPath(pattern, job);
  const out = fill(spec.outPattern, 'out');
  return {
    out,
    err: spec.joinsOutput ? out : fill(spec.errPattern, 'err'),
    stats: fill(spec.statisticsPattern, 'stats'),
  };
}

/** `%j` job id, `%J` sub-job id, `%b` bulk number, `%s` step number, `%n` name; others stay. */
function expandPath(pattern: string, { jobId, key, part, spec }: SimulatedJob): string {
  return pattern.replace(/%[jJbsn]/g, (meta) => {
    if (meta === '%j') return String(jobId);
    if (meta === '%J') return key;
    if (meta === '%n') return spec.name;
    const kind = meta === '%b' ? 'bulk' : 'step';
    return part.kind === kind ? String(part.number) : '';
  });
}

/** Everything a runner needs to start the job. */
export function jobStart(job: SimulatedJob): JobStart {
  const { spec } = job;
  const paths = jobPaths(job);
  return {
    subJobId: job.key,
    user: spec.user,
    scriptPath: job.scriptPath,
    shell: spec.shell,
    submitFolder: spec.submitFolder,
    stdoutPath: paths.out,
    stderrPath: paths.err,
    environment: jobEnvironment(job, paths),
    nodes: job.nodes,
    gpus: job.gpus,
    isInteractive: spec.isInteractive,
    isRestart: job.retries > 0 || job.holds > 0,
  };
}

const unlimitedSeconds = 2_147_483_647;

/**
 * Every `PJM_` variable of table 2.1 but the runner's own (PJM_O_NODEINF; PJM_LOCALDIR of Furo) and
 * PJM_ASSIGN_LOGICAL_CPU: its content is "as given", and no source says by which option of pjsub.
 */
function jobEnvironment(job: SimulatedJob, paths: JobPaths): Record<string, string> {
  const { spec, part } = job;
  return {
    ...spec.variables,
    ...spec.submitEnvironment,
    PJM_JOBID: String(job.jobId),
    PJM_JOBNAME: spec.name,
    PJM_SUBJOBID: isSubJob(job) ? job.key : String(job.jobId),
    ...(part.kind === 'bulk' && { PJM_BULKNUM: String(part.number) }),
    ...(part.kind === 'step' && { PJM_STEPNUM: String(part.number) }),
    PJM_ENVIRONMENT: spec.isInteractive ? 'INTERACT' : 'BATCH',
    PJM_ELAPSE_LIMIT: String(spec.elapseSeconds ?? unlimitedSeconds),
    PJM_RSCGRP: spec.resourceGroup,
    PJM_RSCUNIT: spec.resourceUnit,
    PJM_O_WORKDIR: spec.submitFolder,
    PJM_JOBDIR: spec.submitFolder,
    PJM_O_HOST: spec.hostName,
    PJM_SHELL: spec.shell,
    PJM_DPREFIX: '#PJM',
    PJM_STDOUT_PATH: paths.out,
    PJM_STDERR_PATH: paths.err,
    PJM_CUSTOM_RESOURCES: customResources(job),
    ...sizeVariables(job),
    ...(spec.comment && { PJM_COMMENT: spec.comment }),
    ...(spec.applicationName && { PJM_APPNAME: spec.applicationName }),
    ...(spec.fileSystem && { PJM_FSNAME: spec.fileSystem }),
    ...(!spec.isRestartable && { PJM_NORESTART: '1' }),
    ...spec.asGiven,
  };
}

function sizeVariables({ spec }: SimulatedJob): Record<string, string> {
  const variables: Record<string, string> = { PJM_MPI_PROC: String(spec.mpiProcesses) };
  const isSpread = spec.nodes > 1 || spec.isMpiGiven;
  if (isSpread) variables['PJM_PROC_BY_NODE'] = String(Math.ceil(spec.mpiProcesses / spec.nodes));
  if (!spec.isShared) return { ...variables, PJM_NODE: String(spec.nodes) };
  return {
    ...variables,
    PJM_VNODE: String(spec.nodes),
    PJM_VNODE_CORE: '10',
    PJM_VNODE_MEM_LIMIT: '90194313216',
    PJM_EXEC_POLICY: 'share',
  };
}

/** `gpu=1`; on whole nodes the number counts for each node and is written `gpu=4/n`. */
function customResources({ spec }: SimulatedJob): string {
  const gpu = spec.isShared ? `gpu=${spec.gpus}` : `gpu=${spec.gpus}/n`;
  const others = Object.entries(spec.siteResources).map(([key, value]) => `${key}=${value}`);
  return [gpu, ...others].join(',');
}
