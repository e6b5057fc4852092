// Announcements without VS Code. Events only tell that something happened; they never steer.
import { toDisposable, type Disposable } from './disposable';

/** Subscribes a listener; same shape as `vscode.Event`, so one can stand for the other. */
export type Event<T> = (listener: (value: T) => unknown) => Disposable;

/** The sending side of an {@link Event}. A listener added or removed while firing takes effect next time. */
export class Emitter<T> implements Disposable {
  readonly #listeners = new Set<(value: T) => unknown>();

  readonly event: Event<T> = (listener) => {
    const own = (value: T) => listener(value);
    this.#listeners.add(own);
    return toDisposable(() => this.#listeners.delete(own));
  };

  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }

  dispose(): void {
    this.#listeners.clear();
  }
}
