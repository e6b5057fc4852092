// Makes, checks and repairs the conda environment of the jobs on the login node, and says in one message what is there.
import { join } from 'node:path';
import * as vscode from 'vscode';
import { systemClock } from '../../base/clock';
import type { Logger } from '../../base/log';
import {
  lookAtEnvironment,
  makeEnvironment,
  type EnvironmentLook,
  type SetupParts,
  type SetupPlan,
  type SetupStep,
} from '../../jobs/environmentSetup';
import { resolveRemoteFolder } from '../../jobs/remoteFolder';
import { environmentProblemsText, environmentText } from '../../words/environmentWords';
import { liveSettings } from '../liveSettings';
import type { Machines } from '../machines';
import { showInformation, showWarning, withProgress } from '../messages';

export interface SetUpParts {
  readonly machines: Machines;
  readonly log: Logger;
  readonly showLog: () => void;
}

/** Where the settings name no environment, this one is made. */
const usualName = 'furo';

export async function setUpEnvironment(parts: SetUpParts): Promise<void> {
  const t = vscode.l10n.t;
  const name = liveSettings().settings.job.condaEnvironment || usualName;
  const look = await withSetup(parts, { name, title: t('Looking at the environment {0}', name) }, lookAtEnvironment); // prettier-ignore
  if (!(await wantsToMake(name, look))) return;
  parts.showLog();
  const title = t('Setting up the environment {0}', name);
  const { report, aside } = await withSetup(parts, { name, title }, makeEnvironment);
  const kept = aside === undefined ? '' : ` ${t('The one that was there before is now {0}.', aside)}`; // prettier-ignore
  void showInformation(environmentText(name, report, t) + kept);
}

/** Tells what was found; a good environment is made anew only on request, a wrong one after a click on Repair. */
async function wantsToMake(name: string, look: EnvironmentLook): Promise<boolean> {
  const t = vscode.l10n.t;
  switch (look.kind) {
    case 'absent':
    case 'running':
      return true;
    case 'good': {
      const anew = t('Make Anew');
      const text = environmentText(name, look.report, t);
      return (await showInformation(text, anew)) === anew;
    }
    case 'wrong': {
      const repair = t('Repair');
      const text = t(
        'The environment {0} is not as jobs need it: {1} Repair makes a new one beside it, which takes its place once it passes the check.',
        name,
        environmentProblemsText(look.report.problems, t),
      );
      return (await showWarning(text, repair)) === repair;
    }
  }
}

/** Runs one of the two halves with progress, a cancel button, and everything that is printed in the log. */
function withSetup<T>(
  { machines, log }: SetUpParts,
  { name, title }: { name: string; title: string },
  run: (parts: SetupParts, plan: SetupPlan) => Promise<T>,
): Thenable<T> {
  const { machine, connection } = machines;
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return withProgress(options, async (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => {
      abort.abort();
    });
    const { signal } = abort;
    progress.report({ message: stepText('connecting') });
    await machine.remote.connect(signal);
    const remoteFolder = await resolveRemoteFolder(machine.remote, connection.remoteFolder, signal);
    let step = '';
    return run(
      { remote: machine.remote, clock: systemClock, log },
      {
        name,
        remoteFolder,
        environmentFile: join(machine.localRuntime, 'environment-furo.yml'),
        signal,
        onStep: (now) => {
          step = stepText(now);
          progress.report({ message: step });
        },
        onOutput: (text) => {
          log.info(text.trimEnd());
          const line = text.trimEnd().split('\n').at(-1) ?? '';
          progress.report({ message: `${step}: ${line.slice(0, 100)}` });
        },
      },
    );
  });
}

function stepText(step: SetupStep): string {
  const t = vscode.l10n.t;
  switch (step) {
    case 'connecting':
      return t('connecting');
    case 'looking':
      return t('looking at what is there');
    case 'sending':
      return t('sending the environment file');
    case 'create':
      return t('conda installs it, which takes 10 minutes and more');
    case 'check':
      return t('checking it');
    case 'switch':
      return t('putting it in place');
  }
}
