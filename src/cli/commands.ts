// The verbs of the command line over one session. Prints to a screen; knows no settings files.
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { jobFailure } from '../jobs/failures';
import type { Job } from '../jobs/job';
import type { SubmitStep } from '../jobs/submit';
import { resolveRemoteFolder } from '../jobs/remoteFolder';
import { areBrought } from '../jobs/results';
import { Tail } from '../jobs/tail';
import { systemClock } from '../base/clock';
import { DisposableStore, toDisposable, type Disposable } from '../base/disposable';
import { silentLogger } from '../base/log';
import { parseResults } from '../webview/rows';
import { connectionAdvice, connectionText } from '../words/connectionWords';
import {
  causeText,
  durationText,
  elapsedSeconds,
  listText,
  phaseText,
  progressText,
  resultsNotesText,
} from '../words/stateText';
import { few, keptNotes, notesText } from '../words/syncText';
import type { Translate } from '../words/translate';
import { padTo } from '../words/wrap';
import type { WorkflowJob } from '../workflow/workflow';
import type { Session } from './session';
import { harmless, paint, renderTable, type Screen } from './terminal';
import { ask } from './terminalPrompts';

export interface Context {
  readonly session: Session;
  readonly screen: Screen;
  readonly translate: Translate;
  readonly signal: AbortSignal;
}

const defaultWidth = 100;

/** Submits a job and tells each step; returns its record. */
export async function submit(
  context: Context,
  job: WorkflowJob,
  ignoresPlan = false,
): Promise<Job> {
  const { session, signal, translate: t } = context;
  const { connection } = session.settings;
  await session.remote.connect(signal);
  const remoteFolder = await resolveRemoteFolder(session.remote, connection.remoteFolder, signal);
  const tell = stepTeller(context);
  const record = await session.center.submit({
    job,
    ignoresPlan,
    workspaceFolder: session.folder,
    remoteFolder,
    ...syncSettings(context),
    onStep: tell,
  });
  say(
    context,
    t('Job {0} submitted to {1}: {2}', record.pjmId ?? '', record.resourceGroup, record.name),
  );
  return record;
}

/** What the settings and the person at the terminal say about a sync. */
export function syncSettings({ session, signal, translate: t }: Context) {
  const { syncExclude: exclude, syncInclude: include } = session.settings;
  const confirmRemovals = async (paths: readonly string[]): Promise<boolean> => {
    const question = t('{0} files that were sent from here are gone here: {1}\nRemove them from the machine? Type yes: ', paths.length, few(paths, t)); // prettier-ignore
    return (await ask(harmless(question), { signal, echo: true })) === 'yes';
  };
  return { exclude, include, confirmRemovals, signal };
}

function stepTeller(context: Context): (step: SubmitStep) => void {
  const { translate: t } = context;
  let last = '';
  return (step) => {
    const text = stepText(step, t);
    if (text !== last) say(context, text);
    last = text;
  };
}

function stepText(step: SubmitStep, t: Translate): string {
  switch (step.kind) {
    case 'checking':
      return t('Checking the job');
    case 'connecting':
      return t('Connecting');
    case 'runtime':
      return t('Sending the runtime');
    case 'planning':
      return t('Planning');
    case 'freezing':
      return t('Freezing the files of this run');
    case 'submitting':
      return t('Submitting');
    case 'kept':
      return keptNotes(step.summary, t).join('\n  ');
    case 'notes':
      return notesText(step.notes, t).join('\n  ');
    case 'sync':
      return step.progress.filesTotal === 0
        ? t('Nothing changed since the last sync')
        : t('Syncing {0} changed files', step.progress.filesTotal);
  }
}

