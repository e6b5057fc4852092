// One command over one channel: input, bounded output, time limit, cancellation. Knows no connection state.
import type { ClientChannel } from 'ssh2';
import type { Clock } from '../base/clock';
import type { Disposable } from '../base/disposable';
import { sshFailure } from './failures';
import type { ExecChannel } from './execChannel';
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
  channel: ExecChannel,
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
  #time: Disposable | undefined;
  #isDisposed = false;
  #bytes = 0;
  #isClosed = false;

  constructor(
    private readonly execChannel: ExecChannel,
    private readonly context: ExecContext,
    private readonly options: ExecOptions,
  ) {
    this.result = new Promise((resolve, reject) => {
      this.#collect(resolve, reject);
      this.#limit(options, reject);
      const { channel } = execChannel;
      // A command may end without reading its input; that is no error of ours.
      channel.on('error', () => undefined);
      const { stdin = '' } = options;
      if (typeof stdin === 'string' || stdin instanceof Uint8Array) channel.end(stdin);
      else this.#feed(stdin, reject).catch(reject);
    });
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#time?.dispose();
    for (const item of this.#owned) item.dispose();
    if (this.#isClosed) return;
    const { execChannel } = this;
    // The command would outlive the channel: ask it to end, then let go.
    if (this.context.hop.endReason === undefined) {
      execChannel.terminate();
      execChannel.end();
    }
    execChannel.channel.destroy();
  }

  /** Waits for the machine to take each part before it asks for the next, so memory stays flat. */
  async #feed(parts: AsyncIterable<Uint8Array>, reject: (reason: unknown) => void): Promise<void> {
    const { channel } = this.execChannel;
    for await (const part of parts) {
      if (this.#isClosed || channel.destroyed) return;
      if (!channel.write(part)) await drained(channel);
      this.#startTime(reject);
    }
    channel.end();
  }

  #collect(resolve: (result: ExecResult) => void, reject: (reason: unknown) => void): void {
    const { context, execChannel } = this;
    const { channel } = execChannel;
    const { encoding = 'utf8' } = this.options;
    const keep = (parts: Buffer[]) => (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes <= MAX_OUTPUT_BYTES) parts.push(chunk);
      else reject(sshFailure('outputTooLarge', { limitBytes: MAX_OUTPUT_BYTES }));
    };
    channel.on('data', keep(this.#stdout));
    channel.stderr.on('data', keep(this.#stderr));
    channel.on('close', () => {
      this.#isClosed = true;
      const { exit } = execChannel;
      if (!exit) {
        reject(context.hop.endReason ?? sshFailure('connectionLost', { host: context.host }));
        return;
      }
      resolve({
        stdout: Buffer.concat(this.#stdout).toString(encoding),
        stderr: Buffer.concat(this.#stderr).toString('utf8'),
        exitCode: exit.code,
        ...(exit.signal !== undefined && { signal: exit.signal }),
      });
    });
  }

  #startTime(reject: (reason: unknown) => void): void {
    this.#time?.dispose();
    if (this.#isDisposed) return;
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.options;
    this.#time = this.context.clock.after(timeoutMs, () => {
      reject(sshFailure('timedOut', { operation: 'exec', seconds: timeoutMs / 1000 }));
    });
  }

  #limit({ signal }: ExecOptions, reject: (reason: unknown) => void): void {
    this.#owned.push(this.context.hop.onDidEnd(reject));
    this.#startTime(reject);
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

/** Until the channel takes more, or never will. */
function drained(channel: ClientChannel): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'error']) channel.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) channel.on(event, done);
  });
}
