// Calls back whenever what is told about the connection changes: with its state, and each second while it waits.
import { DisposableStore, type Disposable } from '../base/disposable';
import type { Machines } from './machines';

export function onConnectionTick(machines: Machines, show: () => void): Disposable {
  const disposables = new DisposableStore();
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  disposables.add(
    machines.onDidChangeState(({ kind }) => {
      if (kind !== 'waiting') stop();
      else timer ??= setInterval(show, 1000);
      show();
    }),
  );
  disposables.add({ dispose: stop });
  return disposables;
}
