// A resource group ("queue") of PJM and whether a request fits into it. Knows no particular machine.

/** Limits of one resource group. Sources of the values stand in `furo.ts`. */
export interface ResourceGroup {
  readonly name: string;
  /** Shared groups give a quarter of a node (one GPU) instead of whole nodes. */
  readonly isShared: boolean;
  readonly minNodes: number;
  readonly maxNodes: number;
  /** GPUs that one allocation unit carries: 4 for a whole node, 1 for a quarter. */
  readonly gpusPerUnit: number;
  readonly coresPerUnit: number;
  readonly memoryGiBPerUnit: number;
  /** Seconds; `undefined` is unlimited. */
  readonly defaultElapseSeconds: number | undefined;
  readonly maxElapseSeconds: number | undefined;
  readonly isInteractive: boolean;
}

/** Why a request does not fit: a code for `words/` with the asked value and the limit. */
export type MisfitCode =
  'tooFewNodes' | 'tooManyNodes' | 'elapseTooLong' | 'tooManyGpus' | 'interactiveOnly';

export interface Misfit {
  readonly code: MisfitCode;
  readonly asked: number;
  readonly limit: number;
}

/** What is checked against a group; a part of `JobRequest`. */
export interface ResourceDemand {
  readonly nodes?: number;
  readonly gpus?: number;
  /** Seconds. */
  readonly elapseSeconds?: number;
  readonly isInteractive?: boolean;
}

/** Every limit of the group that the demand breaks; empty when it fits. */
export function fits(demand: ResourceDemand, group: ResourceGroup): readonly Misfit[] {
  const misfits: Misfit[] = [];
  const nodes = demand.nodes ?? group.minNodes;
  const addIf = (isBroken: boolean, code: MisfitCode, asked: number, limit: number) => {
    if (isBroken) misfits.push({ code, asked, limit });
  };
  addIf(nodes < group.minNodes, 'tooFewNodes', nodes, group.minNodes);
  addIf(nodes > group.maxNodes, 'tooManyNodes', nodes, group.maxNodes);
  const { elapseSeconds, gpus } = demand;
  if (elapseSeconds !== undefined && group.maxElapseSeconds !== undefined)
    addIf(
      elapseSeconds > group.maxElapseSeconds,
      'elapseTooLong',
      elapseSeconds,
      group.maxElapseSeconds,
    );
  if (gpus !== undefined) addIf(gpus > group.gpusPerUnit, 'tooManyGpus', gpus, group.gpusPerUnit);
  addIf(group.isInteractive && demand.isInteractive !== true, 'interactiveOnly', 0, 0);
  return misfits;
}

/** The group with the fewest GPUs that satisfies the demand; undefined when none does. */
export function cheapestFit(
  demand: ResourceDemand,
  groups: readonly ResourceGroup[],
): ResourceGroup | undefined {
  const gpusCharged = (group: ResourceGroup) =>
    group.gpusPerUnit * (demand.nodes ?? group.minNodes);
  return groups
    .filter((group) => fits(demand, group).length === 0)
    .sort((a, b) => gpusCharged(a) - gpusCharged(b))[0];
}
