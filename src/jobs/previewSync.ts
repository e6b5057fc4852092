// What a sync of a project would do, for a person to read. Sends nothing and changes nothing on the machine.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFailure, type Failure } from '../base/failure';
import type { Remote, RemotePath } from '../ssh/remote';
import { IgnoreRules } from '../sync/ignoreRules';
import { readLocalTree, type LocalTree } from '../sync/localTree';
import type { Manifest } from '../sync/manifest';
import type { SyncPlan } from '../sync/plan';
import { planProject } from '../sync/upload';
import { neededFiles, workOfFile } from '../workflow/expand';
import { loadWorkflow, type WorkEntry } from '../workflow/loadWorkflow';
import { isWorkflowFile, plainPath } from '../workflow/paths';
import { projectPlaces } from './places';

export interface PreviewOptions {
  readonly workspaceFolder: string;
  readonly computer: string;
  /** Absolute folder on the machine. */
  readonly remoteFolder: RemotePath;
  readonly exclude: readonly string[];
  readonly include?: readonly string[];
  /** Files that a job would need. */
  readonly needed?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface SyncPreview {
  readonly localFolder: string;
  /** Where the project lies, or would lie, on the machine. */
  readonly remoteFolder: RemotePath;
  readonly tree: LocalTree;
  /** Undefined when the size guard would stop the sync. */
  readonly planned: { readonly plan: SyncPlan; readonly manifest: Manifest } | undefined;
  /** Why the guard would stop it. */
  readonly guard: Failure | undefined;
}

/** Compares both sides. A project that is too large is listed all the same, without the comparison. */
export async function previewSync(
  machine: Pick<Remote, 'files' | 'exec'>,
  options: PreviewOptions,
): Promise<SyncPreview> {
  const { workspaceFolder: localFolder, computer, signal } = options;
  const { project: remoteFolder } = projectPlaces(options.remoteFolder, localFolder, computer);
  const places = { localFolder, remoteFolder };
  try {
    const { files } = machine;
    const exec: Remote['exec'] = (command, how) => machine.exec(command, how);
    const project = await planProject({ ...options, ...places, files, exec });
    await project.dispose();
    const { plan, tree, remote } = project;
    return { ...places, tree, planned: { plan, manifest: remote.manifest }, guard: undefined };
  } catch (error) {
    if (!isFailure(error, 'tooManyFiles') && !isFailure(error, 'tooManyBytes')) throw error;
    const limits = { maxFiles: Infinity, maxBytes: Infinity };
    const tree = await readLocalTree(localFolder, new IgnoreRules(options), { limits, signal });
    return { ...places, tree, planned: undefined, guard: error };
  }
}

/**
 * The files that a run of `path` would send whatever the rules say; where that cannot be run, those of all jobs of the
 * folder's own `furo.yaml`. `input` is what the settings say where a job names none.
 */
export async function neededByRun(
  folder: string,
  path: string | undefined,
  input: string,
): Promise<readonly string[]> {
  const work = path === undefined ? undefined : workOfFile(path);
  if (work) return neededFiles(work);
  const names = path !== undefined && isWorkflowFile(path) ? [path] : ['furo.yaml', 'furo.yml'];
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => undefined);
    if (text !== undefined)
      return loadWorkflow(text).value.flatMap(({ work: entry }) => neededByEntry(entry, input));
  }
  return [];
}

function neededByEntry(entry: WorkEntry, input: string): readonly string[] {
  const usesSetting = entry.kind === 'inference' && !entry.inference.input && input !== '';
  return [...(usesSetting ? [plainPath(input)] : []), ...neededFiles(entry)];
}
