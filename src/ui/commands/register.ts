// Typed registration of every command; a forgotten one does not compile. Shows what a command throws.
import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../../base/disposable';
import type { Job } from '../../jobs/job';
import type { JobStore } from '../../jobs/jobStore';
import { phaseText } from '../../words/stateText';
import type { TreeNode } from '../tree/jobTree';
import { commands, type CommandName, type CommandRow, type CommandsWith } from './ids';

type OwnNames<Kind extends 'file' | 'job' | 'none'> = Exclude<CommandsWith<Kind>, SameAsNames>;
type SameAsNames = {
  [Name in CommandName]: (typeof commands)[Name] extends { sameAs: string } ? Name : never;
}[CommandName];

/** What each command does. Job commands get the row's job, or the one that the person picked. */
export type CommandActions = Readonly<
  Record<OwnNames<'file'>, (file: vscode.Uri | undefined) => Promise<void>> &
    Record<OwnNames<'job'>, (job: Job) => Promise<void>> &
    Record<OwnNames<'none'>, () => Promise<void>>
>;

export interface RegisterParts {
  readonly store: JobStore;
  readonly onError: (error: unknown, tryAgain: () => void, file: vscode.Uri | undefined) => void;
}

export function registerCommands(actions: CommandActions, parts: RegisterParts): Disposable {
  const disposables = new DisposableStore();
  for (const row of Object.values(commands) as readonly CommandRow[]) {
    const name = (row.sameAs ?? row.id.slice('furo.'.length)) as keyof CommandActions;
    const run = async (argument: unknown): Promise<void> => {
      const file = argument instanceof vscode.Uri ? argument : undefined;
      try {
        await invoke(actions, { name, kind: row.argument, argument }, parts.store);
      } catch (error) {
        parts.onError(error, () => void run(argument), file);
      }
    };
    disposables.add(vscode.commands.registerCommand(row.id, run));
  }
  return disposables;
}

async function invoke(
  actions: CommandActions,
  call: { name: keyof CommandActions; kind: CommandRow['argument']; argument: unknown },
  store: JobStore,
): Promise<void> {
  const { name, kind, argument } = call;
  if (kind !== 'job') {
    const action = actions[name] as (file?: vscode.Uri) => Promise<void>;
    await action(argument instanceof vscode.Uri ? argument : undefined);
    return;
  }
  const job = jobOf(argument, store) ?? (await pickJob(store));
  if (job) await (actions[name] as (job: Job) => Promise<void>)(job);
}

function jobOf(argument: unknown, store: JobStore): Job | undefined {
  const node = argument as Partial<Extract<TreeNode, { kind: 'job' }>> | undefined;
  return node?.kind === 'job' && node.jobId !== undefined ? store.get(node.jobId) : undefined;
}

async function pickJob(store: JobStore): Promise<Job | undefined> {
  const items = store.all.map((job) => ({
    label: job.name,
    description: job.pjmId ?? '',
    detail: phaseText(job.phase, vscode.l10n.t),
    job,
  }));
  const placeHolder =
    items.length === 0 ? vscode.l10n.t('There are no jobs yet.') : vscode.l10n.t('Which job?');
  return (await vscode.window.showQuickPick(items, { placeHolder }))?.job;
}
