// Copy Diagnostics: gathers what a person may hand to somebody else and puts it on the clipboard, without names.
import { arch, platform, release } from 'node:os';
import * as vscode from 'vscode';
import { diagnosticsText } from '../../jobs/diagnosticsReport';
import type { Route } from '../../jobs/connectionCheck';
import type { JobStore } from '../../jobs/jobStore';
import type { RecentLog } from '../../jobs/recentLog';
import { defaultSettings } from '../../settings';
import type { CheckDocument } from '../checkDocument';
import { liveSettings } from '../liveSettings';
import type { Machines } from '../machines';
import { showInformation } from '../messages';

export interface DiagnosticsParts {
  readonly machines: Machines;
  readonly store: JobStore;
  readonly log: RecentLog;
  readonly check: CheckDocument;
  readonly extension: vscode.Extension<unknown>;
}

export async function copyDiagnostics(parts: DiagnosticsParts): Promise<void> {
  const { machines, store, log, check, extension } = parts;
  const { version } = extension.packageJSON as { readonly version: string };
  const text = diagnosticsText({
    versions: versionsOf(version),
    settings: { ...liveSettings().settings, connection: machines.connection },
    usualHost: defaultSettings.connection.host,
    route: await routeOf(machines),
    folders: (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath),
    states: machines.history.past,
    check: check.last,
    jobs: store.all,
    log: log.lines,
  });
  await vscode.env.clipboard.writeText(text);
  void offerToRead(text);
}

async function offerToRead(text: string): Promise<void> {
  const t = vscode.l10n.t;
  const read = t('Read It');
  const told = t('The diagnostics are on the clipboard, without names, paths and addresses. Read them before you send them.'); // prettier-ignore
  if ((await showInformation(told, read)) !== read) return;
  const options = { language: 'markdown', content: text };
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(options));
}

function versionsOf(version: string): readonly (readonly [string, string])[] {
  const { remoteName, uiKind, language, appName } = vscode.env;
  return [
    ['Furo Workflows', version],
    [appName, vscode.version],
    ['Node', process.version],
    ['System', `${platform()} ${release()} ${arch()}`],
    ['Window', remoteName === undefined ? 'local' : 'remote'],
    ['User interface', uiKind === vscode.UIKind.Web ? 'web' : 'desktop'],
    ['Language', language],
  ];
}

/** Names that the ssh configuration knows are to be taken out, too; without them the settings' own must do. */
async function routeOf(machines: Machines): Promise<Route | undefined> {
  try {
    return await machines.machine.route(AbortSignal.timeout(5000));
  } catch {
    return undefined;
  }
}
