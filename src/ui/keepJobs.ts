// Keeps the job list in the workspace's memory. A list that cannot be read is told and left as it is.
import { toDisposable, type Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import { keepHistory, type KeyValue } from '../jobs/history';
import type { JobStore } from '../jobs/jobStore';

export function keepJobs(
  store: JobStore,
  memory: KeyValue,
  { log, onError }: { log: Logger; onError: (error: unknown) => void },
): Disposable {
  try {
    return keepHistory(store, memory, log);
  } catch (error) {
    onError(error);
    return toDisposable(() => undefined);
  }
}
