// The life of all jobs on one machine: submit, follow, settle, cancel. Used alike by the editor and the command line.
import type { Clock } from '../base/clock';
import { DisposableStore, type Disposable } from '../base/disposable';
import { Emitter } from '../base/emitter';
import { isCancellation } from '../base/failure';
import type { Logger } from '../base/log';
import type { QueueEntry } from '../pjm/pjstat';
import type { Remote, RemotePath } from '../ssh/remote';
import { cancelJob, checkTarget } from './cancel';
import { jobFailure } from './failures';
import type { Job } from './job';
import type { JobStore } from './jobStore';
import { causeFromOutput } from './outcome';
import { Poller } from './poller';
import type { Queue } from './queue';
import { recoverSubmissions } from './recover';
import { downloadResults, readEnd, unlessUnreadable, type JobEnd } from './results';
import { uploadRuntime } from './runtimeUpload';
import { planText } from './runtimePlanText';
import { clearOldSnapshots, clearRemovedSnapshot } from './snapshotAge';
import { submitJob, type SubmitParts, type SubmitPlan } from './submit';
import { JobWatch } from './watch';

export interface JobCenterParts {
  readonly remote: Remote;
  readonly queue: Queue;
  readonly store: JobStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** `user@host:port`; jobs of other machines are left alone. */
  readonly target: string;
  /** Name of this computer. */
  readonly computer: string;
  readonly pollSeconds: () => number;
  /** Local folder that holds the Python package `furo_infer`. */
  readonly localRuntime: string;
}

/** Output was seen on the screen within 2 s of being written; a stat each time is all it costs. */
const outputIntervalMs = 1500;

export class JobCenter implements Disposable {
  readonly #parts: JobCenterParts;
  readonly #poller: Poller;
  readonly #watches = new Map<string, JobWatch>();
  /** Ids of the submissions that are being sent by us now. */
  readonly #inFlight = new Set<string>();
  readonly #stop = new AbortController();
  readonly #output = new Emitter<{ readonly jobId: string; readonly text: string }>();
  readonly #disposables = new DisposableStore();

  /** New output of a running job: whole lines. */
  readonly onDidOutput = this.#output.event;

