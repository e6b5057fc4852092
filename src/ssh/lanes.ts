// A second way for the bytes of one large file: opens it on another channel and closes it again. Moves no bytes.
import type { SftpSession } from './sftpSession';
import { closeHandle } from './sftpRequests';
import { TWO_CHANNELS_FROM_BYTES, type Lane, type Lanes } from './transfer';

export interface LanePlan {
  readonly main: Lane;
  readonly size: number;
  /** Undefined where there is no further channel. */
  readonly secondSession: () => Promise<SftpSession | undefined>;
  /** Opens the same file once more. */
  readonly openAgain: (session: SftpSession) => Promise<Buffer>;
}

/** Calls `work` at once with the first lane; a second one joins when it opens, and nothing waits for it. */
export async function withLanes<T>(plan: LanePlan, work: (lanes: Lanes) => Promise<T>): Promise<T> {
  if (plan.size < TWO_CHANNELS_FROM_BYTES) return work({ main: plan.main });
  const over = new AbortController();
  const state: { isOpened: boolean } = { isOpened: false };
  let closed = Promise.resolve();
  const second = new Promise<Lane | undefined>((resolve) => {
    const hold = async (): Promise<void> => {
      const session = await plan.secondSession();
      if (!session || session === plan.main.session || over.signal.aborted) return;
      await session.use(async () => {
        const handle = await plan.openAgain(session);
        state.isOpened = true;
        resolve({ session, handle });
        await ended(over.signal);
        await closeHandle(session, handle);
      });
    };
    // Whatever keeps the second lane from opening, the first one does the work alone.
    closed = hold().then(
      () => {
        resolve(undefined);
      },
      () => {
        resolve(undefined);
      },
    );
  });
  try {
    return await work({ main: plan.main, second });
  } finally {
    over.abort();
    if (state.isOpened) await closed;
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
