// What a job asks of PJM, independent of how it is written down. `render.ts` writes it, `script.ts` reads it back.

/** How much the `.stats` file holds: nothing, the job (`-s`), or the job and each node (`-S`). */
export type Statistics = 'none' | 'job' | 'nodes';

/** Resources, limits, names and environment of one PJM job. */
export interface JobRequest {
  /** `-N`: at most 63 bytes, first character a letter, no `/`. */
  readonly name?: string;
  /** `-L rscgrp=`. */
  readonly resourceGroup: string;
  /** `-L node=`: whole nodes; absent in shared groups. */
  readonly nodes?: number;
  /** `-L gpu=`: GPUs; only shared groups (cx-share) need it. */
  readonly gpus?: number;
  /** `-L elapse=`, in seconds. */
  readonly elapseSeconds: number;
  /** `--mpi proc=`: MPI processes over all nodes. */
  readonly mpiProcesses?: number;
  /** `-L jobenv=`: for example `singularity`. */
  readonly jobEnvironment?: string;
  /** `-g`: the project (Unix group) that is charged. */
  readonly projectGroup?: string;
  /** `--bulk --sparam`: first and last bulk number, command line only. */
  readonly bulk?: { readonly first: number; readonly last: number };
  /** `-j`: standard error goes into the standard output file. */
  readonly joinOutput: boolean;
  /** `-s` or `-S`. */
  readonly statistics: Statistics;
  /** `--comment`: at most 255 bytes. */
  readonly comment?: string;
}