/** Shows state, progress and output of a job until it ends; returns its last record. */
export function follow(context: Context, jobId: string): Promise<Job> {
  const { session, signal, screen, translate: t } = context;
  const { store, center } = session;
  return new Promise((resolve, reject) => {
    let lastText = '';
    const show = (job: Job) => {
      const text = listText([phaseText(job.phase, t), progressText(job, t)], t);
      if (text !== lastText) say(context, `${job.name} (${job.pjmId ?? '-'}): ${text}`);
      lastText = text;
    };
    const owned = new DisposableStore();
    const fail = (reason: Error) => {
      owned.dispose();
      reject(reason);
    };
    const finish = (job: Job) => {
      owned.dispose();
      resolve(job);
    };
    owned.add(
      center.onDidOutput(({ jobId: id, text }) => {
        if (id === jobId) screen.write(prefixLines(harmless(text), paint(screen, 'dim', '│ ')));
      }),
    );
    owned.add(
      store.onDidChange(({ after }) => {
        if (after?.id !== jobId) return;
        show(after);
        if (after.phase.kind === 'finished') finish(after);
      }),
    );
    owned.add(tellConnection(context, fail));
    const onAbort = () => {
      fail(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    owned.add(toDisposable(() => { signal.removeEventListener('abort', onAbort); })); // prettier-ignore
    const job = store.get(jobId);
    if (job?.phase.kind === 'finished') finish(job);
    else if (job) show(job);
  });
}

/** Tells once that the connection is away. Whoever typed the command is asked what a login asks, or told why it ends. */
function tellConnection(context: Context, fail: (reason: Error) => void): Disposable {
  const { session, signal, translate: t } = context;
  const { remote } = session;
  let told: 'connected' | 'waiting' | 'blocked' = 'connected';
  return remote.onDidChangeState((state) => {
    const { kind } = state;
    const isNews = kind === 'blocked' || (kind === 'waiting' && told === 'connected');
    if (kind === told || !(isNews || kind === 'connected')) return;
    told = kind;
    say(context, connectionAdvice(state, Date.now(), t) ?? connectionText(state, Date.now(), t));
    if (kind === 'blocked') remote.connect(signal).catch(fail);
  });
}

function prefixLines(text: string, prefix: string): string {
  return text.replace(/^(?=.*\n)/gm, prefix);
}

/** The table of `furo jobs`. */
export function listJobs({ session, screen, translate: t }: Context): void {
  const jobs = session.store.all;
  if (jobs.length === 0) {
    screen.write(`${t('No job was run from this folder yet.')}\n`);
    return;
  }
  const columns = [
    { title: t('id'), weight: 2 },
    { title: t('name'), weight: 3 },
    { title: t('group'), weight: 2 },
    { title: t('state'), weight: 5 },
    { title: t('elapsed / limit'), weight: 3 },
  ];
  const rows = jobs.map((job) => [
    job.pjmId ?? '-',
    job.name,
    job.resourceGroup,
    listText([phaseText(job.phase, t), progressText(job, t)], t),
    `${elapsedText(job)} / ${durationText(job.elapseLimitSeconds)}`,
  ]);
  screen.write(`${renderTable(columns, rows, screen.columns ?? defaultWidth)}\n`);
}

function elapsedText(job: Job): string {
  const elapsed = elapsedSeconds(job, Date.now());
  return elapsed === undefined ? '-' : durationText(elapsed);
}

/** Prints the whole output so far; with `follows` goes on until the job ends. */
export async function printLogs(context: Context, job: Job, follows: boolean): Promise<void> {
  const { session, screen, signal } = context;
  if (follows && job.phase.kind !== 'finished') {
    await session.remote.connect(signal);
    await session.center.resume(signal);
    await follow(context, job.id);
    return;
  }
  const path = job.files?.stdout;
  if (path === undefined) return;
  const { files } = session.remote;
  const parts = { files, clock: systemClock, log: silentLogger, intervalMs: 1000 };
  const tail = new Tail(parts, path, (text) => screen.write(harmless(text)));
  await tail.catchUp(signal);
  tail.end();
}

/** The answers of a finished job as a table, or its output when it has no answers. */
export async function printResults(context: Context, job: Job): Promise<void> {
  const { session, screen, translate: t } = context;
  const folder = areBrought(job)
    ? job.resultsFolder
    : await session.center.fetchResults(job.id, context.signal);
  const name = job.files?.results === undefined ? undefined : basename(job.files.results);
  if (name !== undefined) {
    const text = await readFile(join(folder, name), 'utf8').catch((error: unknown) => {
      throw jobFailure('resultsMissing', { job: job.name }, error);
    });
    const { rows } = parseResults(text);
    const columns = [
      { title: t('prompt'), weight: 2 },
      { title: t('answer'), weight: 3 },
    ];
    const cells = rows.map(({ prompt, answer, error, finishReason }) => [
      harmless(prompt),
      error
        ? `✗ ${harmless(error.message)}`
        : harmless(answer) + (finishReason === 'length' ? ' …' : ''),
    ]);
    screen.write(`\n${renderTable(columns, cells, screen.columns ?? defaultWidth)}\n`);
  }
  printStatistics(context, job);
  for (const sentence of resultsNotesText(session.store.get(job.id) ?? job, t))
    screen.write(`${harmless(sentence)}\n`);
  screen.write(`${t('Results: {0}', folder)}\n`);
}

function printStatistics({ screen, translate: t }: Context, job: Job): void {
  const { statistics, progress } = job;
  const lines: [string, string | undefined][] = [
    [t('state'), phaseText(job.phase, t)],
    [
      t('cause'),
      harmless(job.failure?.reason === 'lastOutput' ? job.failure.message : causeText(job, t)),
    ],
    [t('records'), progress === undefined ? undefined : progressText(job, t)],
    [
      t('speed'),
      progress?.tokensPerSecond === undefined
        ? undefined
        : t('{0} tokens/s', progress.tokensPerSecond.toFixed(1)),
    ],
    [t('accepted'), statistics?.acceptDate],
    [t('started'), statistics?.startDate],
    [
      t('elapsed'),
      statistics?.elapseSeconds === undefined ? undefined : durationText(statistics.elapseSeconds),
    ],
    [
      t('memory'),
      statistics?.maxMemoryMiB === undefined
        ? undefined
        : `${statistics.maxMemoryMiB.toFixed(0)} MiB`,
    ],
  ];
  screen.write('\n');
  for (const [label, value] of lines) if (value) screen.write(`${padTo(label, 10)} ${value}\n`);
}

export function say({ screen }: Pick<Context, 'screen'>, text: string): void {
  screen.write(`${paint(screen, 'cyan', '●')} ${text}\n`);
}
