// What every kind of pjsub does with a script that was read: refuse it, copy it, queue its jobs and answer.
import type { MergedOptions, Refusal } from './pjsubOptions';
import { renderMessage, renderUsageHint } from './pjmText';
import type { CommandCall } from './pjmCommand';
import type { Scheduler } from './scheduler';
import type { JobSpec, SimulatedJob } from './simulatedJob';

/** One script with everything known about its job. */
export interface ReadyScript {
  readonly spec: JobSpec;
  readonly text: string;
  readonly merged: MergedOptions;
}

/** Prints a refusal of pjsub. Returns 1. */
export function refuseJob(call: CommandCall, refusal: Refusal): number {
  const { code, text, place, isUsage } = refusal;
  call.stderr(renderMessage('ERR.', code, 'pjsub', text));
  if (place !== undefined) call.stderr(`${place}\n`);
  if (isUsage) call.stderr(renderUsageHint('pjsub'));
  return 1;
}

/** Writes the copy that becomes `$0`; returns its path. Mode as for a file only its owner needs. */
export function writeCopy(call: CommandCall, text: string, path: string): string | Refusal {
  if (call.files.isWritable(call.folder) && call.files.write(path, text, 0o600)) return path;
  return { code: 28, text: `File creation failed: ${path}.` };
}

/** Queues the jobs and prints the answer for those of them that the user is told about. */
export function acceptJobs(
  scheduler: Scheduler,
  call: CommandCall,
  accepted: {
    readonly script: ReadyScript;
    readonly jobs: readonly SimulatedJob[];
    readonly shown: readonly SimulatedJob[];
  },
): void {
  const { merged } = accepted.script;
  const isEarly = merged.value('w') === 'nowait';
  for (const job of accepted.jobs)
    scheduler.accept(job, isEarly ? { delayMs: scheduler.options.acceptMs } : {});
  const onlyId = merged.value('z') === 'jid';
  if (onlyId) for (const { key } of accepted.shown) call.stdout(`${key}\n`);
  else if (!merged.has('z'))
    for (const { key } of accepted.shown)
      call.stdout(renderMessage('INFO', 0, 'pjsub', `Job ${key} submitted.`));
}
