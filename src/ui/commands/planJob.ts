// Shows what the runtime plans for an inference: layout, memory, group. Sends the project, submits nothing.
import * as vscode from 'vscode';
import type { Disposable } from '../../base/disposable';
import { chooseWork, clickedFile } from '../chooseWork';
import type { Machines } from '../machines';
import { prepareThere } from './runOnFuro';

const scheme = 'furo-plan';

export async function planJob(
  { machines, plans }: { readonly machines: Machines; readonly plans: PlanDocuments },
  argument: vscode.Uri | undefined,
): Promise<void> {
  const file = clickedFile(argument);
  for (const job of await chooseWork(file, {}, 'one')) {
    const title = vscode.l10n.t('Plan of {0}', job.name);
    const text = await prepareThere(machines, { title, folder: file.folder.uri }, (center, plan) =>
      center.planText({ job, ...plan }),
    );
    await plans.show(job.name, text);
  }
}

/** Plans as documents that cannot be edited; the last one of each job. */
export class PlanDocuments implements vscode.TextDocumentContentProvider, Disposable {
  readonly #texts = new Map<string, string>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #registration = vscode.workspace.registerTextDocumentContentProvider(scheme, this);

  readonly onDidChange = this.#changed.event;

  async show(jobName: string, text: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme, path: `/${jobName}.txt` });
    this.#texts.set(uri.path, text);
    this.#changed.fire(uri);
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document, { preview: true });
  }

  provideTextDocumentContent({ path }: vscode.Uri): string {
    return this.#texts.get(path) ?? '';
  }

  dispose(): void {
    this.#registration.dispose();
    this.#changed.dispose();
  }
}
