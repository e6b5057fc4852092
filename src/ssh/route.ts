// The way to a machine: jump hosts and proxy commands first, each login checked by itself. Knows no commands, no files.
import type { Duplex } from 'node:stream';
import { Failure, isFailure } from '../base/failure';
import type { Endpoint } from './endpoint';
import { sshFailure } from './failures';
import { Hop, type HopOptions } from './hop';
import { ProxyCommand, programOf } from './proxyCommand';

/** For a jump host to reach the next machine, where the ssh configuration says nothing else. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** An attempt that ended so did not reach the machine, or sent it nothing and goes on by a person only: no login. */
const NO_LOGIN: ReadonlySet<string> = new Set([
  'hostNotFound',
  'connectionRefused',
  'hostUnreachable',
  'keyExchangeUnshared',
  'hostKeyTypeUnshared',
  'cipherUnshared',
  'hostKeyChanged',
  'hostKeyRevoked',
  'hostKeyUnknown',
  'hostKeyRejected',
  'hostKeyUnchecked',
]);

/**
 * Opens the last hop of a chain. Every hop before it is verified and logged in to by itself, under its own name, before
 * the next one is dialled; all of them end with the last. A failure on the way names the jump host that it is about.
 */
export async function openRoute(options: HopOptions, signal?: AbortSignal): Promise<Hop> {
  const { jump, proxyCommand } = options.endpoint;
  if (jump) return openOverJump(options, jump, signal);
  if (proxyCommand !== undefined) return openOverCommand(options, proxyCommand, signal);
  return openCounted(options, signal);
}

async function openOverJump(
  options: HopOptions,
  jump: Endpoint,
  signal: AbortSignal | undefined,
): Promise<Hop> {
  const target = options.endpoint;
  const before = await openRoute({ ...options, endpoint: jump }, signal).catch((error: unknown) => {
    throw onTheWay(error, jump, target);
  });
  try {
    const through = await openTunnel(before, options, signal);
    return await openThrough(
      options,
      through,
      () => {
        before.dispose();
      },
      signal,
    );
  } catch (error) {
    before.dispose();
    throw error;
  }
}

/** A channel of the jump host that leads to the next machine. */
async function openTunnel(
  before: Hop,
  { endpoint, clock }: HopOptions,
  signal: AbortSignal | undefined,
): Promise<Duplex> {
  const { host, port, connectTimeoutSeconds } = endpoint;
  const values = { host: before.host, target: host, port };
  const limitMs =
    connectTimeoutSeconds === undefined ? TUNNEL_TIMEOUT_MS : connectTimeoutSeconds * 1_000;
  const late = new AbortController();
  const giveUp = (): void => {
    before.dispose();
  };
  const limit = clock.after(limitMs, () => {
    late.abort();
    giveUp();
  });
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    return await before.openTunnel(host, port);
  } catch (error) {
    signal?.throwIfAborted();
    if (late.signal.aborted)
      throw sshFailure('jumpRefused', { ...values, detail: 'no answer in time' }, error);
    if (!isFailure(error, 'channelRefused')) throw error;
    const detail = String(error.values['detail']);
    throw sshFailure('jumpRefused', { ...values, detail }, error);
  } finally {
    limit.dispose();
    signal?.removeEventListener('abort', giveUp);
  }
}

async function openOverCommand(
  options: HopOptions,
  command: string,
  signal: AbortSignal | undefined,
): Promise<Hop> {
  const { endpoint, log } = options;
  log.info(`proxy command of ${endpoint.host}: ${programOf(command)}`);
  const through = new ProxyCommand(command);
  try {
    return await openThrough(options, through, () => undefined, signal);
  } catch (error) {
    const detail = through.lastWords;
    if (detail === undefined || !isFailure(error, 'connectionLost')) throw error;
    throw sshFailure('proxyCommandFailed', { host: endpoint.host, detail }, error);
  }
}

/** Opens the hop over a stream that ends with it. */
async function openThrough(
  options: HopOptions,
  through: Duplex,
  release: () => void,
  signal: AbortSignal | undefined,
): Promise<Hop> {
  // A stream may break when nobody reads it any more; the hop tells what matters.
  through.on('error', () => undefined);
  try {
    const hop = await openCounted({ ...options, through }, signal);
    hop.onDidEnd(() => {
      through.destroy();
      release();
    });
    return hop;
  } catch (error) {
    through.destroy();
    throw error;
  }
}

/** One login of the way, within the limit of its own machine: a jump host bans addresses as any other does. */
async function openCounted(options: HopOptions, signal: AbortSignal | undefined): Promise<Hop> {
  const login = await options.logins?.take(options.endpoint);
  try {
    return await Hop.open(options, signal);
  } catch (error) {
    const { through } = options;
    const hasNoWay = through instanceof ProxyCommand && !through.hasSpoken;
    if (hasNoWay || (isFailure(error) && NO_LOGIN.has(error.reason))) await login?.giveBack();
    throw error;
  }
}

function onTheWay(error: unknown, jump: Endpoint, target: Endpoint): unknown {
  if (!isFailure(error) || 'onWayTo' in error.values) return error;
  const values = { ...error.values, jumpHost: jump.host, onWayTo: target.host };
  return new Failure(error.reason, values, { cause: error });
}
