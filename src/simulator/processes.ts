// Finds and ends the real processes of the simulated machine by a marker in their environment.
// Knows nothing of jobs or sessions. Linux reads /proc; elsewhere process groups must do.
import { readdirSync, readFileSync } from 'node:fs';

/** Marks every process of one simulated machine. */
export const machineMarker = 'FURO_SIMULATOR';
/** Marks every process of one job; its value is unique for a machine. */
export const jobMarker = 'FURO_SIMULATOR_JOB';

/** What one process has used so far. */
export interface ProcessUse {
  readonly pid: number;
  readonly userCpuMs: number;
  readonly systemCpuMs: number;
  readonly residentBytes: number;
}

/** Kernel units: USER_HZ is 100 on every Linux architecture that Node runs on, pages are 4 KiB on x86. */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** Process ids, except our own, whose environment has exactly `name=value`. Empty where there is no /proc. */
export function findMarked(name: string, value: string): number[] {
  const wanted = `\0${name}=${value}\0`;
  return processIds().filter((pid) => {
    if (pid === process.pid) return false;
    const environment = readProc(pid, 'environ');
    return environment !== undefined && `\0${environment}`.includes(wanted);
  });
}

/** Sends a signal to each process that still lives. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended in the meantime.
    }
  }
}

/** Kills every marked process, and those that they start meanwhile, until none is left. */
export function killMarked(name: string, value: string): void {
  // A fork between look and kill is caught by the next look; a handful of rounds empties any real tree.
  for (let round = 0; round < 10; round++) {
    const pids = findMarked(name, value).filter((pid) => !isZombie(pid));
    if (pids.length === 0) return;
    signalAll(pids, 'SIGKILL');
  }
}

/** CPU time includes ended and awaited children; undefined when the process is gone. */
export function readUse(pid: number): ProcessUse | undefined {
  const text = readProc(pid, 'stat');
  if (text === undefined) return undefined;
  // The command name in parentheses may hold blanks; fields count from the last parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3] ?? 0);
  const milliseconds = 1000 / ticksPerSecond;
  return {
    pid,
    userCpuMs: (field(14) + field(16)) * milliseconds,
    systemCpuMs: (field(15) + field(17)) * milliseconds,
    residentBytes: field(24) * pageBytes,
  };
}

function isZombie(pid: number): boolean {
  const text = readProc(pid, 'stat');
  return text === undefined || text.slice(text.lastIndexOf(')') + 2).startsWith('Z');
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}
