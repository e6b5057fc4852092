// Makes and checks the conda environment of the jobs on the login node. The work itself runs there and outlives the
// connection; this file starts it, follows it, and reads what came out. Knows no sentences and asks nobody.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { sleep, type Clock } from '../base/clock';
import { isCancellation, isFailure, type Failure } from '../base/failure';
import type { Logger } from '../base/log';
import { isCut } from '../ssh/failures';
import { joinRemote, remotePath, type Remote, type RemotePath } from '../ssh/remote';
import { shellQuote, shellScript } from '../ssh/shellQuote';
import {
  checkProgram,
  furoArchitecture,
  parseReport,
  type EnvironmentReport,
} from './environmentSetupCheck';
import { causeOfFailure } from './environmentSetupCause';
import {
  checkScript,
  lookScript,
  progressScript,
  setupPlaces,
  startedElsewhere,
  startScript,
  workerScript,
  type SetupPlaces,
} from './environmentSetupScript';
import { jobFailure } from './failures';
import { Tail } from './tail';

export type SetupStep = 'connecting' | 'looking' | 'sending' | 'create' | 'check' | 'switch';

export interface SetupParts {
  readonly remote: Remote;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SetupPlan {
  /** As `conda activate` takes it in the jobs. */
  readonly name: string;
  readonly remoteFolder: RemotePath;
  /** Local `environment-furo.yml`. */
  readonly environmentFile: string;
  /** Compute capabilities that torch must have kernels for; by default Furo's. */
  readonly architectures?: readonly string[];
  /** Milliseconds between two looks at a set-up that runs. */
  readonly pollMs?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: SetupStep) => void;
  /** What conda and pip print, in whole lines. */
  readonly onOutput?: (text: string) => void;
}

/** What was found before anything is changed. */
export type EnvironmentLook =
  | { readonly kind: 'absent'; readonly wasInterrupted: boolean }
  /** Another window, or an earlier one, makes it right now. */
  | { readonly kind: 'running' }
  | { readonly kind: 'good'; readonly report: EnvironmentReport }
  | {
      readonly kind: 'wrong';
      readonly report: EnvironmentReport;
      readonly wasInterrupted: boolean;
    };

export interface MadeEnvironment {
  readonly report: EnvironmentReport;
  /** Where an environment that was made by hand lies now. */
  readonly aside: string | undefined;
}

/** Torch for CUDA with its libraries, measured: 5.5 GiB; conda's packages and pip's temporary files come on top. */
const neededGiB = 10;

const usualPollMs = 3000;
/** Loading torch for the first time from a busy file system takes its time. */
const checkTimeoutMs = 300_000;
/** A lost connection is tried again so often while the set-up goes on. */
const followAttempts = 5;

/** Looks at conda and the environment. Sends two small files, changes nothing that jobs use. */
export async function lookAtEnvironment(
  { remote, log }: SetupParts,
  plan: SetupPlan,
): Promise<EnvironmentLook> {
  const { name, signal, onStep } = plan;
  checkName(name);
  onStep?.('connecting');
  await remote.connect(signal);
  onStep?.('looking');
  const places = setupPlaces(plan.remoteFolder, name, 'look');
  const found = readLines(await ask(remote, lookScript(name, places), signal));
  if (found['conda'] === undefined)
    throw found['elsewhere'] === undefined
      ? jobFailure('condaMissing', {})
      : jobFailure('condaElsewhere', { folder: found['elsewhere'] });
  if (found['running'] !== undefined) return { kind: 'running' };
  const wasInterrupted = found['interrupted'] !== undefined;
  if (wasInterrupted)
    log.warn(`an environment set-up was cut off: ${String(found['interrupted'])}`);
  if (found['target'] === undefined && found['folder'] === undefined) {
    checkSpace(found['freeKiB'], plan);
    return { kind: 'absent', wasInterrupted };
  }
  const report = await check({ remote, log }, plan);
  return report.problems.length === 0
    ? { kind: 'good', report }
    : { kind: 'wrong', report, wasInterrupted };
}

