// The words that every layer speaks: clock, ownership, events, failures.
import { describe, expect, it, vi } from 'vitest';
import { sleep, systemClock, type Clock } from '../../../src/base/clock';
import { DisposableStore, toDisposable } from '../../../src/base/disposable';
import { Emitter } from '../../../src/base/emitter';
import { Failure, isCancellation, isFailure } from '../../../src/base/failure';
import { silentLogger } from '../../../src/base/log';

/** A clock that is moved by hand; `waiting` counts timers that were neither reached nor disposed. */
function handClock(): Clock & { advance(ms: number): void; readonly waiting: number } {
  let now = 0;
  const timers = new Map<symbol, { at: number; callback: () => void }>();
  return {
    now: () => now,
    after(delayMs, callback) {
      const key = Symbol('timer');
      timers.set(key, { at: now + delayMs, callback });
      return toDisposable(() => timers.delete(key));
    },
    advance(ms) {
      now += ms;
      for (const [key, { at, callback }] of timers)
        if (at <= now) {
          timers.delete(key);
          callback();
        }
    },
    get waiting() {
      return timers.size;
    },
  };
}

describe('sleep', () => {
  it('ends after its time, not before', async () => {
    const clock = handClock();
    const ended = vi.fn();
    const done = sleep(clock, 100).then(ended);
    clock.advance(99);
    await Promise.resolve();
    expect(ended).not.toHaveBeenCalled();
    clock.advance(1);
    await done;
    expect(ended).toHaveBeenCalledOnce();
    expect(clock.waiting).toBe(0);
  });

  it('ends with an AbortError and leaves no timer', async () => {
    const clock = handClock();
    const abort = new AbortController();
    const done = sleep(clock, 100, abort.signal);
    abort.abort();
    const error: unknown = await done.catch((reason: unknown) => reason);
    expect(isCancellation(error)).toBe(true);
    expect(clock.waiting).toBe(0);
  });

  it('does not begin under a signal that is already aborted', async () => {
    const clock = handClock();
    await expect(sleep(clock, 100, AbortSignal.abort())).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(clock.waiting).toBe(0);
  });

  it('leaves no listener at the signal', async () => {
    const clock = handClock();
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, 'removeEventListener');
    const done = sleep(clock, 5, signal);
    clock.advance(5);
    await done;
    expect(remove).toHaveBeenCalledOnce();
  });

  it('works on the system clock', async () => {
    const begin = systemClock.now();
    await sleep(systemClock, 20);
    expect(systemClock.now() - begin).toBeGreaterThanOrEqual(15);
    const late = vi.fn();
    systemClock.after(1, late).dispose();
    await sleep(systemClock, 20);
    expect(late).not.toHaveBeenCalled();
  });
});

describe('DisposableStore', () => {
  it('releases in reverse order, each once', () => {
    const released: string[] = [];
    const store = new DisposableStore();
    for (const name of ['a', 'b', 'c']) store.add(toDisposable(() => released.push(name)));
    store.dispose();
    store.dispose();
    expect(released).toEqual(['c', 'b', 'a']);
    expect(store.isDisposed).toBe(true);
  });

  it('releases at once what comes too late, and hands it back', () => {
    const store = new DisposableStore();
    store.dispose();
    const release = vi.fn();
    const late = { dispose: release };
    expect(store.add(late)).toBe(late);
    expect(release).toHaveBeenCalledOnce();
  });
});

describe('toDisposable', () => {
  it('runs at most once', () => {
    const release = vi.fn();
    const item = toDisposable(release);
    item.dispose();
    item.dispose();
    expect(release).toHaveBeenCalledOnce();
  });
});

describe('Emitter', () => {
  it('tells every listener, in order, until it is disposed', () => {
    const emitter = new Emitter<number>();
    const heard: string[] = [];
    const first = emitter.event((value) => heard.push(`a${value}`));
    emitter.event((value) => heard.push(`b${value}`));
    emitter.fire(1);
    first.dispose();
    emitter.fire(2);
    emitter.dispose();
    emitter.fire(3);
    expect(heard).toEqual(['a1', 'b1', 'b2']);
  });

  it('counts the same function twice when it listens twice', () => {
    const emitter = new Emitter<number>();
    const listener = vi.fn();
    const once = emitter.event(listener);
    emitter.event(listener);
    emitter.fire(1);
    expect(listener).toHaveBeenCalledTimes(2);
    once.dispose();
    emitter.fire(2);
    expect(listener).toHaveBeenCalledTimes(3);
  });

  it('lets a listener come while it fires, from the next time on', () => {
    const emitter = new Emitter<number>();
    const late = vi.fn();
    emitter.event(() => {
      if (late.mock.calls.length === 0) emitter.event(late);
    });
    emitter.fire(1);
    expect(late).not.toHaveBeenCalled();
    emitter.fire(2);
    expect(late).toHaveBeenCalledOnce();
  });
});

describe('Failure', () => {
  it('carries reason, values and cause', () => {
    const cause = new Error('ECONNREFUSED');
    const failure = new Failure('connectionRefused', { host: 'h', port: 22 }, { cause });
    expect(failure).toBeInstanceOf(Error);
    expect(failure).toMatchObject({
      name: 'Failure',
      reason: 'connectionRefused',
      values: { host: 'h', port: 22 },
      cause,
      message: 'connectionRefused {"host":"h","port":22}',
    });
  });

  it('is told from other errors, and by its reason', () => {
    const failure: unknown = new Failure('noKey');
    expect(isFailure(failure)).toBe(true);
    expect(isFailure(failure, 'noKey')).toBe(true);
    expect(isFailure(failure, 'other')).toBe(false);
    expect(isFailure(new Error('noKey'))).toBe(false);
    expect(isFailure(undefined)).toBe(false);
    expect(isCancellation(failure)).toBe(false);
    expect(isCancellation(new DOMException('x', 'AbortError'))).toBe(true);
    expect(isCancellation({ name: 'AbortError' })).toBe(false);
  });
});

it('silentLogger takes everything and throws nothing', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    expect(() => {
      silentLogger[level]('x', 1);
    }).not.toThrow();
});
