// Where things lie on the machine and here: one table of folder names. Makes no folder.
import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { joinRemote, remotePath, type RemotePath } from '../ssh/remote';
import type { LaunchPlaces } from '../workflow/launchLine';
import type { Inference } from '../workflow/workflow';

/** Folders of one project on the machine. */
export interface ProjectPlaces {
  /** The synced project. */
  readonly project: RemotePath;
  /** Everything that this program adds to it. */
  readonly own: RemotePath;
  readonly claims: RemotePath;
  /** Large files by content, for the snapshots of runs. */
  readonly store: RemotePath;
}

/**
 * `<remoteFolder>/<name>-<hash>`: the hash of computer and path keeps two projects of the same name apart, which
 * would otherwise overwrite each other.
 */
export function projectPlaces(
  remoteFolder: RemotePath,
  workspaceFolder: string,
  computer: string,
): ProjectPlaces {
  const folder = withSmallDrive(resolve(workspaceFolder));
  const name = basename(folder).replace(/[^\w.-]+/g, '_') || 'project';
  const project = joinRemote(remoteFolder, `${name}-${shortHash(`${computer}\0${folder}`)}`);
  const own = joinRemote(project, '.furo');
  return { project, own, claims: joinRemote(own, 'submits'), store: joinRemote(own, 'store') };
}

/** Windows takes `C:` and `c:` for the same; the editor says one, a terminal the other. */
export function withSmallDrive(folder: string): string {
  return folder.replace(/^[A-Z]:/, (drive) => drive.toLowerCase());
}

/** Folder of one run: the project as it was submitted (`src`), script, job file and PJM's own output. */
export function runFolder(places: ProjectPlaces, jobName: string, jobId: string): RemotePath {
  const name = jobName.replace(/[^\w.-]+/g, '_');
  return joinRemote(places.own, 'runs', `${name}-${jobId.slice(0, 8)}`);
}

/** The project as it was submitted; a job starts in it. */
export function snapshotFolder(run: RemotePath): RemotePath {
  return joinRemote(run, 'src');
}

/**
 * Where an inference writes its results. The same name and the same settings mean the same folder, so a run after an
 * interrupted one computes the missing records only; any other setting begins a new folder.
 */
export function resultsFolder(
  places: ProjectPlaces,
  jobName: string,
  inference: Inference,
): RemotePath {
  // How it is computed does not change what is asked.
  const how = { batchRows: undefined, layout: undefined, policy: undefined };
  const meaning = { ...inference, ...how };
  return joinRemote(places.own, 'results', `${jobName}-${shortHash(JSON.stringify(meaning))}`);
}

/** The places of a script that is only shown: `RUN` and `VERSION` stand for what a submission makes. */
export function previewPlaces(
  remoteFolder: string,
  workspaceFolder: string,
  { jobName, computer }: { jobName: string; computer: string },
): LaunchPlaces {
  // A folder below `~` is only known on the machine.
  const base = remotePath(remoteFolder.startsWith('/') ? remoteFolder : '/data/group1/USER/furo');
  const places = projectPlaces(base, workspaceFolder, computer);
  const run = runFolder(places, jobName, 'RUN');
  return {
    startFolder: snapshotFolder(run),
    projectFolder: places.project,
    runtimeFolder: joinRemote(base, '.furo/runtime/VERSION'),
    jobFile: joinRemote(run, 'job.json'),
  };
}

/** Local folder of a job's results, inside the workspace. */
export function localResultsFolder(
  workspaceFolder: string,
  jobName: string,
  pjmId: string,
): string {
  return join(workspaceFolder, 'furo-results', `${jobName}.${pjmId}`);
}

/** Eight hex digits that tell texts apart, for names of files and folders. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
