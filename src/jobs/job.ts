// The record of one job and its allowed changes. Pure values; `jobStore.ts` keeps them.
import type { WorkflowJob } from '../workflow/workflow';
import type { JobStatistics } from '../pjm/jobStatistics';
import type { DownloadNotes } from '../sync/download';

/** Where a job stands. `unknown` is shown as unknown, never as finished. */
export type JobPhase =
  | { readonly kind: 'submitting'; readonly sinceMs: number }
  | {
      readonly kind: 'waiting';
      readonly state: string;
      readonly plannedStart?: string;
      readonly reason?: string;
    }
  | { readonly kind: 'running'; readonly state: string; readonly startedMs?: number }
  /** The query had no answer about this job; keeps what was last seen. */
  | { readonly kind: 'unknown'; readonly lastState?: string; readonly lastSeenMs: number }
  | { readonly kind: 'finished'; readonly outcome: Outcome; readonly endedMs: number };

/** EXT is not success: exit code, PJM code and signal decide. */
export type Outcome =
  | { readonly kind: 'succeeded' }
  | {
      readonly kind: 'failed';
      readonly exitCode: number | undefined;
      readonly pjmCode: number | undefined;
      readonly signal: number | undefined;
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'rejected'; readonly reason: string };

/** Progress of an inference, from the runtime's events. */
export interface InferenceProgress {
  readonly stage: 'loading' | 'generating' | 'finished';
  readonly done: number;
  readonly failed: number;
  readonly total: number;
  readonly tokensPerSecond?: number;
  readonly etaSeconds?: number;
}

/** Remote files of a job, absolute paths; `results` and `progress` only for an inference. */
export interface JobFiles {
  readonly submitFolder: string;
  readonly stdout: string;
  readonly stderr?: string;
  readonly statistics?: string;
  readonly results?: string;
  readonly progress?: string;
  /** Bytes of `progress` that earlier runs wrote. */
  readonly progressStart?: number;
}

/** The frozen project that a run starts from. */
export interface JobSnapshot {
  /** Folder of the run on the machine; the project lies in its `src`. */
  readonly run: string;
  /** SHA-256 of the list of all submitted files with their own SHA-256, which is `src/.furo-snapshot`. */
  readonly sha256: string;
  /** True once the submitted files were removed from the machine again. */
  readonly isCleared?: boolean;
}

/** Why a program gave up, in its own words. */
export interface RunFailure {
  /**
   * A lowerCamel name of `furo_infer`, for example `modelNotFound`, whose message is a sentence in English; or
   * `lastOutput`: nobody said why, so the message is the last line of the output, often the right one.
   */
  readonly reason: string;
  readonly message: string;
}

/** One submitted (or about to be submitted) job. */
export interface Job {
  /** Own identity, a UUID; known before PJM gives a number. */
  readonly id: string;
  /** PJM's job id, `1996122` or `932267_1`; absent until pjsub answered. */
  readonly pjmId?: string;
  readonly name: string;
  readonly resourceGroup: string;
  readonly elapseLimitSeconds: number;
  /** `user@host:port` that it was sent to. */
  readonly target: string;
  /** Local workspace folder that it came from. */
  readonly workspaceFolder: string;
  readonly submittedMs: number;
  readonly phase: JobPhase;
  readonly files?: JobFiles;
  readonly snapshot?: JobSnapshot;
  /** What it runs, so that it can be run again. */
  readonly workflow: WorkflowJob;
  /** For finding out what became of a submission whose answer was lost. */
  readonly claimsFolder?: string;
  readonly scriptName?: string;
  readonly progress?: InferenceProgress;
  readonly failure?: RunFailure;
  readonly statistics?: JobStatistics;
  /** Local folder that holds the downloaded results. */
  readonly resultsFolder?: string;
  /** Of the last time that they were brought. */
  readonly resultsNotes?: DownloadNotes;
}
