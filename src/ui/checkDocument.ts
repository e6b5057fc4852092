// The last connection check as a document that cannot be edited: text, colours for the states, buttons above.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../base/disposable';
import type { CheckReport } from '../jobs/checkResult';
import {
  checkLines,
  type CheckLine,
  type CheckLineKind,
  type CheckProgress,
} from '../words/checkText';
import { commands, type CommandName } from './commands/ids';

const scheme = 'furo-check';
const width = 88;

/** A check with the machine that it is about. */
interface ShownCheck extends CheckProgress {
  readonly host: string;
}

const colours: Readonly<Partial<Record<CheckLineKind, string>>> = {
  ok: 'charts.green',
  warning: 'charts.orange',
  failed: 'charts.red',
  skipped: 'disabledForeground',
  notReached: 'disabledForeground',
  pending: 'disabledForeground',
  remedy: 'textLink.foreground',
};

export class CheckDocument
  implements vscode.TextDocumentContentProvider, vscode.CodeLensProvider, Disposable
{
  readonly #disposables = new DisposableStore();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #lensesChanged = new vscode.EventEmitter<undefined>();
  readonly #colours = new Map<CheckLineKind, vscode.TextEditorDecorationType>();
  #bold: vscode.TextEditorDecorationType | undefined;
  readonly #uri = vscode.Uri.from({ scheme, path: `/${vscode.l10n.t('Connection Check')}` });
  #lines: readonly CheckLine[] = [];
  #course: CheckProgress['course'] = 'done';
  #last: CheckReport | undefined;

  readonly onDidChange = this.#changed.event;
  readonly onDidChangeCodeLenses = this.#lensesChanged.event;

  constructor() {
    for (const item of [this.#changed, this.#lensesChanged]) this.#disposables.add(item);
    this.#disposables.add(vscode.workspace.registerTextDocumentContentProvider(scheme, this));
    this.#disposables.add(vscode.languages.registerCodeLensProvider({ scheme }, this));
    this.#disposables.add(vscode.window.onDidChangeVisibleTextEditors(() => { this.#paint(); })); // prettier-ignore
    this.#disposables.add(
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.scheme === scheme) this.#paint();
      }),
    );
  }

  /** The last check that came to its end. */
  get last(): CheckReport | undefined {
    return this.#last;
  }

  /** Shows a check as far as it is; `report` once it is complete. */
  async show(check: ShownCheck, report?: CheckReport): Promise<void> {
    const isFirst = this.#course !== 'running';
    if (report) this.#last = report;
    this.#course = check.course;
    const title = vscode.l10n.t('Connection to {0}', check.host);
    this.#lines = [{ kind: 'plain', text: title }, ...checkLines(check, vscode.l10n.t, width)];
    this.#changed.fire(this.#uri);
    this.#lensesChanged.fire(undefined);
    if (!isFirst) return;
    const document = await vscode.workspace.openTextDocument(this.#uri);
    const editor = await vscode.window.showTextDocument(document, { preview: true });
    editor.options = { lineNumbers: vscode.TextEditorLineNumbersStyle.Off };
  }

  provideTextDocumentContent(): string {
    return this.#lines.map(({ text }) => text).join('\n');
  }

  provideCodeLenses(): vscode.CodeLens[] {
    if (this.#course === 'running') return [];
    const t = vscode.l10n.t;
    const buttons: readonly (readonly [string, CommandName])[] = [
      [t('Check Again'), 'checkConnection'],
      [t('Choose Host'), 'chooseHost'],
      [t('Open Settings'), 'openSettings'],
      [t('Copy Diagnostics'), 'copyDiagnostics'],
      [t('Show Log'), 'showLog'],
    ];
    const top = new vscode.Range(0, 0, 0, 0);
    return buttons.map(
      ([title, name]) => new vscode.CodeLens(top, { title, command: commands[name].id }),
    );
  }

  dispose(): void {
    this.#disposables.dispose();
  }

  /** Made with the first check, so that opening a window does not pay for it. */
  #mixColours(): vscode.TextEditorDecorationType {
    const { createTextEditorDecorationType: make } = vscode.window;
    for (const [kind, id] of Object.entries(colours)) {
      const type = this.#disposables.add(make({ color: new vscode.ThemeColor(id) }));
      this.#colours.set(kind as CheckLineKind, type);
    }
    return this.#disposables.add(make({ fontWeight: 'bold' }));
  }

  #paint(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document.uri.scheme !== scheme) continue;
      this.#bold ??= this.#mixColours();
      for (const [kind, type] of this.#colours) editor.setDecorations(type, this.#marksOf(kind));
      editor.setDecorations(this.#bold, this.#titles());
    }
  }

  /** The mark of a step, or a whole remedy. */
  #marksOf(kind: CheckLineKind): vscode.Range[] {
    return this.#lines.flatMap((line, index) => {
      if (line.kind !== kind) return [];
      const isMark = kind === 'ok' || kind === 'warning' || kind === 'failed';
      return [new vscode.Range(index, 0, index, isMark ? 1 : line.text.length)];
    });
  }

  /** The machine, the outcome, and the names of the steps. */
  #titles(): vscode.Range[] {
    return this.#lines.flatMap(({ kind, text }, index) => {
      const isStep = kind !== 'plain' && kind !== 'remedy';
      return isStep || index < 2 ? [new vscode.Range(index, 0, index, text.length)] : [];
    });
  }
}
