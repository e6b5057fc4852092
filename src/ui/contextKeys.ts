// Sets the context keys that the `when` clauses of package.json read; the only place that does.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../base/disposable';
import type { JobStore } from '../jobs/jobStore';
import { contextKeys } from './commands/ids';
import type { Machines } from './machines';

export function keepContextKeys(machines: Machines, store: JobStore): Disposable {
  const set = (key: string, value: boolean) => {
    void vscode.commands.executeCommand('setContext', key, value);
  };
  const update = () => {
    set(contextKeys.configured, machines.isConfigured);
    set(contextKeys.connected, machines.state.kind === 'connected');
    set(contextKeys.waiting, machines.state.kind === 'waiting');
    set(contextKeys.blocked, machines.state.kind === 'blocked');
    set(contextKeys.hasJobs, store.all.length > 0);
  };
  update();
  const disposables = new DisposableStore();
  disposables.add(machines.onDidChangeState(update));
  disposables.add(store.onDidChange(update));
  disposables.add(
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('furo.connection')) update();
    }),
  );
  return disposables;
}
