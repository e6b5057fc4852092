// The question about a host key in the editor: what it says, and when it is asked.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { HostKeyQuestion } from '../../../src/ssh/prompts';
import { sshPrompts } from '../../../src/ui/sshPrompts';

const { dialogs, editor } = vi.hoisted(() => {
  interface Dialog {
    readonly detail: string;
    readonly choose: (label: string | undefined) => void;
  }
  const dialogs: Dialog[] = [];
  const fill = (text: string, ...values: unknown[]) =>
    text.replace(/\{(\d)\}/g, (_, index: string) => String(values[Number(index)]));
  const editor = {
    l10n: { t: fill },
    window: {
      showWarningMessage: (_text: string, { detail }: { detail: string }) =>
        new Promise((choose) => dialogs.push({ detail, choose })),
    },
  };
  return { dialogs, editor };
});
vi.mock('vscode', () => editor);

const yes = 'Trust and Connect';
const question: HostKeyQuestion = {
  host: 'login',
  port: 22,
  keyType: 'ssh-rsa',
  fingerprint: 'SHA256:abc',
  storedIn: '/own/trust',
  name: 'login',
};

afterEach(async () => {
  for (const { choose } of dialogs.splice(0)) choose(undefined);
  await new Promise(setImmediate);
});

describe('the question about a host key', () => {
  it('tells a first contact from a key of another type than the remembered one', () => {
    const { signal } = new AbortController();
    const known = { file: '/home/known_hosts', line: 7 };
    void sshPrompts.confirmHostKey(question, signal);
    void sshPrompts.confirmHostKey({ ...question, known }, signal);
    const [first = '', other = ''] = dialogs.map(({ detail }) => detail);
    expect(first).toContain('for the first time');
    expect(other).not.toContain('for the first time');
    expect(other).toContain('remembered already in /home/known_hosts:7');
    for (const detail of [first, other]) expect(detail).toContain('SHA256:abc');
  });

  it('is not asked for an attempt that is over', async () => {
    expect(await sshPrompts.confirmHostKey(question, AbortSignal.abort())).toBe(false);
    expect(dialogs).toEqual([]);
  });

  it('is asked once for an attempt that died and the one after it, which gets the answer', async () => {
    const died = new AbortController();
    const first = sshPrompts.confirmHostKey(question, died.signal);
    died.abort();
    const second = sshPrompts.confirmHostKey(question, new AbortController().signal);
    expect(dialogs).toHaveLength(1);
    dialogs[0]?.choose(yes);
    expect(await Promise.all([first, second])).toEqual([false, true]);
    void sshPrompts.confirmHostKey(question, new AbortController().signal);
    expect(dialogs).toHaveLength(2);
  });
});
