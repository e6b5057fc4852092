// The job list of the sidebar. Listens to the store; changes nothing.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../base/disposable';
import type { Job } from '../../jobs/job';
import type { JobStore } from '../../jobs/jobStore';
import { connectionAdvice, connectionText } from '../../words/connectionWords';
import { viewIds } from '../commands/ids';
import { onConnectionTick } from '../connectionTick';
import type { Machines } from '../machines';
import { groupItem, groupOf, groups, jobItem, type GroupName } from './items';

export type TreeNode =
  | { readonly kind: 'group'; readonly group: GroupName }
  | { readonly kind: 'job'; readonly jobId: string };

/** Elapsed times are shown in seconds but need not tick in seconds. */
const tickMs = 5000;

export class JobTree implements vscode.TreeDataProvider<TreeNode>, Disposable {
  readonly #store: JobStore;
  readonly #machines: Machines;
  readonly #disposables = new DisposableStore();
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly #view: vscode.TreeView<TreeNode>;

  readonly onDidChangeTreeData = this.#changed.event;

  constructor(store: JobStore, machines: Machines) {
    this.#store = store;
    this.#machines = machines;
    this.#view = vscode.window.createTreeView(viewIds.jobs, { treeDataProvider: this });
    this.#disposables.add(this.#changed);
    this.#disposables.add(this.#view);
    this.#disposables.add(store.onDidChange(() => { this.#refresh(); this.#showConnection(); })); // prettier-ignore
    this.#disposables.add(onConnectionTick(machines, () => { this.#showConnection(); })); // prettier-ignore
    const timer = setInterval(() => {
      if (this.#view.visible && store.all.some(({ phase }) => phase.kind === 'running'))
        this.#refresh();
    }, tickMs);
    this.#disposables.add({ dispose: () => { clearInterval(timer); } }); // prettier-ignore
    this.#refresh();
    this.#showConnection();
  }

  getChildren(node?: TreeNode): TreeNode[] {
    const jobs = this.#store.all;
    if (!node) {
      const present = groups.filter((group) => jobs.some((job) => groupOf(job) === group));
      return present.map((group) => ({ kind: 'group', group }));
    }
    if (node.kind === 'job') return [];
    return jobs
      .filter((job) => groupOf(job) === node.group)
      .map(({ id }) => ({ kind: 'job', jobId: id }));
  }

  getParent(node: TreeNode): TreeNode | undefined {
    const job = node.kind === 'job' ? this.#store.get(node.jobId) : undefined;
    return job && { kind: 'group', group: groupOf(job) };
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    if (node.kind === 'group') return groupItem(node.group);
    const job = this.#store.get(node.jobId);
    return job ? jobItem(job) : new vscode.TreeItem(node.jobId);
  }

  dispose(): void {
    this.#disposables.dispose();
  }

  /** Beside the title and above the rows. Without rows the welcome text stands there, which a message would hide. */
  #showConnection(): void {
    const { state, host } = this.#machines;
    const now = Date.now();
    const text = connectionText(state, now, vscode.l10n.t);
    this.#view.description = text;
    const sentence = connectionAdvice(state, now, vscode.l10n.t) ?? `${host}: ${text}`;
    this.#view.message = this.#store.all.length > 0 ? sentence : '';
  }

  #refresh(): void {
    this.#changed.fire(undefined);
    const live = this.#store.all.filter(isLive).length;
    this.#view.badge =
      live === 0
        ? undefined
        : { value: live, tooltip: vscode.l10n.t('waiting or running: {0}', live) };
  }
}

function isLive({ phase }: Job): boolean {
  return phase.kind !== 'finished';
}
