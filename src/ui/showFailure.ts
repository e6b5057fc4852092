// Shows whatever a command threw: a Failure in words with buttons, cancellation not at all, a defect with the log.
import * as vscode from 'vscode';
import { isCancellation, isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import { failureText, type FailureAction } from '../words/failureText';
import { showError } from './messages';

/** What a button does; one whose part is not given is not shown. */
export interface FailureContext {
  readonly log: Logger;
  readonly showLog: () => void;
  readonly tryAgain?: () => void;
  readonly file?: vscode.Uri;
  readonly line?: number;
}

export async function showFailure(error: unknown, context: FailureContext): Promise<void> {
  if (isCancellation(error)) return;
  context.log.error(error instanceof Error ? error : String(error));
  if (!isFailure(error)) {
    const text = vscode.l10n.t('Furo Workflows ran into a defect: {0}', String(error));
    const label = actionLabel('showLog');
    if ((await showError(text, label)) === label) context.showLog();
    return;
  }
  const action = await choose(error, (action) => isUsable(action, context));
  if (action) await act(action, context);
}

/** Shows a failure whose buttons the caller acts on; the log keeps it as any other. */
export async function askAboutFailure(
  failure: Failure,
  { log }: Pick<FailureContext, 'log'>,
): Promise<FailureAction | undefined> {
  log.warn(failure.message);
  return choose(failure, () => true);
}

async function choose(
  failure: Failure,
  isWanted: (action: FailureAction) => boolean,
): Promise<FailureAction | undefined> {
  const { message, actions } = failureText(failure, vscode.l10n.t);
  const usable = actions.filter(isWanted);
  const labels = usable.map(actionLabel);
  const chosen = await showError(message, ...labels);
  return usable[labels.indexOf(chosen ?? '')];
}

function isUsable(action: FailureAction, context: FailureContext): boolean {
  switch (action) {
    case 'openFile':
      return context.file !== undefined;
    case 'tryAgain':
      return context.tryAgain !== undefined;
    case 'submitAnyway':
    case 'openWorkflow':
      // Only the command that submits can do these; it asks by askAboutFailure.
      return false;
    default:
      return true;
  }
}

function actionLabel(action: FailureAction): string {
  switch (action) {
    case 'openSettings':
      return vscode.l10n.t('Open Settings');
    case 'showLog':
      return vscode.l10n.t('Show Log');
    case 'tryAgain':
      return vscode.l10n.t('Try Again');
    case 'openFile':
      return vscode.l10n.t('Open File');
    case 'openFolder':
      return vscode.l10n.t('Open Folder');
    case 'manageTrust':
      return vscode.l10n.t('Manage Workspace Trust');
    case 'submitAnyway':
      return vscode.l10n.t('Submit Anyway');
    case 'openWorkflow':
      return vscode.l10n.t('Open furo.yaml');
  }
}

async function act(action: FailureAction, context: FailureContext): Promise<void> {
  switch (action) {
    case 'openSettings':
      await vscode.commands.executeCommand('workbench.action.openSettings', 'furo.connection');
      break;
    case 'showLog':
      context.showLog();
      break;
    case 'tryAgain':
      context.tryAgain?.();
      break;
    case 'submitAnyway':
    case 'openWorkflow':
      break;
    case 'openFile':
      if (context.file) await openAt(context.file, context.line);
      break;
    case 'openFolder':
      await vscode.commands.executeCommand('vscode.openFolder');
      break;
    case 'manageTrust':
      await vscode.commands.executeCommand('workbench.trust.manage');
      break;
  }
}

async function openAt(file: vscode.Uri, line: number | undefined): Promise<void> {
  const position = new vscode.Position(Math.max(0, (line ?? 1) - 1), 0);
  await vscode.window.showTextDocument(file, { selection: new vscode.Range(position, position) });
}
