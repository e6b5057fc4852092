// Problems of batch scripts and of furo.yaml, as the person types.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../base/disposable';
import type { Problem, Severity, TextRange } from '../../base/problem';
import { furoGroups } from '../../pjm/furo';
import { validateScript } from '../../pjm/validate';
import { loadWorkflow } from '../../workflow/loadWorkflow';
import { isWorkflowFile } from '../../workflow/paths';
import { problemText } from '../../words/problemText';

/** Long enough not to flicker while a word is typed. */
const typingPauseMs = 250;

export class Diagnostics implements Disposable {
  readonly #disposables = new DisposableStore();
  readonly #collection: vscode.DiagnosticCollection;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor() {
    this.#collection = this.#disposables.add(vscode.languages.createDiagnosticCollection('furo'));
    this.#disposables.add(vscode.workspace.onDidOpenTextDocument((document) => { this.#check(document); })); // prettier-ignore
    this.#disposables.add(vscode.workspace.onDidChangeTextDocument(({ document }) => { this.#checkSoon(document); })); // prettier-ignore
    this.#disposables.add(vscode.workspace.onDidCloseTextDocument(({ uri }) => { this.#collection.delete(uri); })); // prettier-ignore
    for (const document of vscode.workspace.textDocuments) this.#check(document);
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#disposables.dispose();
  }

  #checkSoon(document: vscode.TextDocument): void {
    const key = document.uri.toString();
    clearTimeout(this.#timers.get(key));
    const check = () => {
      this.#timers.delete(key);
      this.#check(document);
    };
    this.#timers.set(key, setTimeout(check, typingPauseMs));
  }

  #check(document: vscode.TextDocument): void {
    const problems = problemsOf(document);
    if (problems) this.#collection.set(document.uri, problems.map(toDiagnostic));
  }
}

/** Undefined for a document that is not ours to judge. */
function problemsOf(document: vscode.TextDocument): readonly Problem[] | undefined {
  if (isWorkflowFile(document.uri.path)) return loadWorkflow(document.getText()).problems;
  if (document.languageId === 'shellscript') return validateScript(document.getText(), furoGroups);
  return undefined;
}

function toDiagnostic(problem: Problem): vscode.Diagnostic {
  const diagnostic = new vscode.Diagnostic(
    toRange(problem.range),
    problemText(problem, vscode.l10n.t),
    severities[problem.severity],
  );
  diagnostic.source = 'Furo';
  diagnostic.code = problem.code;
  return diagnostic;
}

const severities: Readonly<Record<Severity, vscode.DiagnosticSeverity>> = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  information: vscode.DiagnosticSeverity.Information,
};

export function toRange(range: TextRange): vscode.Range {
  const { startLine, startColumn, endLine, endColumn } = range;
  return new vscode.Range(startLine, startColumn, endLine, endColumn);
}
