// Entry to the PJM commands: finds the program, wraps its answer. Knows no process, socket or disk.
import type { JobEnd, JobStart } from './jobRunner';
import { runJobControl } from './jobControlCommands';
import { daemonErrorCodes, refuse, renderMessage } from './pjmText';
import { runPjstat } from './pjstatCommand';
import { runPjsub } from './pjsubCommand';
import type { Scheduler } from './scheduler';
import { runSiteCommand } from './siteCommands';
import { delayAnswer } from './slowAnswer';

/** The disk as the caller may use it: with the caller's rights. Paths are absolute. */
export interface CommandFiles {
  /** Undefined when there is no such file or it cannot be read. */
  read(path: string): string | undefined;
  /** False when the file could not be written. */
  write(path: string, text: string, mode: number): boolean;
  isFolder(path: string): boolean;
  isWritable(folder: string): boolean;
  /** Removes the copy of a script after its job; a host without it leaves the copy. */
  remove?(path: string): void;
}

/** One call of a PJM program by a person or a script on the login node. */
export interface CommandCall {
  /** Name of the program without a folder: `pjsub`. */
  readonly program: string;
  readonly arguments: readonly string[];
  /** Current folder, absolute. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly group: string;
  readonly hostName: string;
  /** Standard input, only when pjsub gets no script name. */
  readonly stdin?: string;
  readonly files: CommandFiles;
  /** Aborted when the caller is gone: pjwait and interactive jobs end. */
  readonly signal: AbortSignal;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Runs an interactive shell on the caller's terminal; `stop` is aborted when the job must end. */
  interact(start: JobStart, stop: AbortSignal): Promise<JobEnd>;
}

/** The programs that {@link runPjmCommand} answers. */
export const pjmPrograms: readonly string[] = [
  'pjsub',
  'pjstat',
  'pjdel',
  'pjhold',
  'pjrls',
  'pjwait',
  'pjsig',
  'pjalter',
  'pjacl',
  'pjshowrsc',
  'charge',
];

/** Runs one command and resolves to its exit status: 0, or 1 when anything failed. */
export async function runPjmCommand(scheduler: Scheduler, call: CommandCall): Promise<number> {
  const { faults } = scheduler;
  for (const line of faults.siteLinesBefore) call.stdout(`${line}\n`);
  const status = await answer(scheduler, call);
  for (const line of faults.siteLinesAfter) call.stdout(`${line}\n`);
  return status;
}

/** Programs whose manual lists an error for other places than the login node. */
const loginNodeOnly: readonly string[] = ['pjsub', 'pjdel', 'pjhold', 'pjrls'];

/** PJM sets this variable in jobs only. */
function isInJob({ environment }: CommandCall): boolean {
  return environment['PJM_ENVIRONMENT'] !== undefined;
}

/** 0084 as in the manual; of 0093 only the meaning is known, so its text is a guess. */
function refuseInJob(call: CommandCall): number {
  return call.program === 'pjsub' && call.arguments.includes('--interact')
    ? refuse(call, 84, 'Interactive job cannot be submitted except login node.')
    : refuse(call, 93, 'Cannot be executed except login node.');
}

async function answer(scheduler: Scheduler, call: CommandCall): Promise<number> {
  const { program } = call;
  if (scheduler.faults.daemonDown && daemonErrorCodes[program] !== undefined) {
    const text = 'PJM daemon is not present.';
    call.stderr(renderMessage('ERR.', daemonErrorCodes[program], program, text));
    return 1;
  }
  if (isInJob(call) && loginNodeOnly.includes(program)) return refuseInJob(call);
  await delayAnswer(scheduler, call);
  switch (program) {
    case 'pjsub':
      return runPjsub(scheduler, call);
    case 'pjstat':
      return runPjstat(scheduler, call);
    case 'pjacl':
    case 'pjshowrsc':
    case 'charge':
      return runSiteCommand(scheduler, call);
    default:
      return runJobControl(scheduler, call);
  }
}
