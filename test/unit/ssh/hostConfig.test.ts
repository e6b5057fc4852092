// What it means that `ssh` could not be started. The system is played: it cannot be made short of processes for a test.
import { expect, it, vi } from 'vitest';
import { askOpenSsh } from '../../../src/ssh/hostConfig';

type Done = (error: Error, stdout: string, stderr: string) => void;
let code = '';

vi.mock('node:child_process', () => ({
  execFile: (_program: string, _words: unknown, _options: unknown, done: Done) => {
    done(Object.assign(new Error(`spawn ssh ${code}`), { code }), '', '');
  },
}));

it.each(['EAGAIN', 'EMFILE'])('%s passes, so ssh is asked again later', async (name) => {
  code = name;
  await expect(askOpenSsh({ host: 'a' })).rejects.toMatchObject({
    reason: 'sshConfigUnanswered',
    values: { host: 'a', detail: name },
  });
});

it.each(['ENOENT', 'EACCES'])('%s means that there is no ssh to ask', async (name) => {
  code = name;
  expect(await askOpenSsh({ host: 'a' })).toBeUndefined();
});
