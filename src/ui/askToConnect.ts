// A connection that jobs need and that does not come without a person: says so once, with a button that leads on.
import * as vscode from 'vscode';
import type { Disposable } from '../base/disposable';
import type { ConnectionState } from '../ssh/connectionState';
import { connectionAdvice, nextStep, stepText } from '../words/connectionWords';
import { commands } from './commands/ids';
import type { Machines } from './machines';
import { showWarning } from './messages';

export function askToConnect(machines: Machines): Disposable {
  return machines.onDidChangeState((state) => {
    // A failure of what a person asked for is shown to them by the command itself.
    if (state.kind === 'blocked' && state.isUnattended) void ask(state, machines.host);
  });
}

async function ask(state: ConnectionState, host: string): Promise<void> {
  const t = vscode.l10n.t;
  const advice = connectionAdvice(state, Date.now(), t) ?? '';
  const next = nextStep(state) ?? 'reconnect';
  const button = stepText(next, t);
  const chosen = await showWarning(`${host}: ${advice}`, button);
  if (chosen === button) await vscode.commands.executeCommand(commands[next].id);
}
