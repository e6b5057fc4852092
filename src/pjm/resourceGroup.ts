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
