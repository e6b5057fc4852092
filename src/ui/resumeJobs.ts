// Takes up live jobs after a reload, once the folder is trusted. Without live jobs nothing connects.
import * as vscode from 'vscode';
import { toDisposable, type Disposable } from '../base/disposable';
import type { JobStore } from '../jobs/jobStore';
import type { Machines } from './machines';

export function resumeJobs(
  machines: Machines,
  store: JobStore,
  onError: (error: unknown) => void,
): Disposable {
  const abort = new AbortController();
  const resume = () => {
    const isWanted = store.all.some(
      ({ phase, target }) => phase.kind !== 'finished' && target === machines.target,
    );
    if (!isWanted || !vscode.workspace.isTrusted) return;
    Promise.resolve()
      .then(() => machines.machine.center.resume(abort.signal))
      .catch(onError);
  };
  resume();
  const trust = vscode.workspace.onDidGrantWorkspaceTrust(resume);
  return toDisposable(() => {
    abort.abort();
    trust.dispose();
  });
}
