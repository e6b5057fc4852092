// The observable collection of jobs: the one truth that every view listens to. Knows no machine.
import type { Disposable } from '../base/disposable';
import { Emitter } from '../base/emitter';
import type { Job } from './job';

export interface JobChange {
  readonly before: Job | undefined;
  /** Undefined when the job was taken out of the list. */
  readonly after: Job | undefined;
}

export class JobStore implements Disposable {
  readonly #jobs = new Map<string, Job>();
  readonly #changed = new Emitter<JobChange>();

  readonly onDidChange = this.#changed.event;

  /** All jobs, the newest first. */
  get all(): readonly Job[] {
    return [...this.#jobs.values()].sort((a, b) => b.submittedMs - a.submittedMs);
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  /** By PJM's id or by the first characters of the own id, as a person types it. */
  find(text: string): Job | undefined {
    return this.all.find((job) => job.pjmId === text || job.id === text || job.name === text);
  }

  /** Adds a job or replaces the one with the same id. */
  put(job: Job): void {
    const before = this.#jobs.get(job.id);
    this.#jobs.set(job.id, job);
    this.#changed.fire({ before, after: job });
  }

  /** Changes a job that is still there; an equal value announces nothing. */
  change(id: string, change: Partial<Omit<Job, 'id'>>): Job | undefined {
    const before = this.#jobs.get(id);
    if (!before) return undefined;
    const after = { ...before, ...change };
    if (JSON.stringify(after) !== JSON.stringify(before)) this.put(after);
    return after;
  }

  remove(id: string): void {
    const before = this.#jobs.get(id);
    if (before && this.#jobs.delete(id)) this.#changed.fire({ before, after: undefined });
  }

  dispose(): void {
    this.#changed.dispose();
  }
}
