// The results of a job in an editor tab. Reads the local files, pages them to the view, does what the view asks.
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import type { Disposable } from '../../base/disposable';
import type { JobStore } from '../../jobs/jobStore';
import { jobFailure } from '../../jobs/failures';
import type { Job } from '../../jobs/job';
import { durationText, phaseText } from '../../words/stateText';
import { renderCsv } from '../../webview/csv';
import { renderResultsHtml } from '../../webview/page';
import {
  parseFromView,
  toRowsMessage,
  type Fact,
  type JobHeader,
  type ToView,
} from '../../webview/protocol';
import { parseResults, type ResultRows } from '../../webview/rows';
import { showInformation } from '../messages';
import { resultLabels } from './labels';

const viewType = 'furo.results';

interface Shown {
  readonly panel: vscode.WebviewPanel;
  job: Job;
  file: string;
  results: ResultRows;
}

export class ResultsPanels implements Disposable {
  readonly #extensionUri: vscode.Uri;
  readonly #onError: (error: unknown) => void;
  readonly #shown = new Map<string, Shown>();

  readonly #store: JobStore;
  readonly #serializer: vscode.Disposable;

  constructor(extensionUri: vscode.Uri, store: JobStore, onError: (error: unknown) => void) {
    this.#extensionUri = extensionUri;
    this.#store = store;
    this.#onError = onError;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(viewType, {
      deserializeWebviewPanel: (panel, state: unknown) => this.#restore(panel, state),
    });
  }

  /** Opens the tab of a job, or brings it to the front with what the file holds now. */
  async show(job: Job): Promise<void> {
    const { file, results } = await readResults(job);
    const open = this.#shown.get(job.id);
    if (open) {
      Object.assign(open, { job, file, results });
      open.panel.reveal();
      this.#sendAll(open);
      return;
    }
    this.#open({ panel: this.#createPanel(job), job, file, results });
  }

  dispose(): void {
    this.#serializer.dispose();
    for (const { panel } of [...this.#shown.values()]) panel.dispose();
  }

  /** After a reload of the window: the tab comes back with its job, or closes when that is gone. */
  async #restore(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const jobKey = (state as { jobKey?: unknown } | undefined)?.jobKey;
    // The view's own memory may be lost when the window goes down at once; the title is kept by the editor.
    const job = this.#store.all.find((one) => one.id === jobKey || titleOf(one) === panel.title);
    const read = job && (await readResults(job).catch(() => undefined));
    if (job && read) this.#open({ panel, job, ...read });
    else panel.dispose();
  }

  #createPanel(job: Job): vscode.WebviewPanel {
    return vscode.window.createWebviewPanel(viewType, titleOf(job), vscode.ViewColumn.Active);
  }

  #open(shown: Shown): void {
    const { panel, job } = shown;
    this.#shown.set(job.id, shown);
    panel.onDidDispose(() => this.#shown.delete(job.id));
    panel.webview.onDidReceiveMessage((value: unknown) => {
      this.#receive(shown, value).catch(this.#onError);
    });
    const uri = (...parts: string[]) =>
      panel.webview.asWebviewUri(vscode.Uri.joinPath(this.#extensionUri, ...parts)).toString();
    const localResourceRoots = ['dist', 'media'].map((name) =>
      vscode.Uri.joinPath(this.#extensionUri, name),
    );
    panel.webview.options = { enableScripts: true, localResourceRoots };
    panel.webview.html = renderResultsHtml({
      scriptUri: uri('dist', 'webview.js'),
      styleUri: uri('media', 'results.css'),
      cspSource: panel.webview.cspSource,
      nonce: randomBytes(16).toString('hex'),
      title: panel.title,
      language: vscode.env.language,
    });
  }

  async #receive(shown: Shown, value: unknown): Promise<void> {
    const message = parseFromView(value);
    switch (message?.type) {
      case 'ready':
        this.#sendAll(shown);
        break;
      case 'requestRows':
        this.#sendPage(shown, message.offset);
        break;
      case 'copy':
        await vscode.env.clipboard.writeText(message.text);
        break;
      case 'openFile':
        await vscode.window.showTextDocument(vscode.Uri.file(shown.file));
        break;
      case 'exportCsv':
        await exportCsv(shown, message.ids);
        break;
      case undefined:
        break;
    }
  }

  #sendAll(shown: Shown): void {
    const totalRows = shown.results.rows.length;
    const header = headerOf(shown);
    const language = vscode.env.language;
    this.#post(shown, { type: 'show', header, labels: resultLabels(), language, totalRows });
    this.#sendPage(shown, 0);
  }

  /** The view asks for the next page itself. */
  #sendPage(shown: Shown, offset: number): void {
    this.#post(shown, toRowsMessage(shown.job.id, shown.results.rows, offset));
  }

  #post({ panel }: Shown, message: ToView): void {
    void panel.webview.postMessage(message);
  }
}

function titleOf(job: Job): string {
  return vscode.l10n.t('Results of {0} ({1})', job.name, job.pjmId ?? '-');
}

async function readResults(job: Job): Promise<{ file: string; results: ResultRows }> {
  const file = join(job.resultsFolder ?? '', basename(job.files?.results ?? 'results.jsonl'));
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw jobFailure('resultsMissing', { job: job.name }, error);
  });
  return { file, results: parseResults(text) };
}

function headerOf({ job, results }: Shown): JobHeader {
  const t = vscode.l10n.t;
  const { phase, statistics, progress } = job;
  const { work } = job.workflow;
  const facts: [string, string | undefined][] = [
    [t('Job ID'), job.pjmId],
    [t('Resource group'), job.resourceGroup],
    [
      t('Elapsed'),
      statistics?.elapseSeconds === undefined ? undefined : durationText(statistics.elapseSeconds),
    ],
    [t('GPU use'), percent(statistics?.gpuAverageUtilization)],
  ];
  const isGood = phase.kind === 'finished' && phase.outcome.kind === 'succeeded';
  const isBad = phase.kind === 'finished' && phase.outcome.kind === 'failed';
  return {
    jobKey: job.id,
    title: job.name,
    ...(work.kind === 'inference' && { subtitle: work.inference.model }),
    state: { text: phaseText(phase, t), tone: isGood ? 'good' : isBad ? 'bad' : 'neutral' },
    facts: facts.flatMap(([name, value]): Fact[] => (value === undefined ? [] : [{ name, value }])),
    ...(progress?.tokensPerSecond !== undefined && { tokensPerSecond: progress.tokensPerSecond }),
    malformedLines: results.malformedLines,
    hasTornLine: results.hasTornLine,
  };
}

function percent(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${value.toFixed(0)} %`;
}

async function exportCsv({ job, file, results }: Shown, ids: readonly string[]): Promise<void> {
  const defaultUri = vscode.Uri.file(join(file, '..', `${job.name}.csv`));
  const target = await vscode.window.showSaveDialog({ defaultUri, filters: { CSV: ['csv'] } });
  if (!target) return;
  const byId = new Map(results.rows.map((row) => [row.id, row]));
  const rows = ids.flatMap((id) => byId.get(id) ?? []);
  await writeFile(target.fsPath, renderCsv(rows));
  void showInformation(vscode.l10n.t('{0} rows written to {1}', rows.length, target.fsPath));
}
