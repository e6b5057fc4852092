// pjsub --interact: waits for nodes as long as asked, then gives the caller's terminal to the job.
import { sleep } from '../base/clock';
import { isFinalState } from '../pjm/jobState';
import { splitKeyValues } from './arguments';
import type { JobRunner } from './jobRunner';
import { refuse, renderMessage } from './pjmText';
import type { CommandCall } from './pjmCommand';
import { refuseJob, type ReadyScript } from './pjsubAccept';
import type { Scheduler } from './scheduler';
import type { SimulatedJob } from './simulatedJob';

const longestWaitSeconds = 36_000;
/** How often a waiting call looks at its job; the dots of the real command come every few seconds. */
const lookEveryMs = 200;
/** Time to see whether nodes are free at once; the default wait is 0 s. */
const graceMs = 1000;

export async function runInteractive(
  scheduler: Scheduler,
  call: CommandCall,
  script: ReadyScript,
): Promise<number> {
  const wait = readWait(script.merged.value('sparam'));
  if (wait === undefined) {
    const value = script.merged.value('sparam') ?? '';
    const text = `Invalid option argument: --sparam ${value}.`;
    return refuseJob(call, { code: 4, text, isUsage: true });
  }
  const jobId = scheduler.jobs.reserveId();
  const identity = { jobId, part: { kind: 'normal' }, spec: script.spec, scriptPath: '' } as const;
  const job = scheduler.jobs.add(identity, scheduler.clock.now());
  call.stdout(renderMessage('INFO', 0, 'pjsub', `Job ${jobId} submitted.`));
  scheduler.accept(job, { runner: terminalRunner(call, jobId) });
  const hasStarted = await waitForNodes(scheduler, call, { job, waitSeconds: wait });
  if (!hasStarted) return 1;
  await waitUntil(scheduler, call, () => isFinalState(job.state));
  if (!isFinalState(job.state)) scheduler.cancel(job, { user: call.user, reason: '-' });
  const verb = job.state === 'EXT' ? 'completed' : 'canceled';
  const code = job.state === 'EXT' ? 83 : 86;
  call.stdout(renderMessage('INFO', code, 'pjsub', `Interactive job ${jobId} ${verb}.`));
  return job.state === 'EXT' ? 0 : 1;
}

/** Seconds; `unlimited` is Infinity; undefined when unreadable. */
function readWait(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  const value = splitKeyValues(text).find(({ key }) => key === 'wait-time')?.value;
  if (value === 'unlimited') return Number.POSITIVE_INFINITY;
  if (value === undefined || !/^\d+$/.test(value)) return undefined;
  return Number(value) <= longestWaitSeconds ? Number(value) : undefined;
}

async function waitForNodes(
  scheduler: Scheduler,
  call: CommandCall,
  { job, waitSeconds }: { job: SimulatedJob; waitSeconds: number },
): Promise<boolean> {
  const deadline = scheduler.clock.now() + waitSeconds * 1000 + graceMs;
  const isOver = () =>
    isFinalState(job.state) || job.state === 'ERR' || scheduler.course(job) !== undefined;
  await waitUntil(scheduler, call, () => isOver() || scheduler.clock.now() >= deadline);
  if (scheduler.course(job)) {
    // Nodes are given; the job starts after the scheduling delay.
    await waitUntil(scheduler, call, () => job.startedAt !== undefined || isFinalState(job.state));
    return job.startedAt !== undefined;
  }
  if (job.state === 'ERR') {
    // When PJM says so is a guess: here a system error kept the job from its nodes.
    refuse(call, 85, `Interactive job ${job.jobId} was not able to start.`);
    scheduler.cancel(job, { user: call.user, reason: '-' });
    return false;
  }
  call.stdout('[INFO] PJM 0081 .\n');
  const text = `Interactive job ${job.jobId} is canceled due to the resource allocation timeout.`;
  call.stdout(renderMessage('INFO', 80, 'pjsub', text));
  const hint = 'The timeout period "t" can be specified by "--sparam wait-time=t".';
  call.stdout(`       ${hint}\n`);
  if (!isFinalState(job.state)) scheduler.cancel(job, { user: call.user, reason: '-' });
  return false;
}

/** Looks again and again until true or until the caller is gone. */
async function waitUntil(
  scheduler: Scheduler,
  call: CommandCall,
  isDone: () => boolean,
): Promise<void> {
  while (!isDone() && !call.signal.aborted)
    await sleep(scheduler.clock, lookEveryMs, call.signal).catch(() => undefined);
}

/** Runs the job on the terminal of the caller. Signals of PJM end the terminal. */
function terminalRunner(call: CommandCall, jobId: number): JobRunner {
  return {
    start(job, onEnd) {
      const stop = new AbortController();
      call.stdout('[INFO] PJM 0081 .connected.\n');
      call.stdout(renderMessage('INFO', 82, 'pjsub', `Interactive job ${jobId} started.`));
      const failed = { exitCode: 1, userCpuMs: 0, systemCpuMs: 0, maxMemoryBytes: 0, pjmCode: 21 };
      call.interact(job, stop.signal).then(onEnd, () => onEnd(failed));
      return {
        signal: () => {
          stop.abort();
        },
        writeOutput: (line) => call.stdout(`${line}\n`),
        writeError: (line) => call.stderr(`${line}\n`),
      };
    },
  };
}
