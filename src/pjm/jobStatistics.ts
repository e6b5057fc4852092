// Reads the `.stats` file of a job. Knows text, not files.
// Format: ` KEY<blanks>: value` lines in sections, seen in real files of Furo (test/fixtures/furo).

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
  /** Local time of the machine (JST), `YYYY/MM/DD hh:mm:ss`. */
  readonly acceptDate: string | undefined;
  readonly startDate: string | undefined;
  readonly endDate: string | undefined;
  /** Percent. */
  readonly gpuAverageUtilization: number | undefined;
  /** Watts. */
  readonly gpuMaxPower: number | undefined;
  readonly maxMemoryMiB: number | undefined;
  readonly entries: readonly (readonly [key: string, value: string])[];
}

/** Undefined when the text holds no finished statistics (still being written, or something else). */
export function parseJobStatistics(text: string): JobStatistics | undefined {
  // What stands after the last line end may be half a line.
  const entries = text.split(/\r?\n/).slice(0, -1).flatMap(readEntry);
  // Keys repeat in the node sections; the first is that of the job.
  const first = new Map<string, string>();
  for (const [key, value] of entries) if (!first.has(key)) first.set(key, value);
  const jobId = first.get('JOB ID');
  const state = first.get('STATE');
  if (jobId === undefined || state === undefined || !first.has('PJM CODE')) return undefined;
  const textOf = (key: string) => present(first.get(key));
  const numberOf = (key: string) => leadingNumber(first.get(key));
  return {
    jobId,
    state,
    exitCode: numberOf('EXIT CODE'),
    pjmCode: numberOf('PJM CODE'),
    signal: numberOf('SIGNAL NO'),
    reason: textOf('REASON'),
    elapseSeconds: secondsInParentheses(first.get('ELAPSE TIME (USE)')),
    elapseLimitSeconds: secondsInParentheses(first.get('ELAPSE TIME (LIMIT)')),
    acceptDate: textOf('ACCEPT DATE'),
    startDate: textOf('JOB START DATE'),
    endDate: textOf('JOB END DATE'),
    gpuAverageUtilization: numberOf('gpu_ave_util'),
    gpuMaxPower: numberOf('gpu_max_pwr'),
    maxMemoryMiB: numberOf('VNODE MAX MEMORY SIZE (USE)') ?? numberOf('MAX MEMORY SIZE (USE)'),
    entries,
  };
}

function readEntry(line: string): (readonly [string, string])[] {
  if (!line.startsWith(' ')) return [];
  // Some keys are longer than their column, so the first colon between blanks separates.
  const match = /^ (.+?)\s*:(?: (.*))?$/.exec(line);
  return match ? [[match[1] ?? '', (match[2] ?? '').trim()]] : [];
}

function present(value: string | undefined): string | undefined {
  return value === undefined || value === '' || value === '-' ? undefined : value;
}

function leadingNumber(value: string | undefined): number | undefined {
  const match = /^-?\d+(?:\.\d+)?/.exec(value ?? '');
  return match ? Number(match[0]) : undefined;
}

/** `00:05:10 (310)` -> 310. */
function secondsInParentheses(value: string | undefined): number | undefined {
  const match = /\((\d+)\)/.exec(value ?? '');
  return match ? Number(match[1]) : undefined;
}
