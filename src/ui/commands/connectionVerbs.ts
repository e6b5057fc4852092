// Connect, disconnect, test: what a person does with the connection itself.
import * as vscode from 'vscode';
import { resolveRemoteFolder } from '../../jobs/remoteFolder';
import type { KeyRing } from '../../ssh/keyRing';
import type { Machines } from '../machines';

export async function connect(machines: Machines): Promise<void> {
  const { machine, connection } = machines;
  await withCancel(vscode.l10n.t('Connecting to {0}', connection.host), (signal) =>
    machine.remote.connect(signal),
  );
  await machine.center.resume();
}

/** Kept passphrases are deleted, and the next login asks again. A connection that stands stays. */
export async function forgetSecrets(keyRing: Pick<KeyRing, 'forget'>): Promise<void> {
  await keyRing.forget();
  void vscode.window.showInformationMessage(vscode.l10n.t('Stored passphrases are forgotten.'));
}

/** Logs in, looks for PJM and for the remote folder, and says in one line what was found. */
export async function testConnection(machines: Machines): Promise<void> {
  const { machine, connection } = machines;
  const found = await withCancel(vscode.l10n.t('Testing the connection'), async (signal) => {
    await machine.remote.connect(signal);
    const folder = await resolveRemoteFolder(machine.remote, connection.remoteFolder, signal);
    await machine.remote.files.makeFolder(folder, signal);
    const { stdout } = await machine.remote.exec('command -v pjsub; hostname', { signal });
    return { folder, hasPjm: /pjsub$/m.test(stdout), host: stdout.trim().split('\n').at(-1) ?? '' };
  });
  const t = vscode.l10n.t;
  const text = found.hasPjm
    ? t(
        'All is well: logged in to {0}, pjsub is there, and {1} can be used.',
        found.host,
        found.folder,
      )
    : t('Logged in to {0}, but there is no pjsub. Is it a login node of Furo Type II?', found.host);
  const show = found.hasPjm
    ? vscode.window.showInformationMessage
    : vscode.window.showWarningMessage;
  void show(text);
}

function withCancel<T>(title: string, run: (signal: AbortSignal) => Promise<T>): Thenable<T> {
  return vscode.window.withProgress(
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
