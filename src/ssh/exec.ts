// One command over one channel: input, bounded output, time limit, cancellation. Knows no connection state.
import type { ClientChannel } from 'ssh2';
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { sshFailure } from './failures';
import type { Hop } from './hop';
import type { ExecOptions, ExecResult } from './remote';

const DEFAULT_TIMEOUT_MS = 60_000;
/** Standard output and error together. A login node's greeting or a run-away command must not fill the memory. */
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

export interface ExecContext {
  readonly hop: Hop;
  readonly host: string;
  readonly clock: Clock;
}

/** Waits for the end of the command that runs in `channel`; on every other way out the channel is closed. */
export async function followExec(
  channel: ClientChannel,
  context: ExecContext,
  options: ExecOptions,
): Promise<ExecResult> {
  const run = new RunningCommand(channel, context, options);
  try {
    return await run.result;
  } finally {
    run.dispose();
  }
}

class RunningCommand implements Disposable {
  readonly result: Promise<ExecResult>;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  readonly #owned: Disposable[] = [];
  #bytes = 0;
  #exit: { code: number | undefined; signal: string | undefined } | undefined;
  #isClosed = false;

  constructor(
    private readonly channel: ClientChannel,
    private readonly context: ExecContext,
    options: ExecOptions,
  ) {
    this.result = new Promise((resolve, reject) => {
      this.#collect(resolve, reject);
      this.#limit(options, reject);
    });
    // A command may end without reading its input; that is no error of ours.
    channel.on('error', () => undefined);
    channel.end(options.stdin ?? '');
  }

  dispose(): void {
    for (const item of this.#owned) item.dispose();
    if (this.#isClosed) return;
    // The command would outlive the channel: ask it to end, then let go.
    if (this.context.hop.endReason === undefined) {
      this.channel.signal('TERM');
      this.channel.close();
    }
    this.channel.destroy();
  }

  #collect(resolve: (result: ExecResult) => void, reject: (reason: unknown) => void): void {
    const { channel, context } = this;
    const keep = (parts: Buffer[]) => (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes <= MAX_OUTPUT_BYTES) parts.push(chunk);
      else reject(sshFailure('outputTooLarge', { limitBytes: MAX_OUTPUT_BYTES }));
    };
    channel.on('data', keep(this.#stdout));
    channel.stderr.on('data', keep(this.#stderr));
    channel.on('exit', (code: number | null, signal?: string) => {
      this.#exit = { code: code ?? undefined, signal };
    });
    channel.on('close', () => {
      this.#isClosed = true;
      if (!this.#exit) {
        reject(context.hop.endReason ?? sshFailure('connectionLost', { host: context.host }));
        return;
      }
      resolve({
        stdout: Buffer.concat(this.#stdout).toString('utf8'),
        stderr: Buffer.concat(this.#stderr).toString('utf8'),
        exitCode: this.#exit.code,
        ...(this.#exit.signal !== undefined && { signal: this.#exit.signal }),
      });
    });
  }

  #limit(options: ExecOptions, reject: (reason: unknown) => void): void {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    this.#owned.push(
      this.context.hop.onDidEnd(reject),
      this.context.clock.after(timeoutMs, () => {
        reject(sshFailure('timedOut', { operation: 'exec', seconds: timeoutMs / 1000 }));
      }),
    );
    if (!signal) return;
    const onAbort = (): void => {
      reject(signal.reason);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#owned.push({
      dispose: () => {
        signal.removeEventListener('abort', onAbort);
      },
    });
  }
}
