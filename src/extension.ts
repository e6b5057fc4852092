// Composition root of the extension: builds the objects and registers ui/. Opens no connection by itself
// unless jobs of an earlier session are still alive in a trusted folder.
import * as vscode from 'vscode';
import { join } from 'node:path';
import { systemClock } from './base/clock';
import { computerName, configFolder } from './jobs/computer';
import { JobStore } from './jobs/jobStore';
import { openLoginMemory } from './jobs/loginMemory';
import { openMachine } from './jobs/openMachine';
import { RecentLog } from './jobs/recentLog';
import type { ConnectionSettings } from './settings';
import { askToConnect } from './ui/askToConnect';
import { CheckDocument } from './ui/checkDocument';
import { connectCommands } from './ui/commands/actions';
import { PlanDocuments } from './ui/commands/planJob';
import { keepContextKeys } from './ui/contextKeys';
import { Diagnostics } from './ui/editor/diagnostics';
import { registerDirectiveHelp } from './ui/editor/directiveHelp';
import { keepJobs } from './ui/keepJobs';
import { JobOutput } from './ui/jobOutput';
import { liveSettings } from './ui/liveSettings';
import { Machines } from './ui/machines';
import { notifyEnd } from './ui/notifyEnd';
import { ResultsPanels } from './ui/results/resultsPanels';
import { resumeJobs } from './ui/resumeJobs';
import { showFailure } from './ui/showFailure';
import { sshPrompts } from './ui/sshPrompts';
import { StatusBar } from './ui/statusBar';
import { JobTree } from './ui/tree/jobTree';
import { Tutorial } from './ui/tutorial';

export function activate(context: vscode.ExtensionContext): void {
  const own = <T extends vscode.Disposable>(item: T): T => {
    context.subscriptions.push(item);
    return item;
  };
  const channel = own(vscode.window.createOutputChannel('Furo', { log: true }));
  const log = new RecentLog(channel);
  const showLog = () => { channel.show(); }; // prettier-ignore
  const onError = (error: unknown) => void showFailure(error, { log, showLog });
  const storage = context.globalStorageUri.fsPath;
  const logins = openLoginMemory(context.secrets, { folder: storage, clock: systemClock, log });

  const store = own(new JobStore());
  own(keepJobs(store, context.workspaceState, { log, onError }));
  const computer = () => computerName(configFolder(), log);
  const open = (connection: ConnectionSettings) =>
    openMachine({
      connection,
      store,
      ...logins,
      prompts: sshPrompts,
      computer: computer(),
      localRuntime: context.asAbsolutePath('python-runtime'),
      pollSeconds: () => liveSettings().settings.pollSeconds,
      clock: systemClock,
      log,
    });
  const machines = own(new Machines(open, computer));
  const output = own(new JobOutput(store));
  own(machines.onDidOutput(({ jobId, text }) => { output.append(jobId, text); })); // prettier-ignore
  const results = own(new ResultsPanels(context.extensionUri, store, onError));
  const tutorial = own(
    new Tutorial({ ...logins, machines, storage: join(storage, 'simulated-furo'), log }),
  );

  context.subscriptions.push(new JobTree(store, machines), new StatusBar(store, machines));
  context.subscriptions.push(new Diagnostics(), registerDirectiveHelp(), notifyEnd(store));
  context.subscriptions.push(askToConnect(machines), keepContextKeys(machines, store));
  const shown = { plans: own(new PlanDocuments()), check: own(new CheckDocument()) };
  const views = { output, results, tutorial, ...shown, extension: context.extension };
  own(connectCommands({ machines, store, ...logins, ...views, log, showLog }));
  own(resumeJobs(machines, store, onError));
}

/** Everything is released by the subscriptions. */
export function deactivate(): void {
  // Jobs on the machine go on; the history brings them back.
}
