// Keeps the job store over restarts, in whatever keeps values (VS Code's Memento, a file). Knows no views.
import { DisposableStore, type Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import { jobFailure } from './failures';
import type { Job } from './job';
import type { JobStore } from './jobStore';

/** Where values are kept; shaped so that a `vscode.Memento` fits. */
export interface KeyValue {
  get(key: string): unknown;
  update(key: string, value: unknown): PromiseLike<void>;
}

const historyKey = 'furo.jobs';
const historyVersion = 1;
/** Finished jobs beyond this number are forgotten, the oldest first. */
const keptFinished = 200;

/** Fills the store from what was kept, and keeps every change from then on. */
export function keepHistory(store: JobStore, memory: KeyValue, log: Logger): Disposable {
  for (const job of readHistory(memory)) store.put(job);
  const disposables = new DisposableStore();
  let isWritePlanned = false;
  const write = () => {
    isWritePlanned = false;
    const value = { version: historyVersion, jobs: worthKeeping(store.all) };
    memory.update(historyKey, value).then(undefined, (error: unknown) => {
      log.error(`The list of jobs could not be kept: ${String(error)}`);
    });
  };
  disposables.add(
    store.onDidChange(() => {
      if (isWritePlanned) return;
      isWritePlanned = true;
      queueMicrotask(write);
    }),
  );
  return disposables;
}

function readHistory(memory: KeyValue): readonly Job[] {
  const kept = memory.get(historyKey);
  if (kept === undefined || kept === null) return [];
  const { version, jobs } = kept as { version?: unknown; jobs?: unknown };
  if (version !== historyVersion || !Array.isArray(jobs))
    throw jobFailure('historyUnreadable', { version: String(version) });
  return jobs as Job[];
}

function worthKeeping(jobs: readonly Job[]): readonly Job[] {
  const finished = jobs.filter(({ phase }) => phase.kind === 'finished');
  const forgotten = new Set(finished.slice(keptFinished).map(({ id }) => id));
  return jobs.filter(({ id }) => !forgotten.has(id));
}