/** Makes the environment anew beside the old one and puts it in its place once it passed the check. */
export async function makeEnvironment(
  parts: SetupParts,
  plan: SetupPlan,
): Promise<MadeEnvironment> {
  const { remote } = parts;
  const { name, signal, onStep } = plan;
  checkName(name);
  onStep?.('connecting');
  await remote.connect(signal);
  onStep?.('sending');
  const places = setupPlaces(plan.remoteFolder, name, randomUUID().slice(0, 8));
  await sendFiles(remote, plan, places.run);
  const script = workerScript(name, places, plan.architectures ?? [furoArchitecture]);
  await remote.files.write(joinRemote(places.run, 'set-up.sh'), script);
  const run = await start(remote, plan, places);
  // Another set-up works already: that one is followed, and ours leaves nothing behind.
  if (run !== places.run) await ask(remote, `rm -rf -- ${shellQuote(places.run)}`, signal);
  return follow(parts, plan, run);
}

/** `base` is conda itself, and a path could lead to somebody else's environment. */
function checkName(name: string): void {
  if (!/^\w[\w.-]*$/.test(name) || name === 'base')
    throw jobFailure('environmentNameUnusable', { name });
}

function checkSpace(freeKiB: string | undefined, { remoteFolder }: SetupPlan): void {
  const free = Number(freeKiB ?? NaN) / 1024 ** 2;
  // A quota may be tighter than the disk; that shows only while conda works.
  if (free < neededGiB)
    throw jobFailure('environmentNoSpace', {
      folder: remoteFolder,
      detail: `${free.toFixed(1)} GiB < ${String(neededGiB)} GiB`,
    });
}

async function check({ remote, log }: Omit<SetupParts, 'clock'>, plan: SetupPlan) {
  const folder = joinRemote(plan.remoteFolder, '.furo', 'environments', 'look');
  await sendFiles(remote, plan, folder);
  const script = checkScript(plan.name, folder, plan.architectures ?? [furoArchitecture]);
  const { command, stdin } = shellScript(script);
  const { signal } = plan;
  const limits = { timeoutMs: checkTimeoutMs, ...(signal && { signal }) };
  const { stdout, stderr } = await remote.exec(command, { stdin, ...limits });
  log.info(`environment ${plan.name}: ${stdout.trim()}`);
  return parseReport(stdout, stderr);
}

async function sendFiles(
  { files }: Pick<Remote, 'files'>,
  { environmentFile, signal }: SetupPlan,
  folder: RemotePath,
): Promise<void> {
  const text = await readFile(environmentFile).catch((error: unknown) => {
    throw jobFailure('runtimeMissing', { folder: environmentFile }, error);
  });
  const options = { ...(signal && { signal }) };
  await files.makeFolder(folder, signal);
  await files.write(joinRemote(folder, 'environment.yml'), text, options);
  await files.write(joinRemote(folder, 'check.py'), checkProgram, options);
}

/** Folder of the set-up that runs now: ours, or one that was quicker. */
async function start(
  remote: Remote,
  { name, signal }: SetupPlan,
  places: SetupPlaces,
): Promise<RemotePath> {
  signal?.throwIfAborted();
  const { command, stdin } = shellScript(startScript(name, places));
  // From here on the work is started or not; a cancellation stops it through its file.
  const { stdout, stderr, exitCode } = await remote.exec(command, { stdin });
  const running = readLines(stdout)['running'];
  if (running !== undefined) return remotePath(running);
  const detail = stderr.trim().split('\n').at(-1) ?? '';
  if (exitCode === startedElsewhere) throw jobFailure('environmentInterrupted', { name });
  throw jobFailure('environmentFailed', { name, step: 'start', detail });
}

