// Does one thing for many items, a few at a time.

/** Calls `work` for each item, at most `size` at once. After the first error nothing new starts; it is thrown at the end. */
export async function inPool<T>(
  items: readonly T[],
  size: number,
  signal: AbortSignal | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let isOver = false;
  const lane = async (): Promise<void> => {
    for (const item of queue) {
      if (isOver) return;
      try {
        signal?.throwIfAborted();
        await work(item);
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(size, items.length) }, lane);
  const results = await Promise.allSettled(lanes);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
