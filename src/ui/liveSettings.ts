// The settings of the editor as values. The only reader of `furo.*`.
import * as vscode from 'vscode';
import { readSettings, type SettingProblem, type Settings } from '../settings';

/** Settings as they apply to a folder; connection settings are the same everywhere. */
export function liveSettings(folder?: vscode.Uri): {
  settings: Settings;
  problems: readonly SettingProblem[];
} {
  const configuration = vscode.workspace.getConfiguration('furo', folder ?? null);
  return readSettings((key) => configuration.get(key));
}
