// Which waiting jobs start now: first come first served, with backfill that never delays the first blocked job.
import {
  earliestStart,
  type Allocation,
  type Need,
  type NodePool,
  type TimedAllocation,
} from './allocation';
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
  const misfits = new Misfits();
  for (const job of waiting) {
    if (pool.freeGpus === 0 && blocked) break;
    if (blocked && (looked += 1) > backfillDepth) break;
    const endsAt = latestEnd(job, now) + delayMs;
    const mayUseReserved = !blocked || endsAt <= blocked.at;
    if (blocked && misfits.includes(job.spec, mayUseReserved)) continue;
    const allocation = pool.place(job.spec, job.jobId, mayUseReserved ? undefined : reserved);
    if (!allocation) misfits.add(job.spec, mayUseReserved);
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

/** Needs that did not fit in this pass: the same or more cannot fit later, because nodes only get fewer. */
class Misfits {
  /** Fewest nodes that failed: on all nodes, and outside the reserved ones. */
  readonly #fewest = { shared: [Infinity, Infinity], whole: [Infinity, Infinity] };

  add({ isShared, nodes }: Need, mayUseReserved: boolean): void {
    const fewest = this.#of(isShared);
    if (mayUseReserved) fewest[0] = Math.min(fewest[0] ?? nodes, nodes);
    fewest[1] = Math.min(fewest[1] ?? nodes, nodes);
  }

  includes({ isShared, nodes }: Need, mayUseReserved: boolean): boolean {
    return nodes >= (this.#of(isShared)[mayUseReserved ? 0 : 1] ?? Infinity);
  }

  #of(isShared: boolean): number[] {
    return isShared ? this.#fewest.shared : this.#fewest.whole;
  }
}
