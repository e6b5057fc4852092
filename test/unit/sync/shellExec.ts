// Commands in a shell of this machine, as a login node runs them. For tests of the scripts of a sync.
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import type { Exec } from '../../../src/ssh/remoteScript';

/** As sshd does it: the login shell gets the command as one word. */
export function execIn(shell: string, env = process.env): Exec {
  return async (command, { stdin = '', encoding = 'utf8' } = {}) => {
    const child = spawn(shell, ['-c', command], { env });
    const isWhole = typeof stdin === 'string' || stdin instanceof Uint8Array;
    const source = Readable.from(isWhole ? [Buffer.from(stdin)] : stdin);
    child.stdin.on('error', () => undefined);
    source.pipe(child.stdin);
    const ended = new Promise<number>((resolve, reject) => {
      child.once('close', resolve);
      source.once('error', (error) => {
        child.stdin.destroy();
        reject(error);
      });
    });
    ended.catch(() => undefined);
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr)]);
    return { stdout: stdout.toString(encoding), stderr, exitCode: await ended };
  };
}
