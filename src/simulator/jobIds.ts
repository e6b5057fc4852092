// Job ids as people give them to pjdel and pjstat: `12`, `12-15`, `12[3]`, `12[1-5]`, `12_0`, `12_0-4`. Texts only.
import type { SimulatedJob } from './simulatedJob';

/** Jobs or sub-jobs that one argument means. */
export interface JobSelection {
  readonly first: number;
  readonly last: number;
  readonly sub?: { readonly kind: 'bulk' | 'step'; readonly first: number; readonly last: number };
}

const pattern =
  /^(?<first>\d{1,10})(?:-(?<last>\d{1,10})|\[(?<bulk>\d+)(?:-(?<bulkEnd>\d+))?\]|_(?<step>\d+)(?:-(?<stepEnd>\d+))?)?$/;

/** Undefined for an argument that is no job id. */
export function parseJobSelection(text: string): JobSelection | undefined {
  const groups = pattern.exec(text)?.groups;
  if (!groups) return undefined;
  const first = Number(groups['first']);
  const last = Number(groups['last'] ?? first);
  if (last < first) return undefined;
  const kind = groups['bulk'] === undefined ? 'step' : 'bulk';
  const start = groups['bulk'] ?? groups['step'];
  if (start === undefined) return { first, last };
  const end = Number(groups['bulkEnd'] ?? groups['stepEnd'] ?? start);
  return { first, last, sub: { kind, first: Number(start), last: end } };
}

/** True when the selection names this very job or sub-job; a plain id names the job, not its sub-jobs. */
export function isSelected({ first, last, sub }: JobSelection, job: SimulatedJob): boolean {
  if (job.jobId < first || job.jobId > last) return false;
  const { part } = job;
  if (part.kind !== 'bulk' && part.kind !== 'step') return sub === undefined;
  return sub?.kind === part.kind && part.number >= sub.first && part.number <= sub.last;
}

/** Every single id of a selection, at most `limit`, in order. */
export function listKeys({ first, last, sub }: JobSelection, limit: number): readonly string[] {
  const keys: string[] = [];
  for (let id = first; id <= last && keys.length < limit; id += 1) {
    if (!sub) keys.push(String(id));
    else
      for (let number = sub.first; number <= sub.last && keys.length < limit; number += 1)
        keys.push(sub.kind === 'bulk' ? `${id}[${number}]` : `${id}_${number}`);
  }
  return keys;
}
