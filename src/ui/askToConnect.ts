// A connection that broke and cannot come back without a person: says so once, with a button that connects.
import * as vscode from 'vscode';
import type { Disposable } from '../base/disposable';
import type { ConnectionState } from '../ssh/connectionState';
import { commands } from './commands/ids';
import type { Machines } from './machines';

export function askToConnect(machines: Machines): Disposable {
  let before: ConnectionState = machines.state;
  return machines.onDidChangeState((state) => {
    const wasAutomatic = before.kind === 'connecting' && before.attempt > 0;
    before = state;
    // A failure of what a person asked for is shown to them by the command itself.
    if (state.kind === 'blocked' && wasAutomatic) void ask(machines.connection.host);
  });
}

async function ask(host: string): Promise<void> {
  const connect = vscode.l10n.t('Connect');
  const text = vscode.l10n.t(
    'The connection to {0} broke and needs you to come back. Nothing is tried again until you connect; jobs on the machine go on.',
    host,
  );
  if ((await vscode.window.showWarningMessage(text, connect)) === connect)
    await vscode.commands.executeCommand(commands.connect.id);
}
