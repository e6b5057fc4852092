// How each step of a connection check is done. Reads and writes nothing but one small file of its own. Knows no sentences.
import { randomUUID } from 'node:crypto';
import { isCancellation, isFailure, type Failure, type FailureValues } from '../base/failure';
import { detailOf, sshFailure } from '../ssh/failures';
import { joinRemote, remotePath, type RemotePath } from '../ssh/remote';
import { shellScript } from '../ssh/shellQuote';
import type { CheckedStep, CheckFinding, CheckState, CheckStep } from './checkResult';
import type { CheckParts, Route } from './connectionCheck';
import { jobFailure } from './failures';
import {
  pjmScript,
  readPairs,
  readQuota,
  readShellAnswer,
  shellCommand,
  spaceScript,
} from './loginProbe';
import { addressesOf, bannerOf } from './network';
import { resolveRemoteFolder } from './remoteFolder';

const slowShellSeconds = 5;
const lowSpaceGiB = 1;
const lowQuotaPercent = 90;
const clockToleranceSeconds = 60;
const commandLimitMs = 30_000;

/** A step's result without its name. */
type Found = Omit<CheckedStep, 'step'>;

function found(finding: CheckFinding, values: FailureValues = {}, state: CheckState = 'ok'): Found {
  return { state, finding, values };
}

/** One check under way; each step may leave something for later ones. */
export class ConnectionCheck {
  readonly #wasConnected: boolean;
  #route: Route = { host: '', port: 0, user: '' };
  #loginFailure: Failure | undefined;
  #isLoginTried = false;
  #answers: ReadonlyMap<string, string> | undefined;
  #folder: RemotePath | undefined;
  #clock: { readonly sentMs: number; readonly gotMs: number } | undefined;

  constructor(
    private readonly parts: CheckParts,
    private readonly signal: AbortSignal,
  ) {
    this.#wasConnected = parts.remote.state.kind === 'connected';
  }

  async run(step: CheckStep): Promise<CheckedStep> {
    try {
      this.signal.throwIfAborted();
      return { step, ...(await this.#do(step)) };
    } catch (error) {
      if (isCancellation(error) || this.signal.aborted) throw error;
      const failure = isFailure(error)
        ? error
        : jobFailure('commandFailed', { command: step, text: detailOf(error) }, error);
      return { step, state: 'failed', failure };
    }
  }

  #do(step: CheckStep): Promise<Found> {
    switch (step) {
      case 'settings':
        return this.#settings();
      case 'name':
        return this.#name();
      case 'port':
        return this.#port();
      case 'hostKey':
      case 'login':
        return this.#login(step);
      case 'shell':
        return this.#shell();
      case 'sftp':
        return this.#sftp();
      case 'pjm':
        return this.#pjm();
      case 'folder':
        return this.#remoteFolder();
      case 'space':
        return this.#space();
      case 'clock':
        return Promise.resolve(this.#clockOf());
    }
  }

  async #settings(): Promise<Found> {
    this.#route = await this.parts.route(this.signal);
    const { host, port, user } = this.#route;
    return found('settingsRead', { host, port, user });
  }

  async #name(): Promise<Found> {
    const { host } = this.#route;
    if (this.#wasConnected) return found('connectedAlready', { host }, 'skipped');
    if (this.#route.isProxied) return found('reachedByProxy', { host }, 'skipped');
    const addresses = await addressesOf(host);
    return found('nameFound', { host, addresses: addresses.slice(0, 4).join(', ') });
  }

  async #port(): Promise<Found> {
    const { host, port } = this.#route;
    if (this.#wasConnected) return found('connectedAlready', { host }, 'skipped');
    if (this.#route.isProxied) return this.#way();
    const banner = await bannerOf({ host, port }, this.signal);
    return found('portAnswers', { host, port, banner });
  }

  /** Only the login itself goes the way over other machines; what fails before the last one is about the way. */
  async #way(): Promise<Found> {
    const failure = await this.#tryLogin();
    if (failure && ('jumpHost' in failure.values || unreached.has(failure.reason))) throw failure;
    return found('reachedByProxy', { host: this.#route.host }, 'skipped');
  }

  /** One login answers for all steps that ask for it: its failure tells how far it came. */
  async #tryLogin(): Promise<Failure | undefined> {
    if (this.#isLoginTried) return this.#loginFailure;
    this.#isLoginTried = true;
    this.#loginFailure = await this.parts.remote.connect(this.signal).then(
      () => undefined,
      (error: unknown) => {
        if (!isFailure(error)) throw error;
        return error;
      },
    );
    return this.#loginFailure;
  }

  async #login(step: 'hostKey' | 'login'): Promise<Found> {
    const { host, user } = this.#route;
    const failure = await this.#tryLogin();
    if (failure && (step === 'login' || !isAboutLogin(failure))) throw failure;
    return step === 'hostKey' ? found('hostKeyKnown', { host }) : found('loggedIn', { user, host });
  }

  async #shell(): Promise<Found> {
    const { clock, remote } = this.parts;
    const startMs = clock.now();
    const options = { signal: this.signal, timeoutMs: commandLimitMs };
    const { stdout, stderr } = await remote.exec(shellCommand, options);
    const seconds = Math.round((clock.now() - startMs) / 1000);
    const answer = readShellAnswer(stdout, stderr);
    if (!answer) {
      const text = detailOf(stderr.trim() || stdout.trim());
      throw jobFailure('commandFailed', { command: 'echo', text });
    }
    const { shell, noise } = answer;
    if (noise !== undefined)
      return found('shellNoisy', { shell, line: detailOf(noise).slice(0, 80) }, 'warning');
    if (seconds >= slowShellSeconds) return found('shellSlow', { shell, seconds }, 'warning');
    return found('shellQuiet', { shell });
  }

  async #sftp(): Promise<Found> {
    const { host } = this.#route;
    const root = await this.parts.remote.files.stat(remotePath('/'), this.signal);
    if (root?.kind !== 'folder')
      throw sshFailure('sftpUnavailable', { host, detail: 'no folder /' });
    return found('sftpWorks');
  }

