// Why a file could not be written, where the file server says no more than "failure": asks the machine's own words.
import type { Remote, RemotePath } from './remote';
import { shellQuote, shellScript } from './shellQuote';

/** What the system says about a full disk or quota at `path`; undefined where it is something else. */
export async function explainWriteError(
  remote: Pick<Remote, 'exec'>,
  path: RemotePath,
): Promise<string | undefined> {
  const file = shellQuote(path);
  const script = `export LC_ALL=C; dd if=/dev/zero bs=65536 count=1 >>${file}; rm -f ${file}\n`;
  try {
    const { command, stdin } = shellScript(script);
    const { stderr } = await remote.exec(command, { stdin, timeoutMs: 10_000 });
    return stderr.split('\n').find((line) => /space|quota/i.test(line));
  } catch {
    return undefined;
  }
}
