// Brings the project to the machine before a job: checks what can be known here, syncs, freezes. Knows no queue.
import { isFailure } from '../base/failure';
import { sshFailure } from '../ssh/failures';
import { joinRemote, type RemotePath } from '../ssh/remote';
import { syncProject, type SyncNotes, type SyncSummary } from '../sync/upload';
import { neededFiles } from '../workflow/expand';
import { checkWork } from './checkWork';
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
  await checkWork(plan.job.work, plan.workspaceFolder, signal);
  onStep?.({ kind: 'connecting' });
  await parts.remote.connect(signal);
  const summary = await syncProject({
    files: parts.remote.files,
    // After it come the snapshot and pjsub.
    exec: (command, options) => parts.remote.exec(command, { ...options, isFollowed: true }),
    localFolder: plan.workspaceFolder,
    remoteFolder: places.project,
    exclude: plan.exclude,
    // Data is often left out of version control, but the job cannot run without its own files.
    needed: neededFiles(plan.job.work),
    ...(plan.include && { include: plan.include }),
    ...(plan.confirmRemovals && { confirmRemovals: plan.confirmRemovals }),
    ...(signal && { signal }),
    onProgress: (progress) => onStep?.({ kind: 'sync', progress }),
  });
  tellSync(parts, plan, { summary, places });
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

/** What was not sent is told, and stops the job when it is a file that the job is about. */
function tellSync(
  { log }: SubmitParts,
  { job, onStep }: SubmitPlan,
  { summary, places }: { summary: SyncSummary & SyncNotes; places: ProjectPlaces },
): void {
  const { kept, skippedLinks, spared, normalised, purged } = summary;
  log.info(`sync: ${summary.uploaded} sent, ${summary.unchanged} unchanged`);
  if (spared.length + normalised.length + purged.length > 0)
    onStep?.({ kind: 'notes', notes: summary });
  for (const { path, why, copy } of kept)
    log.warn(`sync: ${path}: ${why}${copy === undefined ? '' : `, the one there is now ${copy}`}`);
  for (const path of skippedLinks) log.warn(`sync: ${path}: a link, not sent`);
  checkSent(neededFiles(job.work), summary, places);
  if (kept.length + skippedLinks.length > 0) onStep?.({ kind: 'kept', summary });
}

/** Throws when the machine has a needed file not as it is here. */
function checkSent(
  needed: readonly string[],
  { kept, missing, skippedLinks }: SyncSummary & SyncNotes,
  { project }: ProjectPlaces,
): void {
  const [absent] = missing;
  if (absent !== undefined) {
    const isBelowLink = skippedLinks.some((link) => `${absent}/`.startsWith(`${link}/`));
    // It was looked at before the sync.
    throw isBelowLink
      ? jobFailure('inputOutside', { path: absent })
      : sshFailure('localFileChanged', { path: absent });
  }
  const names = new Set(needed.map((path) => path.normalize('NFC')));
  for (const { path, why } of kept) {
    if (!names.has(path) || why === 'bothChanged') continue;
    const there = joinRemote(project, path);
    throw jobFailure(why === 'inTheWay' ? 'inputBlockedThere' : 'inputChangedThere', {
      path,
      there,
    });
  }
}
