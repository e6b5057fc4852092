// Check Connection: runs the check with progress and cancel, and shows it while it grows, as a document with buttons.
import * as vscode from 'vscode';
import { isCancellation } from '../../base/failure';
import type { CheckedStep, CheckReport } from '../../jobs/checkResult';
import { stepTitle } from '../../words/checkWords';
import type { CheckProgress } from '../../words/checkText';
import type { CheckDocument } from '../checkDocument';
import type { Machines } from '../machines';
import { withProgress } from '../messages';
import { chooseHost } from './chooseHost';

export async function checkConnection(machines: Machines, document: CheckDocument): Promise<void> {
  if (machines.connection.host === '' && !(await chooseHost())) return;
  const { machine } = machines;
  const steps: CheckedStep[] = [];
  const show = (course: CheckProgress['course'], report?: CheckReport) =>
    document.show({ host: machines.connection.host, steps: [...steps], course }, report);
  await show('running');
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Checking the connection'),
    cancellable: true,
  };
  await withProgress(options, async (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => {
      abort.abort();
    });
    try {
      const report = await machine.check({
        signal: abort.signal,
        onStep: (step, result) => {
          if (!result) progress.report({ message: stepTitle(step, vscode.l10n.t) });
          else steps.push(result);
          if (result) void show('running');
        },
      });
      await show('done', report);
    } catch (error) {
      await show('cancelled');
      if (!isCancellation(error)) throw error;
    }
  });
}
