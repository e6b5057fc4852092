// One attempt to connect, within the limit of logins, and what an open connection carries. Knows no state and no retries.
import { isFailure } from '../base/failure';
import { ChannelSlots } from './channelSlots';
import type { SshConnectionOptions } from './connection';
import type { Credentials } from './credentials';
import type { Endpoint } from './endpoint';
import { Hop } from './hop';
import type { SftpSession } from './sftpSession';

/** An open connection with the channels on it. */
export interface Line {
  readonly hop: Hop;
  readonly host: string;
  readonly slots: ChannelSlots;
  sftp: Promise<SftpSession> | undefined;
  /** Commands under way. */
  commands: number;
}

export interface AttemptOptions {
  /** Nobody waits for this connection, so nobody is asked. */
  readonly isUnattended: boolean;
  readonly signal: AbortSignal;
}

/** An attempt that ended so did not reach the machine, and is no login. */
const NOT_REACHED: ReadonlySet<string> = new Set([
  'hostNotFound',
  'connectionRefused',
  'hostUnreachable',
]);

/** Rejects with a Failure, `tooManyLogins` among them, or with the signal's reason. */
export async function openLine(
  options: SshConnectionOptions,
  credentials: Credentials,
  { isUnattended, signal }: AttemptOptions,
): Promise<Line> {
  const { endpoint: given, trustFile, prompts, log, clock, keepaliveMs } = options;
  const endpoint = typeof given === 'function' ? await given(signal) : given;
  signal.throwIfAborted();
  log.info(`connecting to ${endpoint.user}@${endpoint.host}:${endpoint.port}`);
  const hopOptions = { endpoint, trustFile, credentials, prompts, isUnattended, log, clock };
  const hop = await counted(options, endpoint, () =>
    Hop.open({ ...hopOptions, ...(keepaliveMs !== undefined && { keepaliveMs }) }, signal),
  );
  const slots = new ChannelSlots(clock);
  return { hop, host: endpoint.host, slots, sftp: undefined, commands: 0 };
}

/** True while a command or a file operation is under way. */
export async function isBusy(line: Line): Promise<boolean> {
  if (line.commands > 0) return true;
  const session = await line.sftp?.catch(() => undefined);
  return session?.isBusy ?? false;
}

async function counted<T>(
  { logins }: SshConnectionOptions,
  endpoint: Endpoint,
  open: () => Promise<T>,
): Promise<T> {
  const login = await logins?.take(endpoint);
  try {
    return await open();
  } catch (error) {
    if (isFailure(error) && NOT_REACHED.has(error.reason)) await login?.giveBack();
    throw error;
  }
}
