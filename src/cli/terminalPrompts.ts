// The questions of a login, asked in a terminal. Without one every answer is no.
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { SshPrompts } from '../ssh/prompts';
import type { Translate } from '../words/translate';
import { harmless } from './terminal';

export function terminalPrompts(t: Translate): SshPrompts {
  return {
    async confirmHostKey({ host, keyType, fingerprint, storedIn, known }, signal) {
      const question = known
        ? t(
            'Be careful: another key of {0} is remembered already in {4}, and now it shows one of another type. Somebody may be in between, or the machine was set up anew. Its {1} key has the fingerprint\n  {2}\nCompare it with the one that the computer centre publishes. If you trust it, it is stored in {3}. Do you trust it? Type yes: ',
            host,
            keyType,
            fingerprint,
            storedIn,
            `${known.file}:${known.line}`,
          )
        : t(
            'The machine {0} is not known yet. Its {1} key has the fingerprint\n  {2}\nIf you trust it, it is stored in {3}. Do you trust it? Type yes: ',
            host,
            keyType,
            fingerprint,
            storedIn,
          );
      return (await ask(question, { signal, echo: true })) === 'yes';
    },
    async askPassphrase({ file }, signal) {
      const passphrase = await ask(t('Passphrase of {0}: ', file), { signal, echo: false });
      return passphrase === undefined ? undefined : { passphrase, isKept: false };
    },
    askPassword: ({ host, user }, signal) =>
      ask(t('Password of {0} on {1}: ', user, host), { signal, echo: false }),
    async askKeyboard({ host, title, instructions, prompts }, signal) {
      // What the machine says stands behind its name, so that nobody takes it for ours.
      const said = [title, instructions].filter((text) => text.trim() !== '').map(harmless);
      if (said.length > 0 && process.stdin.isTTY)
        process.stderr.write(`${host}: ${said.join(' / ')}\n`);
      const answers: string[] = [];
      for (const { text, echo } of prompts) {
        const answer = await ask(`${host}: ${harmless(text)}`, { signal, echo });
        if (answer === undefined) return undefined;
        answers.push(answer);
      }
      return answers;
    },
  };
}

/** The answer typed at a terminal; undefined where there is none. */
export async function ask(
  question: string,
  { signal, echo }: { signal: AbortSignal; echo: boolean },
): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const silent = new Writable({ write: (_chunk, _encoding, done) => { done(); } }); // prettier-ignore
  const reader = createInterface({
    input: process.stdin,
    output: echo ? process.stderr : silent,
    terminal: true,
  });
  // Only now does the terminal show no more what is typed.
  process.stderr.write(question);
  try {
    return await reader.question('', { signal });
  } finally {
    reader.close();
    if (!echo) process.stderr.write('\n');
  }
}
