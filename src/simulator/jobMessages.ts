// Lines that PJM itself writes into a job's output, by PJM code (End-user's Guide). A site may switch them off.
import { jobPaths } from './jobFiles';
import type { CommandFiles } from './pjmCommand';
import type { SimulatedJob } from './simulatedJob';

type Line = readonly [level: 'ERR.' | 'INFO', number: number, cause: string];

/** Only the codes that the simulator can bring about; `USER` stands for who ran the command. */
const lines: Readonly<Record<number, Line>> = {
  1: ['INFO', 7090, 'User USER executed pjdel command.'],
  4: ['INFO', 7091, 'User USER executed pjhold command.'],
  9: ['ERR.', 7002, 'The job was submitted with no-restart attribute.'],
  11: ['ERR.', 7004, 'The job exceeded its elapse time limit.'],
  16: ['ERR.', 7007, 'The current directory did not exist or have permission.'],
  20: ['ERR.', 7008, 'The node running the job was down.'],
  21: ['ERR.', 7009, 'The job script execution failed.'],
};
/** Codes of jobs whose processes went away with the simulator: nobody else writes their line. */
const lostCodes = [9, 20];

/** On standard output, when a job begins anew after its node went away. */
export const restartLine = '[INFO] PLE 1700 The job restarts.';

/** The line of a PJM code; undefined for a code that has none. */
export function endLine(pjmCode: number, job: SimulatedJob, user = ''): string | undefined {
  const line = lines[pjmCode];
  if (!line) return undefined;
  const [level, number, cause] = line;
  return `[${level}] PJM ${number} Job ${job.key} was canceled. ${cause.replace('USER', user)}`;
}

/** Adds the line to the standard error file of a job that was lost. */
export function tellLoss(job: SimulatedJob, files: CommandFiles): void {
  const line = lostCodes.includes(job.pjmCode) ? endLine(job.pjmCode, job) : undefined;
  const path = jobPaths(job).err;
  if (line !== undefined) files.write(path, `${files.read(path) ?? ''}${line}\n`, 0o644);
}
