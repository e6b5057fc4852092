// The only way for text into a notification, a dialog or a field. VS Code makes a link of what looks like one there, even
// of a command, and text may come from a server that nobody has verified yet.
import * as vscode from 'vscode';

type Show = typeof vscode.window.showErrorMessage;

export const showError = plainly((...shown) => vscode.window.showErrorMessage(...shown));
export const showWarning = plainly((...shown) => vscode.window.showWarningMessage(...shown));
export const showInformation = plainly((...shown) =>
  vscode.window.showInformationMessage(...shown),
);

function plainly(show: (message: string, ...rest: string[]) => Thenable<unknown>): Show {
  return ((message: string, ...rest: string[]) => show(withoutLinks(message), ...rest)) as Show;
}

export function showInputBox(
  options: vscode.InputBoxOptions,
  token?: vscode.CancellationToken,
): Thenable<string | undefined> {
  const { prompt } = options;
  const plain = prompt === undefined ? options : { ...options, prompt: withoutLinks(prompt) };
  return vscode.window.showInputBox(plain, token);
}

export type Progress = vscode.Progress<{ message?: string; increment?: number }>;

export function withProgress<T>(
  options: vscode.ProgressOptions,
  task: (progress: Progress, token: vscode.CancellationToken) => Thenable<T>,
): Thenable<T> {
  const { title } = options;
  const plain = title === undefined ? options : { ...options, title: withoutLinks(title) };
  return vscode.window.withProgress(plain, (progress, token) =>
    task(
      {
        report: ({ message, ...rest }) => {
          const told = message !== undefined && { message: withoutLinks(message) };
          progress.report({ ...rest, ...told });
        },
      },
      token,
    ),
  );
}

function withoutLinks(text: string): string {
  return text.replace(/\]\(/g, '] (');
}
