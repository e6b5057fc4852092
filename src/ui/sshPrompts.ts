// The questions of a login, asked in the editor. Answers go back to ssh/ and are kept nowhere.
import * as vscode from 'vscode';
import type { HostKeyQuestion, SshPrompts } from '../ssh/prompts';
import { showInputBox, showWarning } from './messages';

/** Dialogs that stand on the screen, by what they ask. */
const openQuestions = new Map<string, Promise<boolean>>();

export const sshPrompts: SshPrompts = {
  async confirmHostKey(question, signal) {
    if (signal.aborted) return false;
    // Nobody but a person can close the dialog, so a second attempt that asks the same takes the answer to the first.
    const id = JSON.stringify(question);
    const asked = openQuestions.get(id) ?? askHostKey(question);
    openQuestions.set(id, asked);
    try {
      return (await asked) && !signal.aborted;
    } finally {
      openQuestions.delete(id);
    }
  },

  async askPassphrase({ file, isAgain, canBeKept }, signal) {
    const passphrase = await ask(signal, {
      password: true,
      ignoreFocusOut: true,
      title: vscode.l10n.t('Passphrase of {0}', file),
      ...(isAgain && { prompt: vscode.l10n.t('It did not fit. Please try again.') }),
    });
    if (passphrase === undefined) return undefined;
    return { passphrase, isKept: canBeKept && (await askToKeep(file, signal)) };
  },

  askPassword({ host, user, isAgain }, signal) {
    return ask(signal, {
      password: true,
      ignoreFocusOut: true,
      title: vscode.l10n.t('Password of {0} on {1}', user, host),
      prompt: isAgain
        ? vscode.l10n.t('It was refused. Please try again.')
        : vscode.l10n.t('It is sent to this machine only and never stored.'),
    });
  },

  async askKeyboard({ title, instructions, prompts, host }, signal) {
    const answers: string[] = [];
    for (const { text, echo } of prompts) {
      const answer = await ask(signal, {
        password: !echo,
        ignoreFocusOut: true,
        // What the machine says stands behind its name, so that nobody takes it for ours.
        title: vscode.l10n.t('{0} asks', host),
        prompt: `${host}: ${[title, instructions, text].map(plain).filter(Boolean).join(' / ')}`,
      });
      if (answer === undefined) return undefined;
      answers.push(answer);
    }
    return answers;
  },
};

async function askHostKey(question: HostKeyQuestion): Promise<boolean> {
  const { host, port, keyType, fingerprint, storedIn, known } = question;
  const connect = vscode.l10n.t('Trust and Connect');
  const chosen = await showWarning(
    vscode.l10n.t('Do you trust the machine {0}?', `${host}:${port}`),
    {
      modal: true,
      detail: known
        ? vscode.l10n.t(
            'Be careful: another key of this machine is remembered already in {3}, and now it shows one of another type. Somebody may be in between, or the machine was set up anew. Compare the fingerprint of its {0} key with the one that the computer centre publishes:\n\n{1}\n\nNothing is sent before you decide. If you trust it, the key is stored in {2}, beside the other one.',
            keyType,
            fingerprint,
            storedIn,
            `${known.file}:${known.line}`,
          )
        : vscode.l10n.t(
            'You connect to it for the first time. Compare the fingerprint of its {0} key with the one that the computer centre publishes:\n\n{1}\n\nNothing is sent before you decide. If you trust it, the key is stored in {2}, and a changed key will be refused later.',
            keyType,
            fingerprint,
            storedIn,
          ),
    },
    connect,
  );
  return chosen === connect;
}

/** Off unless chosen: Enter alone keeps the passphrase for this window only. */
async function askToKeep(file: string, signal: AbortSignal): Promise<boolean> {
  const notKept = vscode.l10n.t('Only until this window closes');
  const kept = vscode.l10n.t("Keep it in VS Code's secret storage");
  const chosen = await cancellable(signal, (token) =>
    vscode.window.showQuickPick(
      [notKept, kept],
      { title: vscode.l10n.t('Passphrase of {0}', file), ignoreFocusOut: true },
      token,
    ),
  );
  return chosen === kept;
}

/** A text of the server on one line, cut so that it cannot fill the window. */
function plain(text: string): string {
  return text
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, 300);
}

function ask(signal: AbortSignal, options: vscode.InputBoxOptions): Promise<string | undefined> {
  return cancellable(signal, (token) => showInputBox(options, token));
}

async function cancellable<T>(
  signal: AbortSignal,
  show: (token: vscode.CancellationToken) => Thenable<T>,
): Promise<T> {
  const cancel = new vscode.CancellationTokenSource();
  const onAbort = () => {
    cancel.cancel();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await show(cancel.token);
  } finally {
    signal.removeEventListener('abort', onAbort);
    cancel.dispose();
  }
}
