// Connect and reconnect: what a person does with the connection itself.
import * as vscode from 'vscode';
import type { KeyRing } from '../../ssh/keyRing';
import type { Machines } from '../machines';
import { showInformation, withProgress } from '../messages';
import { chooseHost } from './chooseHost';

export async function connect(machines: Machines): Promise<void> {
  if (machines.connection.host === '' && !(await chooseHost())) return;
  const { machine, connection } = machines;
  await withCancel(vscode.l10n.t('Connecting to {0}', connection.host), (signal) =>
    machine.remote.connect(signal),
  );
  await machine.center.resume();
}

/** Kept passphrases are deleted, and the next login asks again. A connection that stands stays. */
export async function forgetSecrets(keyRing: Pick<KeyRing, 'forget'>): Promise<void> {
  await keyRing.forget();
  void showInformation(vscode.l10n.t('Stored passphrases are forgotten.'));
}

/** Lets go of what there is and makes a new connection now; one that comes back by itself goes on doing so. */
export async function reconnect(machines: Machines): Promise<void> {
  const { remote } = machines.machine;
  const { state } = remote;
  const comesBack = state.kind === 'waiting' || (state.kind === 'connecting' && state.attempt > 0);
  if (!comesBack) remote.disconnect();
  await connect(machines);
}

function withCancel<T>(title: string, run: (signal: AbortSignal) => Promise<T>): Thenable<T> {
  return withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (_progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => {
        abort.abort();
      });
      return run(abort.signal);
    },
  );
}
