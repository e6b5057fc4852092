// Which function stands behind which command.
import * as vscode from 'vscode';
import type { Disposable } from '../../base/disposable';
import { isFailure } from '../../base/failure';
import { showFailure } from '../showFailure';
import type { KeyRing } from '../../ssh/keyRing';
import type { Tutorial } from '../tutorial';
import { checkConnection } from './checkConnection';
import { chooseHost } from './chooseHost';
import { connect, forgetSecrets, reconnect } from './connectionVerbs';
import { copyDiagnostics, type DiagnosticsParts } from './copyDiagnostics';
import { cancelJob, copyJobId, openResults, removeFromList, type JobVerbParts } from './jobVerbs';
import { newWorkflow } from './newWorkflow';
import { planJob, type PlanDocuments } from './planJob';
import { previewJobScript } from './previewJobScript';
import { previewSync } from './previewSync';
import { registerCommands, type CommandActions } from './register';
import { runAgain, runOnFuro } from './runOnFuro';
import { setUpEnvironment } from './setUpEnvironment';

export interface CommandParts extends JobVerbParts, DiagnosticsParts {
  readonly tutorial: Tutorial;
  readonly plans: PlanDocuments;
  readonly keyRing: Pick<KeyRing, 'forget'>;
  readonly showLog: () => void;
}

export function connectCommands(parts: CommandParts): Disposable {
  const { store, log, showLog } = parts;
  return registerCommands(actionsOf(parts), {
    store,
    onError: (error, tryAgain, clicked) => {
      const line = isFailure(error) ? Number(error.values['line'] ?? 1) : 1;
      const file = clicked ?? vscode.window.activeTextEditor?.document.uri;
      void showFailure(error, { log, showLog, tryAgain, line, ...(file && { file }) });
    },
  });
}

function actionsOf(parts: CommandParts): CommandActions {
  const { machines, output, tutorial, keyRing, check } = parts;
  return {
    runOnCxSingle: (file) => runOnFuro(parts, file, 'cx-single'),
    runOnCxShare: (file) => runOnFuro(parts, file, 'cx-share'),
    runOnCxSmall: (file) => runOnFuro(parts, file, 'cx-small'),
    runOnFuro: (file) => runOnFuro(parts, file, undefined),
    previewJobScript: (file) => previewJobScript(machines, file),
    planJob: (file) => planJob(parts, file),
    previewSync: (file) => previewSync(parts, file),
    newWorkflow,
    openOutput: (job) => output.show(job),
    cancelJob: (job) => cancelJob(parts, job),
    openResults: (job) => openResults(parts, job),
    copyJobId,
    runAgain: (job) => runAgain(parts, job),
    removeFromList: (job) => removeFromList(parts, job),
    refreshJobs: () => refreshJobs(parts),
    connect: () => connect(machines),
    disconnect: () => disconnect(parts),
    reconnect: () => reconnect(machines),
    checkConnection: () => checkConnection(machines, check),
    chooseHost: async () => {
      await chooseHost();
    },
    copyDiagnostics: () => copyDiagnostics(parts),
    setUpEnvironment: () => setUpEnvironment(parts),
    forgetSecrets: () => forgetSecrets(keyRing),
    startTutorial: () => tutorial.start(),
    showLog: () => showLogOf(parts),
    openSettings: () => openSettings(),
  };
}

async function refreshJobs({ machines }: CommandParts): Promise<void> {
  const { center, remote } = machines.machine;
  await remote.connect();
  await center.resume();
}

function disconnect({ machines }: CommandParts): Promise<void> {
  machines.close();
  return Promise.resolve();
}

function showLogOf({ showLog }: CommandParts): Promise<void> {
  showLog();
  return Promise.resolve();
}

async function openSettings(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.openSettings', 'furo.connection');
}
