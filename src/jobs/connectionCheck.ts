// Tests each step from the settings to a job's folder on the machine, and says where it ends. Knows no sentences.
import type { Clock } from '../base/clock';
import type { Endpoint } from '../ssh/endpoint';
import type { Remote } from '../ssh/remote';
import {
  checkSteps,
  type CheckedStep,
  type CheckReport,
  type CheckState,
  type CheckStep,
} from './checkResult';
import { ConnectionCheck } from './connectionCheckSteps';

/** Where the settings and the ssh configuration lead. */
export interface Route {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Other machines or a command make the way there, so the name need not mean anything here. */
  readonly isProxied?: boolean;
  /** The jump hosts on the way, the first one first. */
  readonly jumps?: readonly Route[];
}

export function routeOf(endpoint: Endpoint): Route {
  const { host, port, user, jump, proxyCommand } = endpoint;
  const before = jump && routeOf(jump);
  return {
    host,
    port,
    user,
    isProxied: before !== undefined || proxyCommand !== undefined,
    jumps: before ? [...(before.jumps ?? []), before] : [],
  };
}

export interface CheckParts {
  readonly remote: Remote;
  readonly clock: Clock;
  readonly route: (signal: AbortSignal) => Promise<Route>;
  /** As the settings name it. */
  readonly remoteFolder: string;
}

export interface CheckOptions {
  readonly signal: AbortSignal;
  /** Called before each step that is done, and after each step. */
  readonly onStep?: (step: CheckStep, result: CheckedStep | undefined) => void;
}

/** What must have worked before a step makes sense; without an entry, every step before `shell`. */
const needs: Readonly<Partial<Record<CheckStep, readonly CheckStep[]>>> = {
  sftp: ['login'],
  pjm: ['shell'],
  folder: ['login', 'sftp'],
  space: ['shell', 'folder'],
  clock: ['shell'],
};

/** After these the connection is gone, so the other steps would only log in again. */
const connectionGone: ReadonlySet<string> = new Set(['connectionLost', 'connectionClosed']);

/** Rejects only when cancelled. */
export async function checkConnection(
  parts: CheckParts,
  options: CheckOptions,
): Promise<CheckReport> {
  const startedMs = parts.clock.now();
  const check = new ConnectionCheck(parts, options.signal);
  const steps: CheckedStep[] = [];
  let isGone = false;
  for (const step of checkSteps) {
    const needed = needs[step] ?? checkSteps.slice(0, checkSteps.indexOf(step));
    const isBlocked = steps.some(
      (earlier) => needed.includes(earlier.step) && !isPassed(earlier.state),
    );
    let result: CheckedStep = { step, state: 'notReached' };
    if (!isGone && !isBlocked) {
      options.onStep?.(step, undefined);
      result = await check.run(step);
    }
    isGone ||= connectionGone.has(result.failure?.reason ?? '');
    steps.push(result);
    options.onStep?.(step, result);
  }
  return { startedMs, steps };
}

function isPassed(state: CheckState): boolean {
  return state !== 'failed' && state !== 'notReached';
}
