// Reads the `.stats` file of a job. Knows text, not files.

/** The few values of a `.stats` file that people ask for, and every line of it in order. */
export interface JobStatistics {
  readonly jobId: string;
  readonly state: string;
  readonly exitCode: number | undefined;
  readonly pjmCode: number | undefined;
  readonly signal: number | undefined;
  readonly reason: string | undefined;
  readonly elapseSeconds: number | undefined;
  readonly elapseLimitSeconds: number | undefined;
  readonly acceptDate: string | undefined;
  readonly startDate: string | undefined;
  readonly endDate: string | undefined;
  /** Percent. */
  readonly gpuAverageUtilization: number | undefined;
  /** Watts. */
  readonly gpuAveragePower: number | undefined;
  readonly maxMemoryMiB: number | undefined;
  readonly entries: readonly (readonly [key: string, value: string])[];
}
