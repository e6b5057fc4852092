// When the snapshots of ended runs are cleared: more than a few of them, or taken out of the list. Knows no shell.
//
// Only the records of this list decide. A run that no record names may be a live job of another window or of the command
// line, so it is never touched.
import { isCancellation } from '../base/failure';
import type { Logger } from '../base/log';
import type { Remote } from '../ssh/remote';
import type { Job } from './job';
import type { JobStore } from './jobStore';
import { clearSnapshots } from './snapshot';

export interface SnapshotAgeParts {
  readonly remote: Pick<Remote, 'exec' | 'state'>;
  readonly store: JobStore;
  readonly log: Logger;
  /** `user@host:port`; jobs of other machines are left alone. */
  readonly target: string;
}

/** Ended runs of each project whose submitted files stay on the machine, to look into them. */
const keptSnapshots = 10;

/** Ended jobs whose snapshots are to go; `jobs` come newest first. */
export function oldSnapshots(jobs: readonly Job[], target: string): readonly Job[] {
  const counts = new Map<string, number>();
  return jobs.filter((job) => {
    if (!isClearable(job, target)) return false;
    const count = (counts.get(job.workspaceFolder) ?? 0) + 1;
    counts.set(job.workspaceFolder, count);
    return count > keptSnapshots;
  });
}

function isClearable({ phase, snapshot, target: sentTo }: Job, target: string): boolean {
  const isThere = snapshot !== undefined && snapshot.isCleared !== true;
  return isThere && phase.kind === 'finished' && sentTo === target;
}

/** Clears what is too much after a job has ended. */
export async function clearOldSnapshots(
  parts: SnapshotAgeParts,
  signal: AbortSignal,
): Promise<void> {
  const { store, target } = parts;
  for (const { id, snapshot } of oldSnapshots(store.all, target))
    if (snapshot && (await clear(parts, snapshot.run, signal)))
      store.change(id, { snapshot: { ...snapshot, isCleared: true } });
}

/**
 * Clears the snapshot of a job that was taken out of the list after its end. A live one goes on running and keeps it, and
 * nobody is asked for a passphrase only to tidy up.
 */
export async function clearRemovedSnapshot(
  parts: SnapshotAgeParts,
  job: Job,
  signal: AbortSignal,
): Promise<void> {
  if (!job.snapshot || !isClearable(job, parts.target)) return;
  if (parts.remote.state.kind === 'connected') await clear(parts, job.snapshot.run, signal);
}

async function clear(
  { remote, log }: SnapshotAgeParts,
  run: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await clearSnapshots(remote, [run], { signal });
    return true;
  } catch (error) {
    if (!isCancellation(error)) log.warn(`snapshot ${run} stays: ${String(error)}`);
    return false;
  }
}
