// From the words after `furo run` to a WorkflowJob. Reads furo.yaml; submits nothing.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findGroup, furoGroups } from '../pjm/furo';
import { renderScript } from '../pjm/render';
import { validateScript } from '../pjm/validate';
import { jobFailure } from '../jobs/failures';
import { expandEntry, expandFile, requestOf, workOfFile, type Expanded } from '../workflow/expand';
import { loadWorkflow } from '../workflow/loadWorkflow';
import { isInsideFolder } from '../workflow/paths';
import type { JobSettings, WorkflowJob } from '../workflow/workflow';
import type { Settings } from '../settings';
import { problemText } from '../words/problemText';
import type { Translate } from '../words/translate';
import { UsageError } from './usage';

export interface Choice {
  readonly folder: string;
  readonly settings: Settings;
  /** A job name or a file, or nothing when furo.yaml has one job only. */
  readonly wanted: string | undefined;
  readonly group: string | undefined;
  readonly translate: Translate;
}

export async function chooseJob(choice: Choice): Promise<WorkflowJob> {
  const over: Partial<JobSettings> =
    choice.group === undefined ? {} : { resourceGroup: choice.group };
  const { wanted } = choice;
  const expanded =
    wanted !== undefined && workOfFile(wanted)
      ? await fromFile(choice, wanted, over)
      : await fromWorkflow(choice, over);
  if ('problem' in expanded) throw jobFailure(expanded.problem, { job: expanded.jobName });
  checkGenerated(choice, expanded.job);
  return expanded.job;
}

/** What PJM would refuse of a generated script. */
function checkGenerated({ translate }: Choice, job: WorkflowJob): void {
  if (job.work.kind === 'script') return;
  const text = renderScript(requestOf(job, findGroup(job.settings.resourceGroup)), []);
  const errors = validateScript(text, furoGroups).filter(({ severity }) => severity === 'error');
  const first = errors[0];
  if (!first) return;
  const values = { job: job.name, count: errors.length, first: problemText(first, translate) };
  throw jobFailure('jobInvalid', values);
}

async function fromFile(
  choice: Choice,
  path: string,
  over: Partial<JobSettings>,
): Promise<Expanded> {
  const expanded = isInsideFolder(path) ? expandFile(path, choice.settings, over) : undefined;
  if (!expanded) throw new UsageError(`${path} is not a file of this folder that can be run`);
  if (workOfFile(path)?.kind === 'script') await checkScript(choice, path);
  return expanded;
}

async function checkScript({ folder, translate }: Choice, path: string): Promise<void> {
  const text = await readFile(join(folder, path), 'utf8').catch((error: unknown) => {
    throw jobFailure('inputNotFound', { path }, error);
  });
  const errors = validateScript(text, furoGroups).filter(({ severity }) => severity === 'error');
  const first = errors[0];
  if (!first) return;
  const place = `${path}:${first.range.startLine + 1}: ${problemText(first, translate)}`;
  throw jobFailure('jobInvalid', { job: path, count: errors.length, first: place });
}

async function fromWorkflow(choice: Choice, over: Partial<JobSettings>): Promise<Expanded> {
  const { folder, translate, wanted, settings } = choice;
  const text = await readFile(join(folder, 'furo.yaml'), 'utf8').catch((error: unknown) => {
    throw jobFailure('inputNotFound', { path: 'furo.yaml' }, error);
  });
  const { value: entries, problems } = loadWorkflow(text);
  const problem = problems[0];
  if (problem) {
    const first = `furo.yaml:${problem.range.startLine + 1}: ${problemText(problem, translate)}`;
    throw jobFailure('jobInvalid', { job: wanted ?? 'furo.yaml', count: problems.length, first });
  }
  const names = entries.map(({ name }) => name).join(', ');
  const entry =
    wanted === undefined ? onlyOne(entries) : entries.find(({ name }) => name === wanted);
  if (!entry) throw new UsageError(`name one of the jobs of furo.yaml: ${names}`);
  if (entry.work.kind === 'script') await checkScript(choice, entry.work.script);
  return expandEntry(entry, settings, over);
}

function onlyOne<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined;
}
