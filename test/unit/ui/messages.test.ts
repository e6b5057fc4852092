// Text of a server in what the editor shows: it never becomes a link, which could run a command of the editor.
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Failure, type FailureValues } from '../../../src/base/failure';
import { silentLogger } from '../../../src/base/log';
import { withProgress } from '../../../src/ui/messages';
import { askAboutFailure, showFailure } from '../../../src/ui/showFailure';
import { sshPrompts } from '../../../src/ui/sshPrompts';
import { failureReasons } from '../../../src/words/failureText';
import { sourceFiles } from '../words/sentences';

const { shown, editor } = vi.hoisted(() => {
  const shown: string[] = [];
  const show = (text: string) => {
    shown.push(text);
    return Promise.resolve(undefined);
  };
  const fill = (text: string, ...values: unknown[]) =>
    text.replace(/\{(\d)\}/g, (_, index: string) => String(values[Number(index)]));
  const editor = {
    l10n: { t: fill },
    window: {
      showErrorMessage: show,
      showWarningMessage: show,
      showInformationMessage: show,
      showInputBox: ({ prompt = '' }) => show(prompt),
      withProgress: ({ title = '' }, task: (progress: unknown, token: unknown) => unknown) => {
        shown.push(title);
        return task({ report: ({ message = '' }) => show(message) }, {});
      },
    },
    CancellationTokenSource: class {
      readonly token = {};
      cancel(): void {
        return undefined;
      }
      dispose(): void {
        return undefined;
      }
    },
  };
  return { shown, editor };
});
vi.mock('vscode', () => editor);

const link = '[Fix it](command:workbench.extensions.installExtension?%22evil.ext%22)';
/** What the editor takes for a link. */
const linkPattern = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/i;

const context = { log: silentLogger, showLog: () => undefined };

beforeEach(() => {
  shown.length = 0;
});

function expectNoLink(): void {
  expect(link).toMatch(linkPattern);
  expect(shown.join('')).toContain('Fix it');
  for (const text of shown) expect(text).not.toMatch(linkPattern);
}

describe('a link in a foreign value is shown as text', () => {
  const values = new Proxy<FailureValues>({}, { get: () => link, has: () => true });

  it.each(failureReasons)('by the failure %s', async (reason) => {
    await showFailure(new Failure(reason, values), context);
    await askAboutFailure(new Failure(reason, values), context);
    expect(shown).toHaveLength(2);
    expectNoLink();
  });

  it('by a defect', async () => {
    await showFailure(new Error(link), context);
    expectNoLink();
  });

  it('by the questions of a login', async () => {
    const { signal } = new AbortController();
    const from = { host: 'host', user: 'me' };
    const prompts = [{ text: link, echo: true }];
    await sshPrompts.askKeyboard({ ...from, title: '', instructions: '', prompts }, signal);
    await sshPrompts.askKeyboard({ ...from, title: link, instructions: link, prompts }, signal);
    expect(shown).toHaveLength(2);
    expectNoLink();
  });

  it('by progress', async () => {
    const options = { title: link, location: { viewId: 'any' } };
    await withProgress(options, (progress) => {
      progress.report({ message: link });
      return Promise.resolve();
    });
    expect(shown).toHaveLength(2);
    expectNoLink();
  });
});

it('all of ui/ speaks by messages.ts only', () => {
  const direct = /window\s*\.(show(Error|Warning|Information)Message|showInputBox|withProgress)/;
  const others = sourceFiles('src/ui').filter((file) => direct.test(readFileSync(file, 'utf8')));
  expect(others.map((file) => file.slice(file.lastIndexOf('/') + 1))).toEqual(['messages.ts']);
});
