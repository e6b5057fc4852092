// One attempt to connect, and what an open connection carries. Knows no state and no retries.
import { isFailure } from '../base/failure';
import { ChannelSlots } from './channelSlots';
import type { SshConnectionOptions } from './connection';
import type { Credentials } from './credentials';
import type { Hop } from './hop';
import { sshFailure } from './failures';
import { openRoute } from './route';
import { SftpChannels } from './sftpChannels';
import { WaitingShell } from './waitingShell';

/** An open connection with the channels on it. */
export interface Line {
  readonly hop: Hop;
  readonly host: string;
  readonly slots: ChannelSlots;
  readonly sftp: SftpChannels;
  readonly shell: WaitingShell;
  /** Commands under way. */
  commands: number;
}

export interface AttemptOptions {
  /** Nobody waits for this connection, so nobody is asked. */
  readonly isUnattended: boolean;
  readonly signal: AbortSignal;
}

/** Rejects with a Failure, or with the signal's reason. */
export async function openLine(
  options: SshConnectionOptions,
  credentials: Credentials,
  { isUnattended, signal }: AttemptOptions,
): Promise<Line> {
  const { endpoint: given, trustFile, prompts, log, clock, logins, keepaliveMs } = options;
  const endpoint = typeof given === 'function' ? await given(signal) : given;
  signal.throwIfAborted();
  log.info(`connecting to ${endpoint.user}@${endpoint.host}:${endpoint.port}`);
  const hop = await openRoute(
    {
      endpoint,
      trustFile,
      credentials,
      prompts,
      isUnattended,
      log,
      clock,
      ...(logins && { logins }),
      ...(keepaliveMs !== undefined && { keepaliveMs }),
    },
    signal,
  ).catch((error: unknown) => {
    // What was lost did not stand yet, so nothing brings it back.
    if (!isFailure(error, 'connectionLost')) throw error;
    throw sshFailure('endedEarly', error.values, error);
  });
  const parts = { hop, host: endpoint.host, slots: new ChannelSlots(clock), clock };
  return { ...parts, sftp: new SftpChannels(parts), shell: new WaitingShell(parts), commands: 0 };
}

/** True while a command or a file operation is under way. */
export async function isBusy({ commands, sftp }: Line): Promise<boolean> {
  return commands > 0 || (await sftp.isBusy());
}
