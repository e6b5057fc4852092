// What somebody who follows a job in a terminal hears of the connection.
import { describe, expect, it } from 'vitest';
import { follow, type Context } from '../../../src/cli/commands';
import { Emitter } from '../../../src/base/emitter';
import type { Job } from '../../../src/jobs/job';
import type { ConnectionState } from '../../../src/ssh/connectionState';
import { sshFailure } from '../../../src/ssh/failures';
import { english } from '../../../src/words/translate';

const connected: ConnectionState = { kind: 'connected', sinceMs: 0 };
const waiting: ConnectionState = { kind: 'waiting', attempt: 1, retryAtMs: 0 };
const connecting: ConnectionState = { kind: 'connecting', attempt: 1 };
const blocked: ConnectionState = { kind: 'blocked', reason: 'personNeeded', isUnattended: true };

const ended: Job['phase'] = { kind: 'finished', outcome: { kind: 'succeeded' }, endedMs: 0 };

/** A followed job whose connection the test moves. */
class Following {
  readonly states = new Emitter<ConnectionState>();
  readonly jobs = new Emitter<{ after: Job }>();
  readonly lines: string[] = [];
  readonly abort = new AbortController();
  readonly end: Promise<Job>;
  asked = 0;

  constructor(login: () => Promise<void> = () => Promise.resolve()) {
    const job = { id: 'a', name: 'job', phase: { kind: 'running' } } as Job;
    const session = {
      remote: { onDidChangeState: this.states.event, connect: () => ((this.asked += 1), login()) },
      center: { onDidOutput: new Emitter().event },
      store: { get: () => job, onDidChange: this.jobs.event },
    };
    const screen = { write: (text: string) => this.lines.push(text.trim()) };
    const context = { session, screen, translate: english, signal: this.abort.signal };
    this.end = follow(context as unknown as Context, 'a');
    this.end.catch(() => undefined);
    this.lines.length = 0;
  }

  move(...states: ConnectionState[]): void {
    for (const state of states) this.states.fire(state);
  }
}

describe('furo run and furo logs -f', () => {
  it('tell once that the connection is away, and that it is back', () => {
    const following = new Following();
    following.move(waiting, connecting, waiting, connecting, waiting, connecting, connected);
    expect(following.lines).toEqual([
      expect.stringContaining('There is no connection now.'),
      expect.stringMatching(/connected$/),
    ]);
    following.move(waiting);
    expect(following.lines).toHaveLength(3);
    expect(following.asked).toBe(0);
  });

  it('ask whoever typed them when a login needs a person', async () => {
    const following = new Following();
    following.move(waiting, connecting, blocked, connecting, connected);
    expect(following.lines[1]).toContain('needs an answer from you');
    expect(following.asked).toBe(1);
    following.jobs.fire({ after: { id: 'a', phase: ended } as Job });
    expect((await following.end).id).toBe('a');
  });

  it('end with the reason when the login fails all the same', async () => {
    const failure = sshFailure('noKey', { host: 'furo', user: 'me' });
    const following = new Following(() => {
      following.move(connecting, { kind: 'blocked', reason: 'noKey' });
      return Promise.reject(failure);
    });
    following.move(waiting, connecting, blocked);
    await expect(following.end).rejects.toBe(failure);
    expect(following.asked).toBe(1);
  });
});
