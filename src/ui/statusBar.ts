// One status bar item: how many jobs run and wait, and whether the connection stands.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../base/disposable';
import type { JobStore } from '../jobs/jobStore';
import type { ConnectionState } from '../ssh/connectionState';
import { connectionAdvice, connectionText, nextStep, stepText } from '../words/connectionWords';
import { listText, progressText } from '../words/stateText';
import { commands, viewIds } from './commands/ids';
import { onConnectionTick } from './connectionTick';
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
    this.#disposables.add(store.onDidChange(() => { this.#show(); })); // prettier-ignore
    this.#disposables.add(onConnectionTick(machines, () => { this.#show(); })); // prettier-ignore
    this.#show();
  }

  #tooltip(state: ConnectionState): vscode.MarkdownString {
    const t = vscode.l10n.t;
    const { host } = this.#machines;
    const text = new vscode.MarkdownString();
    text.appendText(`${host === '' ? 'Furo' : host}: ${connectionText(state, Date.now(), t)}`);
    const advice = connectionAdvice(state, Date.now(), t);
    // Our own words, without values: appendText would join them by blanks that never break.
    if (advice !== undefined) text.appendMarkdown(`\n\n${advice}`);
    const next = nextStep(state);
    if (next === undefined) return text;
    const others = (['reconnect', 'checkConnection'] as const).filter((step) => step !== next);
    const steps = [next, ...others];
    text.isTrusted = { enabledCommands: steps.map((step) => commands[step].id) };
    const links = steps.map((step) => `[${stepText(step, t)}](command:${commands[step].id})`);
    return text.appendMarkdown(`\n\n${links.join(' · ')}`);
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
    const told = isTold(state)
      ? [connectionText(state, Date.now(), vscode.l10n.t), ...parts]
      : parts;
    const text = told.length === 0 ? '' : `: ${listText(told, vscode.l10n.t)}`;
    this.#item.text = `${stateIcon(state)} Furo${text}`;
    this.#item.tooltip = this.#tooltip(state);
    const next = nextStep(state);
    this.#item.command = next === undefined ? `${viewIds.jobs}.focus` : commands[next].id;
    this.#item.backgroundColor = background(state);
    this.#item.show();
  }
}

/** The states that a person should know of without pointing at the item. */
function isTold({ kind }: ConnectionState): boolean {
  return kind === 'waiting' || kind === 'blocked';
}

function background({ kind }: ConnectionState): vscode.ThemeColor | undefined {
  if (kind === 'blocked') return new vscode.ThemeColor('statusBarItem.errorBackground');
  return kind === 'waiting' ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
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
