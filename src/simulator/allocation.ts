// Nodes and their GPUs: what is free, what a job gets, when a blocked job could start. Knows no job states.
import { gpusPerNode } from '../pjm/furo';

/** Bits of a node's GPUs; a set bit is a free GPU with its quarter of the cores. */
const allFree = (1 << gpusPerNode) - 1;

/** What a job needs: whole nodes, or one quarter of a node. */
export interface Need {
  readonly isShared: boolean;
  readonly nodes: number;
}

/** What a job got: node indices, and the GPU numbers used on each of them. */
export interface Allocation {
  readonly nodes: readonly number[];
  readonly gpus: readonly number[];
}

/** An allocation with the time at which it ends at the latest (Infinity: no limit). */
export interface TimedAllocation extends Allocation {
  readonly endsAt: number;
}

const everyGpu: readonly number[] = Array.from({ length: gpusPerNode }, (_, index) => index);

function maskOf(gpus: readonly number[]): number {
  return gpus.reduce((mask, gpu) => mask | (1 << gpu), 0);
}

function countBits(mask: number): number {
  return everyGpu.filter((gpu) => mask & (1 << gpu)).length;
}

/** The machine's nodes. Throws when something is taken twice: that would be a defect of the scheduler. */
export class NodePool {
  readonly #free: number[];
  #wholeNodesFree: number;
  #quartersFree: number;

  constructor(readonly size: number) {
    this.#free = Array.from({ length: size }, () => allFree);
    this.#wholeNodesFree = size;
    this.#quartersFree = size * gpusPerNode;
  }

  /** Nodes that nobody uses. */
  get freeNodes(): number {
    return this.#wholeNodesFree;
  }

  /** Free GPUs on all nodes. */
  get freeGpus(): number {
    return this.#quartersFree;
  }

  /** Where the need fits now, outside `reserved`; `hint` turns the choice of the GPU number. */
  place(need: Need, hint: number, reserved?: ReadonlySet<number>): Allocation | undefined {
    if (need.isShared) return this.#placeQuarter(hint, reserved);
    if (need.nodes > this.#wholeNodesFree) return undefined;
    const nodes: number[] = [];
    for (let node = 0; node < this.size && nodes.length < need.nodes; node += 1)
      if (this.#free[node] === allFree && !reserved?.has(node)) nodes.push(node);
    return nodes.length === need.nodes ? { nodes, gpus: everyGpu } : undefined;
  }

  /** Shared jobs are packed: the fullest node that still has a quarter. */
  #placeQuarter(hint: number, reserved?: ReadonlySet<number>): Allocation | undefined {
    if (this.#quartersFree === 0) return undefined;
    let best: { node: number; mask: number; count: number } | undefined;
    for (const [node, mask] of this.#free.entries()) {
      if (mask === 0 || reserved?.has(node)) continue;
      const count = countBits(mask);
      if (!best || count < best.count) best = { node, mask, count };
    }
    if (!best) return undefined;
    const { node, mask } = best;
    const turned = everyGpu.map((gpu) => (gpu + hint) % gpusPerNode);
    const gpu = turned.find((candidate) => mask & (1 << candidate));
    return gpu === undefined ? undefined : { nodes: [node], gpus: [gpu] };
  }

  take({ nodes, gpus }: Allocation): void {
    const mask = maskOf(gpus);
    for (const node of nodes) {
      const free = this.#free[node] ?? 0;
      if ((free & mask) !== mask) throw new Error(`node ${node} is given twice`);
      this.#set(node, free, free & ~mask);
    }
  }

  release({ nodes, gpus }: Allocation): void {
    const mask = maskOf(gpus);
    for (const node of nodes) {
      const free = this.#free[node] ?? allFree;
      if (free & mask) throw new Error(`node ${node} is released twice`);
      this.#set(node, free, free | mask);
    }
  }

  #set(node: number, before: number, after: number): void {
    this.#free[node] = after;
    this.#quartersFree += countBits(after) - countBits(before);
    this.#wholeNodesFree += Number(after === allFree) - Number(before === allFree);
  }
}

/** When the need can be met if every running job uses its whole limit, and on which nodes. */
export function earliestStart(
  need: Need,
  pool: { readonly size: number },
  running: Iterable<TimedAllocation>,
): { readonly at: number; readonly nodes: ReadonlySet<number> } {
  const freeAt = Array.from({ length: pool.size }, () => everyGpu.map(() => 0));
  for (const { nodes, gpus, endsAt } of running)
    for (const node of nodes)
      for (const gpu of gpus) {
        const slots = freeAt[node];
        if (slots) slots[gpu] = endsAt;
      }
  const byTime = freeAt
    .map((slots, node) => ({
      node,
      at: need.isShared ? Math.min(...slots) : Math.max(...slots),
    }))
    .sort((a, b) => a.at - b.at || a.node - b.node)
    .slice(0, need.nodes);
  const isEnough = byTime.length === need.nodes;
  const at = (isEnough ? byTime.at(-1)?.at : undefined) ?? Number.POSITIVE_INFINITY;
  return { at, nodes: new Set(byTime.map(({ node }) => node)) };
}
