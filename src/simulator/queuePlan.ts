// Which waiting jobs start now: first come first served, with backfill that never delays the first blocked job.
import { earliestStart, type Allocation, type NodePool, type TimedAllocation } from './allocation';
import { latestEnd, type SimulatedJob } from './simulatedJob';

/** A job that may start, with what it gets. */
export interface Start {
  readonly job: SimulatedJob;
  readonly allocation: Allocation;
  /** It overtakes a job that waits for nodes. */
  readonly isBackfill: boolean;
}

export interface QueuePlan {
  readonly starts: readonly Start[];
  /** The first job that does not fit, and when it could start at the latest (Infinity: unknown). */
  readonly blocked: { readonly job: SimulatedJob; readonly at: number } | undefined;
}

export interface PlanInput {
  /** Jobs that may start, in queue order. */
  readonly waiting: Iterable<SimulatedJob>;
  readonly pool: NodePool;
  readonly running: readonly TimedAllocation[];
  readonly now: number;
  /** Time from decision to start, in milliseconds. */
  readonly delayMs: number;
}

/** Waiting jobs looked at behind the blocked one; bounds the work of one pass. */
const backfillDepth = 500;

/** Takes the nodes of every start from the pool. */
export function planStarts({ waiting, pool, running, now, delayMs }: PlanInput): QueuePlan {
  const starts: Start[] = [];
  const busy = [...running];
  let blocked: QueuePlan['blocked'];
  let reserved: ReadonlySet<number> = new Set();
  let looked = 0;
  for (const job of waiting) {
    if (pool.freeGpus === 0 && blocked) break;
    if (blocked && (looked += 1) > backfillDepth) break;
    const endsAt = latestEnd(job, now) + delayMs;
    const mayUseReserved = !blocked || endsAt <= blocked.at;
    const allocation = pool.place(job.spec, job.jobId, mayUseReserved ? undefined : reserved);
    if (allocation) {
      pool.take(allocation);
      busy.push({ ...allocation, endsAt });
      starts.push({ job, allocation, isBackfill: blocked !== undefined });
    } else if (!blocked) {
      const earliest = earliestStart(job.spec, pool, busy);
      blocked = { job, at: Math.max(earliest.at, now) };
      reserved = earliest.nodes;
    }
  }
  return { starts, blocked };
}