/** Shows what the set-up prints until it has a result. Cancelling stops the work on the machine, too. */
async function follow(
  parts: SetupParts,
  plan: SetupPlan,
  run: RemotePath,
): Promise<MadeEnvironment> {
  const { remote, clock, log } = parts;
  const { name, signal, pollMs = usualPollMs } = plan;
  const lines: string[] = [];
  const onText = (text: string) => {
    lines.push(...text.split('\n'));
    lines.splice(0, Math.max(0, lines.length - 200));
    plan.onOutput?.(text);
  };
  const tailParts = { files: remote.files, clock, log, intervalMs: pollMs };
  const tail = new Tail(tailParts, joinRemote(run, 'log'), onText);
  let step = '';
  try {
    for (;;) {
      const now = await unlessCut(parts, signal, async () => {
        const answer = readLines(await ask(remote, progressScript(name, run), signal));
        await tail.catchUp(signal);
        return answer;
      });
      const next = now['step'] ?? step;
      if (next !== step) plan.onStep?.(next as SetupStep);
      step = next;
      const { result } = now;
      if (result === 'done') return await readMade(remote, run, now['aside'], signal);
      if (result !== undefined || now['lives'] === undefined) {
        tail.end();
        throw await failureOf(remote, plan, { run, result, lines });
      }
      await sleep(clock, pollMs, signal);
    }
  } catch (error) {
    if (isCancellation(error)) await stop(parts, run);
    throw error;
  }
}

/** Lets the set-up end itself, on whatever login node it works. */
async function stop({ remote, log }: SetupParts, run: RemotePath): Promise<void> {
  await remote.files.write(joinRemote(run, 'stop'), '').catch((error: unknown) => {
    log.warn(`the environment set-up goes on: ${String(error)}`);
  });
}

/** What a set-up that ended without an environment says. */
async function failureOf(
  remote: Remote,
  plan: SetupPlan,
  end: { run: RemotePath; result: string | undefined; lines: readonly string[] },
): Promise<Failure> {
  const { name, remoteFolder: folder } = plan;
  const { run, result, lines } = end;
  if (result === 'check') return wrongEnvironment(remote, plan, run);
  if (result === undefined || result === 'stopped')
    return jobFailure('environmentInterrupted', { name });
  return causeOfFailure(lines, { name, step: result, folder });
}

/** Reads again after a broken connection: the set-up does not need it. */
async function unlessCut<T>(
  { clock, log }: SetupParts,
  signal: AbortSignal | undefined,
  read: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await read();
    } catch (error) {
      const isPassing = isCut(error) || isFailure(error, 'timedOut');
      if (!isPassing || attempt === followAttempts) throw error;
      log.warn(`the connection broke; the environment set-up goes on there (${error.message})`);
      await sleep(clock, 1000 * attempt, signal);
    }
}

async function readMade(
  remote: Remote,
  run: RemotePath,
  aside: string | undefined,
  signal: AbortSignal | undefined,
): Promise<MadeEnvironment> {
  const text = await remote.files.read(joinRemote(run, 'check.out'), undefined, signal);
  return { report: parseReport(text.toString('utf8'), ''), aside };
}

async function wrongEnvironment(remote: Remote, { name, signal }: SetupPlan, run: RemotePath) {
  const read = async (file: string) =>
    (await remote.files.read(joinRemote(run, file), undefined, signal)).toString('utf8');
  const report = parseReport(await read('check.out'), await read('check.err'));
  return jobFailure('environmentWrong', { name, problems: JSON.stringify(report.problems) });
}

async function ask(remote: Remote, script: string, signal: AbortSignal | undefined) {
  const { command, stdin } = shellScript(script);
  const { stdout } = await remote.exec(command, { stdin, ...(signal && { signal }) });
  return stdout;
}

/** Lines `key=value`; whatever else a login shell prints is passed over. */
function readLines(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(/^(\w+)=(.+)$/gm)].map(([, key, value]) => [String(key), String(value)]),
  );
}
