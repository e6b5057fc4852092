// A report for whoever looks for a cause: versions, settings, states, counts, last log lines. Names nobody: settings are
// told as set or not, everything else goes through the redactor. Technical English, as the log is.
import { homedir, hostname, userInfo } from 'node:os';
import { basename } from 'node:path';
import type { ConnectionSettings, Settings } from '../settings';
import type { ConnectionState } from '../ssh/connectionState';
import { neededFiles } from '../workflow/expand';
import type { Work } from '../workflow/workflow';
import type { CheckReport } from './checkResult';
import type { Route } from './connectionCheck';
import type { Job } from './job';
import { redactor, type Secret } from './redact';
import type { PastState } from './stateHistory';

export interface DiagnosticsFacts {
  /** What to name and its version, for example `VS Code` and `1.90.0`. */
  readonly versions: readonly (readonly [name: string, version: string])[];
  readonly settings: Settings;
  readonly usualHost: string;
  /** Where the ssh configuration leads; undefined when it could not be asked. */
  readonly route: Route | undefined;
  readonly folders: readonly string[];
  readonly states: readonly PastState[];
  readonly check: CheckReport | undefined;
  readonly jobs: readonly Job[];
  /** Oldest first. */
  readonly log: readonly string[];
}

const shownLines = 80;

export function diagnosticsText(facts: DiagnosticsFacts): string {
  const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ['Versions', facts.versions.map(([name, version]) => `${name}: ${version}`)],
    ['Settings', settingLines(facts)],
    ['Connection', facts.states.map(({ atMs, state }) => `${timeText(atMs)} ${stateLine(state)}`)],
    ['Last check', checkLines(facts.check)],
    ['Jobs', jobLines(facts.jobs)],
    ['Log', facts.log.slice(-shownLines)],
  ];
  const text = sections
    .map(([title, lines]) => [`## ${title}`, ...(lines.length === 0 ? ['none'] : lines)].join('\n'))
    .join('\n\n');
  return `# Furo Workflows diagnostics\n\n${redactor(secretsOf(facts))(text)}\n`;
}

/** Whatever tells who and where, with the name that stands for it. */
function secretsOf({ settings, route, folders, jobs, usualHost }: DiagnosticsFacts): Secret[] {
  const { host, user, identityFile, remoteFolder } = settings.connection;
  const jumps = route?.jumps ?? [];
  const all = (name: string, ...values: readonly (string | undefined)[]) =>
    values.map((value = '') => ({ value, name }));
  return [
    ...all('<host>', host, route?.host, usualHost),
    ...all('<jump host>', ...jumps.map((jump) => jump.host)),
    ...all('<user>', user, route?.user, ...jumps.map((jump) => jump.user), userInfo().username),
    ...all('<computer>', hostname()),
    ...all('<key file>', identityFile, basename(identityFile)),
    ...all('<remote folder>', remoteFolder.replace(/^~\//, '')),
    ...all('<project>', ...folders, ...folders.map((folder) => basename(folder))),
    ...all('<home>', homedir()),
    ...all('<job>', ...jobs.flatMap((job) => [job.name, job.id, job.pjmId])),
    ...all('<file>', ...jobs.flatMap(({ workflow }) => filesOf(workflow.work))),
  ];
}

/** Files of the project that a job names, with and without their folders. */
function filesOf(work: Work): readonly string[] {
  return neededFiles(work).flatMap((file) => [file, basename(file)]);
}

function settingLines({ settings, usualHost }: DiagnosticsFacts): string[] {
  const { connection, job, inference } = settings;
  return [
    ...connectionLines(connection, usualHost),
    `job.resourceGroup: ${job.resourceGroup}`,
    `job.nodes: ${String(job.nodes)}`,
    `job.elapse: ${String(job.elapseSeconds)} s`,
    `job.modules: ${job.modules.join(' ')}`,
    `job.condaEnvironment: ${setOrNot(job.condaEnvironment)}`,
    `job.projectGroup: ${setOrNot(job.projectGroup)}`,
    `job.environment: ${String(Object.keys(job.environment).length)} variables`,
    `inference.model: ${setOrNot(inference.model)}`,
    `inference.input: ${setOrNot(inference.input)}`,
    `poll.intervalSeconds: ${String(settings.pollSeconds)}`,
    `sync.exclude: ${String(settings.syncExclude.length)} patterns`,
  ];
}

function connectionLines(connection: ConnectionSettings, usualHost: string): string[] {
  const { host, port, user, identityFile, remoteFolder } = connection;
  const begin = remoteFolder.startsWith('~') ? 'below the home' : 'absolute';
  return [
    `connection.host: ${host === usualHost ? 'the usual one' : setOrNot(host)}`,
    `connection.port: ${String(port)}`,
    `connection.user: ${setOrNot(user)}`,
    `connection.identityFile: ${setOrNot(identityFile)}`,
    `connection.remoteFolder: ${remoteFolder === '' ? 'empty' : begin}`,
  ];
}

function setOrNot(text: string): string {
  return text === '' ? 'empty' : 'set';
}

function stateLine(state: ConnectionState): string {
  switch (state.kind) {
    case 'blocked':
      return `blocked (${state.reason})`;
    case 'waiting':
      return `waiting (try ${String(state.attempt)})`;
    case 'connecting':
      return `connecting (try ${String(state.attempt)})`;
    default:
      return state.kind;
  }
}

function checkLines(check: CheckReport | undefined): string[] {
  if (!check) return [];
  const steps = check.steps.map(({ step, state, finding, failure }) => {
    const why = failure?.reason ?? finding;
    return `${step}: ${state}${why === undefined ? '' : ` (${why})`}`;
  });
  return [timeText(check.startedMs), ...steps];
}

function jobLines(jobs: readonly Job[]): string[] {
  const counts = new Map<string, number>();
  for (const { phase } of jobs) {
    const name = phase.kind === 'finished' ? `finished (${phase.outcome.kind})` : phase.kind;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name}: ${String(count)}`);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
