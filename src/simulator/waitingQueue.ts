// Jobs that wait, in order. Knows no nodes.
import { isSubJob, type SimulatedJob } from './simulatedJob';

/** First come first served; `-p` only reorders jobs of the same user among themselves. */
export class WaitingQueue {
  readonly #jobs = new Map<string, SimulatedJob>();
  readonly #steps = new Map<string, SimulatedJob>();
  readonly #priorities = new Set<number>();
  readonly #planned = new Set<SimulatedJob>();

  add(job: SimulatedJob): void {
    this.#jobs.set(job.key, job);
    this.#priorities.add(job.spec.priority);
    if (isSubJob(job) && job.part.kind === 'step') this.#steps.set(job.key, job);
  }

  remove(job: SimulatedJob): void {
    this.#jobs.delete(job.key);
    this.#steps.delete(job.key);
  }

  steps(): readonly SimulatedJob[] {
    return [...this.#steps.values()];
  }

  /** Planned starts are made anew in each pass. */
  forgetPlans(): void {
    for (const job of this.#planned) if (job.state === 'QUE') delete job.plannedAt;
    this.#planned.clear();
  }

  /** Jobs that may start now: their time has come and the steps before them are done. */
  *ready(now: number, isNextStep: (job: SimulatedJob) => boolean): Iterable<SimulatedJob> {
    for (const job of this.#inOrder()) {
      if (job.spec.notBefore !== undefined && job.spec.notBefore > now) continue;
      if (job.part.kind === 'step' && !isNextStep(job)) continue;
      if (job.deleteAskedAt !== undefined) continue;
      this.#planned.add(job);
      yield job;
    }
  }

  /** Places of a user's jobs stay; the jobs on them are sorted by priority. */
  #inOrder(): Iterable<SimulatedJob> {
    if (this.#jobs.size === 0) this.#priorities.clear();
    if (this.#priorities.size <= 1) return this.#jobs.values();
    const byUser = new Map<string, SimulatedJob[]>();
    for (const job of this.#jobs.values()) {
      const own = byUser.get(job.spec.user);
      if (own) own.push(job);
      else byUser.set(job.spec.user, [job]);
    }
    const sorted = new Map(
      [...byUser].map(([user, jobs]) => [
        user,
        jobs.sort((a, b) => b.spec.priority - a.spec.priority).values(),
      ]),
    );
    return [...this.#jobs.values()].flatMap((job) => {
      const next = sorted.get(job.spec.user)?.next().value;
      return next ? [next] : [];
    });
  }
}