  constructor(parts: JobCenterParts) {
    this.#parts = parts;
    const onEnded = (job: Job, entry: QueueEntry | undefined, signal: AbortSignal) =>
      this.#finish(job, entry, signal);
    const bringBack = () => {
      parts.remote.bringBack();
    };
    this.#poller = this.#disposables.add(
      new Poller({ ...parts, isConnected: () => this.#isConnected, bringBack, onEnded }),
    );
    this.#disposables.add(this.#output);
    this.#disposables.add(
      parts.store.onDidChange(({ before, after }) => {
        if (after) this.#watchIfRunning(after);
        else if (before) this.#forget(before);
      }),
    );
    this.#disposables.add(
      parts.remote.onDidChangeState(({ kind }) => {
        if (kind === 'connected') this.#lookForLost();
      }),
    );
  }

  get #isConnected(): boolean {
    return this.#parts.remote.state.kind === 'connected';
  }

  /** True when something on the machine waits for us, so connecting without being asked is right. */
  get hasLiveJobs(): boolean {
    return this.#parts.store.all.some(
      ({ target, phase }) => target === this.#parts.target && phase.kind !== 'finished',
    );
  }

  /** Takes up the jobs of an earlier session: open submissions, the queue, running outputs. Asks nobody anything. */
  async resume(signal?: AbortSignal): Promise<void> {
    const { store, target } = this.#parts;
    if (!this.hasLiveJobs) return;
    for (const job of store.all) if (job.target === target) this.#watchIfRunning(job);
    this.#poller.start();
    await this.#recover(signal);
  }

  async submit(plan: Omit<SubmitPlan, 'target'>): Promise<Job> {
    try {
      return await submitJob(this.#submitParts(), { ...plan, target: this.#parts.target });
    } finally {
      this.#poller.start();
      this.#lookForLost();
    }
  }

  /** What the runtime plans for an inference, as text; submits nothing. */
  planText(plan: Omit<SubmitPlan, 'target'>): Promise<string> {
    return planText(this.#submitParts(), { ...plan, target: this.#parts.target });
  }

  async cancel(id: string, signal?: AbortSignal): Promise<void> {
    await cancelJob({ ...this.#parts, poller: this.#poller }, id, signal);
  }

  /** Settles open submissions and asks PJM once; waits for the answers. */
  async pollOnce(signal: AbortSignal): Promise<void> {
    await this.#settleLost(signal);
    await this.#poller.pollOnce(signal);
  }

  /** Asks PJM at once and goes on while jobs live. */
  refresh(): void {
    this.#poller.start();
    this.#lookForLost();
  }

  /** Brings the files of a job (again) and returns the local folder; works while it runs, too. */
  async fetchResults(id: string, signal?: AbortSignal): Promise<string> {
    const job = this.#parts.store.get(id);
    if (!job) throw jobFailure('jobUnknown', { id });
    checkTarget(job, this.#parts.target);
    await this.#parts.remote.connect(signal);
    const brought = await downloadResults(
      { files: this.#parts.remote.files, log: this.#parts.log },
      job,
      signal,
    );
    if (!brought) throw jobFailure('resultsMissing', { job: job.name });
    this.#parts.store.change(id, brought);
    return brought.resultsFolder;
  }

  dispose(): void {
    this.#stop.abort();
    this.#disposables.dispose();
    for (const watch of this.#watches.values()) watch.dispose();
    this.#watches.clear();
  }

  #submitParts(): SubmitParts {
    const { localRuntime, remote } = this.#parts;
    const uploadRuntimeTo = (remoteFolder: RemotePath, signal?: AbortSignal) =>
      uploadRuntime(remote.files, { localRuntime, remoteFolder }, signal);
    return { ...this.#parts, inFlight: this.#inFlight, uploadRuntime: uploadRuntimeTo };
  }

  /** Settles submissions whose answer was lost, in the background; the next connection tries again. */
  #lookForLost(): void {
    this.#recover(this.#stop.signal).catch((error: unknown) => {
      if (!isCancellation(error)) this.#parts.log.error(error as Error);
    });
  }

  /** Without a connection it is brought back first: the next one that stands calls this again. */
  async #recover(signal?: AbortSignal): Promise<void> {
    if (!this.#isConnected) {
      if (this.hasLiveJobs) this.#parts.remote.bringBack();
      return;
    }
    await this.#settleLost(signal);
    if (!this.#stop.signal.aborted) this.#poller.start();
  }

  async #settleLost(signal?: AbortSignal): Promise<void> {
    const { target } = this.#parts;
    await recoverSubmissions({ ...this.#parts, inFlight: this.#inFlight }, target, signal);
  }

  #forget(job: Job): void {
    this.#watches.get(job.id)?.dispose();
    this.#watches.delete(job.id);
    void clearRemovedSnapshot(this.#parts, job, this.#stop.signal);
  }

  #watchIfRunning(job: Job): void {
    if (job.target !== this.#parts.target || job.phase.kind !== 'running') return;
    (this.#watches.get(job.id) ?? this.#newWatch(job.id)).start();
  }

  #newWatch(jobId: string): JobWatch {
    const { remote, store, clock, log } = this.#parts;
    const onOutput = (id: string, text: string) => {
      this.#output.fire({ jobId: id, text });
    };
    const watch = new JobWatch(
      {
        files: remote.files,
        store,
        clock,
        log,
        intervalMs: outputIntervalMs,
        isConnected: () => this.#isConnected,
        onOutput,
      },
      jobId,
    );
    this.#watches.set(jobId, watch);
    return watch;
  }

  async #finish(job: Job, entry: QueueEntry | undefined, signal: AbortSignal): Promise<void> {
    const watch = this.#watches.get(job.id) ?? this.#newWatch(job.id);
    try {
      await unlessUnreadable(this.#parts, () => watch.catchUp(signal));
      const { clock, log, remote, store } = this.#parts;
      const end = await readEnd({ files: remote.files, clock, log }, job, entry, signal);
      if (end.phase.kind === 'finished') {
        watch.end();
        this.#watches.delete(job.id);
      }
      store.change(job.id, withCause(end, watch.lastLine));
      if (end.phase.kind === 'finished') await clearOldSnapshots(this.#parts, signal);
    } catch (error) {
      if (!isCancellation(error)) this.#parts.log.warn(`end of ${job.name}: ${String(error)}`);
    }
  }
}

function withCause(end: JobEnd, lastLine: string): JobEnd {
  if (end.failure || end.phase.kind !== 'finished') return end;
  const failure = causeFromOutput(end.phase.outcome, lastLine);
  return failure ? { ...end, failure } : end;
}
