// The questions of a login, asked in the editor. Answers go back to ssh/ and are kept nowhere.
import * as vscode from 'vscode';
import type { SshPrompts } from '../ssh/prompts';

export const sshPrompts: SshPrompts = {
  async confirmHostKey({ host, port, keyType, fingerprint, storedIn }) {
    const connect = vscode.l10n.t('Trust and Connect');
    const chosen = await vscode.window.showWarningMessage(
      vscode.l10n.t('Do you trust the machine {0}?', `${host}:${port}`),
      {
        modal: true,
        detail: vscode.l10n.t(
          'You connect to it for the first time. Compare the fingerprint of its {0} key with the one that the computer centre publishes:\n\n{1}\n\nNothing is sent before you decide. If you trust it, the key is stored in {2}, and a changed key will be refused later.',
          keyType,
          fingerprint,
          storedIn,
        ),
      },
      connect,
    );
    return chosen === connect;
  },

  async askPassphrase(file, signal) {
    return ask(signal, {
      password: true,
      ignoreFocusOut: true,
      title: vscode.l10n.t('Passphrase of {0}', file),
    });
  },

  async askKeyboard({ title, instructions, prompts, host }, signal) {
    const answers: string[] = [];
    for (const { text, echo } of prompts) {
      const answer = await ask(signal, {
        password: !echo,
        ignoreFocusOut: true,
        title: title === '' ? host : `${host}: ${title}`,
        prompt: [instructions, text].filter(Boolean).join(' '),
      });
      if (answer === undefined) return undefined;
      answers.push(answer);
    }
    return answers;
  },
};

async function ask(
  signal: AbortSignal,
  options: vscode.InputBoxOptions,
): Promise<string | undefined> {
  const cancel = new vscode.CancellationTokenSource();
  const onAbort = () => {
    cancel.cancel();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await vscode.window.showInputBox(options, cancel.token);
  } finally {
    signal.removeEventListener('abort', onAbort);
    cancel.dispose();
  }
}