  async #pjm(): Promise<Found> {
    const sentMs = this.parts.clock.now();
    this.#answers = await this.#ask(pjmScript);
    this.#clock = { sentMs, gotMs: this.parts.clock.now() };
    const path = this.#answers.get('pjsub') ?? '';
    if (path === '')
      throw jobFailure('commandMissing', {
        command: 'pjsub',
        path: this.#answers.get('path') ?? '',
      });
    const status = this.#answers.get('pjstat');
    const text = detailOf(this.#answers.get('pjstatText') ?? '');
    if (status !== '0') throw jobFailure('commandFailed', { command: 'pjstat', text });
    return found('pjmAnswers', { path });
  }

  async #remoteFolder(): Promise<Found> {
    const { remote, remoteFolder } = this.parts;
    const { files } = remote;
    const folder = await resolveRemoteFolder(remote, remoteFolder, this.signal);
    const before = await files.stat(folder, this.signal);
    if (before !== undefined && before.kind !== 'folder')
      throw jobFailure('remoteFolderUnusable', { folder, detail: before.kind });
    await files.makeFolder(folder, this.signal);
    const file = joinRemote(folder, `.furo-check-${randomUUID()}`);
    const text = `${file}\n`;
    await files.write(file, text, { signal: this.signal });
    const read = await files.read(file, undefined, this.signal);
    await files.remove(file, this.signal);
    if (read.toString('utf8') !== text)
      throw sshFailure('remoteFileFailed', {
        path: file,
        operation: 'read',
        detail: 'other bytes',
      });
    this.#folder = folder;
    return found(before ? 'folderWritable' : 'folderCreated', { folder });
  }

  async #space(): Promise<Found> {
    const folder = this.#folder ?? '/';
    const answers = await this.#ask(spaceScript(folder));
    const freeKiB = numberOf(answers.get('freeKiB'));
    const used = readQuota(answers.get('quota'));
    if (freeKiB === 0 || (used !== undefined && used >= 100))
      throw sshFailure('diskFull', { path: folder, detail: '' });
    if (used !== undefined && used >= lowQuotaPercent)
      return found('quotaLow', { folder, used }, 'warning');
    if (Number.isNaN(freeKiB)) return found('spaceUnknown', { folder }, 'skipped');
    const freeGiB = freeKiB / 2 ** 20;
    const free = freeGiB.toFixed(freeGiB < 10 ? 1 : 0);
    if (freeGiB < lowSpaceGiB) return found('spaceLow', { folder, free }, 'warning');
    return found('spaceEnough', { folder, free, used: used ?? '' });
  }

  /** The machine read its clock some time between the question and its answer. */
  #clockOf(): Found {
    const now = numberOf(this.#answers?.get('now')) * 1000;
    if (Number.isNaN(now) || !this.#clock) return found('clockUnknown', {}, 'skipped');
    const { sentMs, gotMs } = this.#clock;
    const ahead = now > gotMs ? now - gotMs : Math.min(0, now + 1000 - sentMs);
    const seconds = Math.round(ahead / 1000);
    return Math.abs(seconds) > clockToleranceSeconds
      ? found('clockDiffers', { seconds }, 'warning')
      : found('clockAgrees');
  }

  async #ask(script: string): Promise<ReadonlyMap<string, string>> {
    const { command, stdin } = shellScript(script);
    const options = { stdin, signal: this.signal, timeoutMs: commandLimitMs };
    const { stdout } = await this.parts.remote.exec(command, options);
    return readPairs(stdout);
  }
}

/** Failures of a connection that did not come to the machine itself. */
const unreached: ReadonlySet<string> = new Set([
  'hostNotFound',
  'connectionRefused',
  'hostUnreachable',
  'jumpRefused',
  'proxyCommandFailed',
]);

/** Failures of a login that come before the key of the machine was found to be in order; all others are about the login. */
const beforeLogin: ReadonlySet<string> = new Set([
  ...unreached,
  'endpointInvalid',
  'sshConfigUnusable',
  'sshConfigUnanswered',
  'jumpLoop',
  'tooManyLogins',
  'handshakeFailed',
  'keyExchangeUnshared',
  'hostKeyTypeUnshared',
  'cipherUnshared',
  'endedEarly',
]);

function isAboutLogin({ reason }: Failure): boolean {
  return !beforeLogin.has(reason) && !reason.startsWith('hostKey');
}

function numberOf(text = ''): number {
  return text === '' ? NaN : Number(text);
}
