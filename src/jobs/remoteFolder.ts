// The remote folder of the settings as an absolute path. Knows `~` only as the login shell's home.
import { remotePath, type Remote, type RemotePath } from '../ssh/remote';
import { jobFailure } from './failures';

/** Accepts `/absolute/folder`, `~` and `~/folder`; asks the machine for its home where needed. */
export async function resolveRemoteFolder(
  remote: Pick<Remote, 'exec'>,
  text: string,
  signal?: AbortSignal,
): Promise<RemotePath> {
  if (text === '') throw jobFailure('settingsMissing', { keys: 'furo.connection.remoteFolder' });
  if (text.startsWith('/')) return remotePath(text);
  if (text !== '~' && !text.startsWith('~/'))
    throw jobFailure('remoteFolderUnusable', { folder: text, detail: '' });
  // Start-up files of the shell may print before, and they are not always ended by a line break.
  const question = String.raw`printf "\nfuro-home:%s\n" "$HOME"`;
  const { stdout, stderr } = await remote.exec(question, { ...(signal && { signal }) });
  const home = /^furo-home:(\/.*)$/m.exec(stdout)?.[1];
  if (home === undefined) {
    const detail = `${stdout}${stderr}`.trim().slice(0, 300);
    throw jobFailure('remoteFolderUnusable', { folder: text, detail });
  }
  return remotePath(home + text.slice(1));
}
