// Brings the project to the machine before a job: checks what can be known here, syncs, freezes. Knows no queue.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFailure } from '../base/failure';
import type { RemotePath } from '../ssh/remote';
import { syncProject, type SyncNotes, type SyncSummary } from '../sync/upload';
import type { WorkflowJob } from '../workflow/workflow';
import { checkInput } from './checkInput';
import { jobFailure } from './failures';
import type { JobSnapshot } from './job';
import type { ProjectPlaces } from './places';
import { takeSnapshot } from './snapshot';
import type { SubmitParts, SubmitPlan } from './submit';

/** Checks the work, connects, and makes the project there equal to the one here. */
export async function sendProject(
  parts: SubmitParts,
  plan: SubmitPlan,
  places: ProjectPlaces,
): Promise<SyncSummary> {
  const { signal, onStep } = plan;
  onStep?.({ kind: 'checking' });
  await checkWork(plan);
  onStep?.({ kind: 'connecting' });
  await parts.remote.connect(signal);
  const summary = await syncProject({
    files: parts.remote.files,
    // After it come the snapshot and pjsub.
    exec: (command, options) => parts.remote.exec(command, { ...options, isFollowed: true }),
    localFolder: plan.workspaceFolder,
    remoteFolder: places.project,
    exclude: plan.exclude,
    // Data is often left out of version control, but the job cannot run without its own file.
    needed: [neededPath(plan.job)],
    ...(plan.include && { include: plan.include }),
    ...(plan.confirmRemovals && { confirmRemovals: plan.confirmRemovals }),
    ...(signal && { signal }),
    onProgress: (progress) => onStep?.({ kind: 'sync', progress }),
  });
  tellSync(parts, plan, summary);
  return summary;
}

/** How often the project is synced again when it changes on the machine before it is frozen. */
const freezeAttempts = 3;

/** Makes the snapshot from which this run starts. */
export async function freezeProject(
  parts: SubmitParts,
  plan: SubmitPlan,
  { places, synced, run }: { places: ProjectPlaces; synced: SyncSummary; run: RemotePath },
): Promise<JobSnapshot> {
  const { signal } = plan;
  let { kept } = synced;
  for (let attempt = 1; ; attempt += 1) {
    const edited = new Set(
      kept.filter(({ why }) => why === 'changedRemotely').map(({ path }) => path),
    );
    plan.onStep?.({ kind: 'freezing' });
    try {
      return await takeSnapshot(parts.remote, { places, run, edited, signal });
    } catch (error) {
      if (!isFailure(error, 'snapshotChanged') || attempt === freezeAttempts) throw error;
      parts.log.warn(`${String(error)}: syncing again`);
      ({ kept } = await sendProject(parts, plan, places));
    }
  }
}

/** What was not sent is told, and stops the job when it is the very file that the job is about. */
function tellSync({ log }: SubmitParts, plan: SubmitPlan, summary: SyncSummary & SyncNotes): void {
  const { spared, normalised, purged, missing } = summary;
  log.info(`sync: ${summary.uploaded} sent, ${summary.unchanged} unchanged`);
  if (spared.length + normalised.length + purged.length > 0)
    plan.onStep?.({ kind: 'notes', notes: summary });
  const kept = [
    ...summary.kept.map(({ path, why }) => ({ path, detail: why })),
    ...summary.skippedLinks.map((path) => ({ path, detail: 'link' })),
  ];
  for (const { path, why, copy } of summary.kept)
    log.warn(`sync: ${path}: ${why}${copy === undefined ? '' : `, the one there is now ${copy}`}`);
  for (const path of summary.skippedLinks) log.warn(`sync: ${path}: a link, not sent`);
  const [absent] = missing;
  if (absent !== undefined) throw jobFailure('inputNotSent', { path: absent, detail: 'link' });
  const needed = kept.find(
    ({ path, detail }) => path === neededPath(plan.job) && detail !== 'bothChanged',
  );
  if (needed) throw jobFailure('inputNotSent', needed);
  if (kept.length > 0) plan.onStep?.({ kind: 'kept', summary });
}

/** The file of the workspace that the job is about. */
function neededPath({ work }: WorkflowJob): string {
  return work.kind === 'inference' ? work.inference.input : work.script;
}

/** Checks what can be known here, before anything is sent. */
async function checkWork(plan: SubmitPlan): Promise<void> {
  const { work } = plan.job;
  if (work.kind !== 'inference') {
    const script = await stat(join(plan.workspaceFolder, work.script)).catch(() => undefined);
    if (!script?.isFile()) throw jobFailure('inputNotFound', { path: work.script });
    return;
  }
  const { input } = work.inference;
  await checkInput(join(plan.workspaceFolder, input), input, plan.signal);
}
