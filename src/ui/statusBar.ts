// One status bar item: how many jobs run and wait, and whether the connection stands.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../base/disposable';
import type { JobStore } from '../jobs/jobStore';
import type { ConnectionState } from '../ssh/connectionState';
import { listText, progressText } from '../words/stateText';
import { viewIds } from './commands/ids';
import type { Machines } from './machines';
import { groupOf } from './tree/items';

export class StatusBar implements Disposable {
  readonly #store: JobStore;
  readonly #machines: Machines;
  readonly #item: vscode.StatusBarItem;
  readonly #disposables = new DisposableStore();

  constructor(store: JobStore, machines: Machines) {
    this.#store = store;
    this.#machines = machines;
    this.#item = this.#disposables.add(
      vscode.window.createStatusBarItem('furo.status', vscode.StatusBarAlignment.Left, 10),
    );
    this.#item.name = 'Furo';
    this.#item.command = `${viewIds.jobs}.focus`;
    this.#disposables.add(store.onDidChange(() => { this.#show(); })); // prettier-ignore
    this.#disposables.add(machines.onDidChangeState(() => { this.#show(); })); // prettier-ignore
    this.#show();
  }

  dispose(): void {
    this.#disposables.dispose();
  }

  #show(): void {
    const { state } = this.#machines;
    const count = (group: string) => this.#store.all.filter((job) => groupOf(job) === group).length;
    const [running, waiting] = [count('running'), count('waiting')];
    const first = this.#store.all.find((job) => job.phase.kind === 'running' && job.progress);
    const parts = [
      ...(running > 0 ? [vscode.l10n.t('{0} running', running)] : []),
      ...(waiting > 0 ? [vscode.l10n.t('{0} waiting', waiting)] : []),
      ...(first && running === 1 ? [progressText(first, vscode.l10n.t)] : []),
    ];
    const jobs = parts.length === 0 ? '' : `: ${listText(parts, vscode.l10n.t)}`;
    this.#item.text = `${stateIcon(state)} Furo${jobs}`;
    this.#item.tooltip = `${this.#machines.connection.host}: ${stateText(state)}`;
    this.#item.backgroundColor =
      state.kind === 'blocked' ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
    this.#item.show();
  }
}

function stateIcon(state: ConnectionState): string {
  switch (state.kind) {
    case 'connected':
      return '$(vm-active)';
    case 'connecting':
      return '$(sync~spin)';
    case 'waiting':
      return '$(debug-disconnect)';
    case 'blocked':
      return '$(error)';
    case 'disconnected':
      return '$(vm)';
  }
}

function stateText(state: ConnectionState): string {
  switch (state.kind) {
    case 'connected':
      return vscode.l10n.t('connected');
    case 'connecting':
      return vscode.l10n.t('connecting');
    case 'waiting':
      return vscode.l10n.t('connection lost, trying again');
    case 'blocked':
      return vscode.l10n.t('connection refused');
    case 'disconnected':
      return vscode.l10n.t('not connected');
  }
}
