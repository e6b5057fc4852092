// One output channel for each job, filled while it runs. Knows text only; lines come folded.
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import type { Disposable } from '../base/disposable';
import { LineFolder } from '../jobs/foldLines';
import type { Job } from '../jobs/job';
import type { JobStore } from '../jobs/jobStore';

export class JobOutput implements Disposable {
  readonly #store: JobStore;
  readonly #channels = new Map<string, vscode.OutputChannel>();

  constructor(store: JobStore) {
    this.#store = store;
  }

  append(jobId: string, text: string): void {
    const job = this.#store.get(jobId);
    if (job) this.#channelOf(job).append(text);
  }

  /** Shows the channel without taking the keyboard; the output of an ended job is read from its results. */
  async show(job: Job): Promise<void> {
    const isNew = !this.#channels.has(job.id);
    const channel = this.#channelOf(job);
    if (isNew && job.phase.kind === 'waiting')
      channel.appendLine(
        vscode.l10n.t(
          '{0} waits in the queue of {1}. What it prints appears here while it runs.',
          job.name,
          job.resourceGroup,
        ),
      );
    if (isNew && job.resultsFolder !== undefined && job.files)
      channel.append(await readOutput(join(job.resultsFolder, basename(job.files.stdout))));
    channel.show(true);
  }

  forget(jobId: string): void {
    this.#channels.get(jobId)?.dispose();
    this.#channels.delete(jobId);
  }

  dispose(): void {
    for (const channel of this.#channels.values()) channel.dispose();
    this.#channels.clear();
  }

  #channelOf(job: Job): vscode.OutputChannel {
    const known = this.#channels.get(job.id);
    if (known) return known;
    const name = `Furo: ${job.name} (${job.pjmId ?? job.id.slice(0, 8)})`;
    const channel = vscode.window.createOutputChannel(name);
    this.#channels.set(job.id, channel);
    return channel;
  }
}

async function readOutput(file: string): Promise<string> {
  const bytes = await readFile(file).catch(() => Buffer.alloc(0));
  const folder = new LineFolder();
  return folder.push(bytes) + folder.end();
}
