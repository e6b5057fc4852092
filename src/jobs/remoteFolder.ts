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
  const { stdout } = await remote.exec('printf %s "$HOME"', { ...(signal && { signal }) });
  if (!stdout.startsWith('/'))
    throw jobFailure('remoteFolderUnusable', { folder: text, detail: stdout });
  return remotePath(stdout + text.slice(1));
}
