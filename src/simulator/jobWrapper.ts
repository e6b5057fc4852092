// The small program between the simulator and a job's shell: it survives the job's signals and measures the job.
// Knows no queue and no files.
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { JobEnd } from './jobRunner';

/**
 * Starts the job's shell, stays through the job's own signals, and tells on descriptor 3 how it ended:
 * `exitCode signal userSeconds systemSeconds maxResidentKiB`.
 */
export const wrapperProgram = `
import os, resource, signal, sys
signals = (signal.SIGTERM, signal.SIGXCPU, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
pid = os.fork()
if pid == 0:
    os.close(3)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print(error, file=sys.stderr)
        os._exit(127)
_, status, use = os.wait4(pid, 0)
code, number = (os.WEXITSTATUS(status), 0) if os.WIFEXITED(status) else (128 + os.WTERMSIG(status), os.WTERMSIG(status))
scale = 1 if sys.platform != "darwin" else 1024
os.write(3, f"{code} {number} {use.ru_utime} {use.ru_stime} {use.ru_maxrss // scale}\\n".encode())
sys.exit(code)
`;

/** What the wrapper wrote, and how it ended itself. */
export interface WrapperReport {
  readonly text: string;
  readonly code: number | null;
}

/** Resolves when the wrapper has ended. Rejects when it could not be started. */
export function reportOf(child: ChildProcess, onSpawn: () => void): Promise<WrapperReport> {
  return new Promise((resolve, reject) => {
    let text = '';
    // Only the wrapper holds the other end, so the pipe closes with it, whatever daemons stay behind.
    const pipe = child.stdio[3] as Readable;
    pipe.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const closed = new Promise((done) => pipe.once('close', done));
    child.once('spawn', onSpawn);
    child.once('error', reject);
    child.once('exit', (code) => {
      void closed.then(() => {
        resolve({ text, code });
      });
    });
  });
}

/** Reads the wrapper's line; without one the wrapper itself was killed. */
export function toJobEnd({ text, code }: WrapperReport, peakBytes: number): JobEnd {
  const [exitCode, signal, user, system, maxKiB] = text.trim().split(' ').map(Number);
  if (exitCode === undefined || maxKiB === undefined) {
    return { ...failed(0), exitCode: code ?? 137, ...(code === null ? { signal: 9 } : {}) };
  }
  return {
    exitCode,
    ...(signal ? { signal } : {}),
    userCpuMs: Math.round((user ?? 0) * 1000),
    systemCpuMs: Math.round((system ?? 0) * 1000),
    maxMemoryBytes: Math.max(peakBytes, maxKiB * 1024),
  };
}

/** The end of a job that used nothing; code 0 stands for none. */
export function failed(pjmCode: number): JobEnd {
  const end = { exitCode: 0, userCpuMs: 0, systemCpuMs: 0, maxMemoryBytes: 0 };
  return pjmCode === 0 ? end : { ...end, pjmCode };
}
