// How many channels one connection holds, and that none is waited for without end. The server is played, time is moved.
import { EventEmitter } from 'node:events';
import type { SFTPWrapper } from 'ssh2';
import { beforeEach, expect, it } from 'vitest';
import { ChannelSlots } from '../../../src/ssh/channelSlots';
import type { Hop } from '../../../src/ssh/hop';
import { SftpChannels } from '../../../src/ssh/sftpChannels';
import { WaitingShell } from '../../../src/ssh/waitingShell';
import { ManualClock } from './manualClock';

/** Closed by us, never by the server. */
class StuckChannel extends EventEmitter {
  readonly stderr = { resume: () => undefined };
  resume(): void {
    // Nothing comes.
  }
  destroy(): void {
    // The server does not answer.
  }
}

let clock: ManualClock;
let slots: ChannelSlots;

beforeEach(() => {
  clock = new ManualClock();
  slots = new ChannelSlots(clock);
});

const open = () => slots.open(() => Promise.resolve({ end: () => undefined }));
const turns = () => new Promise((resolve) => setImmediate(resolve));

it('at most six channels are open at once; the seventh comes when one is given back', async () => {
  const held = await Promise.all(Array.from({ length: 6 }, open));
  let isOpen = false;
  const seventh = open().then(() => (isOpen = true));
  await turns();
  expect(isOpen).toBe(false);
  held[0]?.release();
  await seventh;
  expect(clock.waiting).toBe(0);
});

it('a slot that never comes is told after a minute, and whoever waits next still gets one', async () => {
  const held = await Promise.all(Array.from({ length: 6 }, open));
  const told = expect(open()).rejects.toMatchObject({ reason: 'timedOut' });
  await turns();
  clock.pass(59_000);
  const next = open();
  await turns();
  clock.pass(1_000);
  await told;
  held[0]?.release();
  await next;
  expect(clock.waiting).toBe(0);
});

it('a waiting shell that hangs at its start is not counted for ever', async () => {
  const hop = {
    endReason: undefined,
    onDidEnd: () => ({ dispose: () => undefined }),
    openExec: () => Promise.resolve({ channel: new StuckChannel() }),
  } as unknown as Hop;
  const shell = new WaitingShell({ hop, slots, clock });
  for (let time = 0; time < 7; time++) {
    (await shell.open('true', { isFollowed: true })).release();
    clock.pass(60_000);
    await turns();
  }
  clock.pass(10_000);
  const held = await Promise.all(Array.from({ length: 6 }, open));
  expect(held).toHaveLength(6);
  expect(clock.waiting).toBe(0);
});

it('file channels that a stuck file system never closes are not counted for ever', async () => {
  const opened: EventEmitter[] = [];
  const hop = {
    host: 'furo',
    endReason: undefined,
    onDidEnd: () => ({ dispose: () => undefined }),
    openSftp: () => {
      const channel = Object.assign(new EventEmitter(), { end: () => undefined });
      opened.push(channel);
      return Promise.resolve(channel as unknown as SFTPWrapper);
    },
  } as unknown as Hop;
  const sftp = new SftpChannels({ hop, host: 'furo', slots, clock });
  for (let time = 0; time < 8; time++) {
    const stuck = (await sftp.main()).call(() => undefined);
    const told = expect(stuck).rejects.toMatchObject({ reason: 'timedOut' });
    clock.pass(120_000);
    await told;
  }
  clock.pass(10_000);
  expect(clock.waiting).toBe(0);
  for (const channel of opened) channel.emit('close');
  const held = await Promise.all(Array.from({ length: 6 }, open));
  const seventh = open();
  await turns();
  held[0]?.release();
  await seventh;
});
