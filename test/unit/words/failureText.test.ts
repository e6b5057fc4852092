// Every failure in words: nothing left out, and every value that a sentence asks for is given where it is thrown.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import japanese from '../../../l10n/bundle.l10n.ja.json';
import { Failure, type FailureValues } from '../../../src/base/failure';
import { failureReasons, failureText } from '../../../src/words/failureText';
import { english, fromBundle } from '../../../src/words/translate';
import { sourceFiles } from './sentences';

const root = join(import.meta.dirname, '../../..');
const languages = [
  ['English', english],
  ['Japanese', fromBundle(japanese)],
] as const;

/** The keys that the sentence of a reason reads. */
function keysAsked(reason: string): string[] {
  const asked = new Set<string>();
  const values = new Proxy<FailureValues>(
    {},
    {
      get(_, key) {
        asked.add(String(key));
        return `<${String(key)}>`;
      },
    },
  );
  failureText({ reason, values }, english);
  return [...asked];
}

describe('failureText', () => {
  it('has a sentence for each reason', () => {
    expect(failureReasons.length).toBeGreaterThan(50);
    expect(new Set(failureReasons).size).toBe(failureReasons.length);
  });

  for (const [language, translate] of languages)
    it.each(failureReasons)(`${language}: %s`, (reason) => {
      const asked = keysAsked(reason);
      const values = Object.fromEntries(asked.map((key) => [key, `<${key}>`]));
      const { message, actions } = failureText(new Failure(reason, values), translate);
      expect(message.trim()).toBe(message);
      expect(message.length).toBeGreaterThan(8);
      expect(message).not.toMatch(/\{\d+\}|undefined|NaN|\[object/);
      for (const key of asked) expect(message).toContain(`<${key}>`);
      expect(actions.length).toBeLessThanOrEqual(2);
      expect(new Set(actions).size).toBe(actions.length);
    });

  it.each(failureReasons)('%s stands without its values, too', (reason) => {
    expect(failureText({ reason, values: {} }, english).message).not.toMatch(/undefined|\{\d/);
  });

  it('tells which jump host a failure on the way is about', () => {
    const values = { host: 'a', jumpHost: 'a', onWayTo: 'b' };
    expect(failureText({ reason: 'hostNotFound', values }, english).message).toBe(
      'There is no machine named a. Check the host in the settings and your network. This is about a, the jump host on the way to b.',
    );
  });

  it.each([
    'proxyCommandFailed',
    'handshakeFailed',
    'hostKeyChanged',
    'hostKeyRevoked',
    'hostKeyUnknown',
    'hostKeyUnchecked',
    'authenticationFailed',
    'loginUnanswered',
    'agentRefused',
    'answerTooLate',
    'keyFileUnreadable',
    'channelRefused',
    'sftpUnavailable',
  ] as const)('%s says what to do next', (reason) => {
    const { message } = failureText({ reason, values: {} }, english);
    const rest = message.slice(message.indexOf('. '));
    expect(rest).toMatch(/\b(ask|check|choose|close|compare|connect|make|try|unlock) /i);
  });

  it('shows an unknown reason as it is, with the log', () => {
    expect(failureText({ reason: 'fromTheFuture', values: {} }, english)).toEqual({
      message: 'fromTheFuture',
      actions: ['showLog'],
    });
  });

  it('puts values in as they are, without reading them', () => {
    const values = { path: '{0} $& $1 {1}', detail: '$`' };
    expect(failureText({ reason: 'localFileFailed', values }, english).message).toBe(
      'The file {0} $& $1 {1} on this computer could not be used: $`',
    );
  });

  it.each([
    ['textList', 'a list of texts'],
    ['elapse', 'a time such as "1:00:00"'],
    ['JSON', 'JSON'],
  ])('says what a setting expects: %s', (expected, words) => {
    const values = { key: 'furo.job.modules', expected };
    expect(failureText({ reason: 'settingInvalid', values }, english).message).toContain(words);
  });
});

interface Thrown {
  readonly reason: string;
  readonly keys: readonly string[];
  readonly place: string;
}

/** Calls such as `sshFailure('noKey', { host })` whose values stand there whole. */
function thrownFailures(): Thrown[] {
  const found: Thrown[] = [];
  const makers = ['sshFailure', 'syncFailure', 'jobFailure', 'uiFailure'];
  for (const file of sourceFiles('src')) {
    const text = readFileSync(file, 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && makers.includes(node.expression.getText(source))) {
        const [reason, values] = node.arguments;
        const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        const isWhole =
          !values ||
          (ts.isObjectLiteralExpression(values) &&
            !values.properties.some((property) => ts.isSpreadAssignment(property)));
        if (reason && ts.isStringLiteral(reason) && isWhole)
          found.push({
            reason: reason.text,
            keys: (values?.properties ?? []).map(
              (property) => property.name?.getText(source) ?? '',
            ),
            place: `${relative(root, file)}:${line}`,
          });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

describe('where failures are thrown', () => {
  const thrown = thrownFailures();

  it('is found by the scanner', () => {
    expect(thrown.length).toBeGreaterThan(30);
    expect(thrown.some(({ keys }) => keys.length > 1)).toBe(true);
  });

  it.each(thrown)('$place $reason gives the values of its sentence', ({ reason, keys }) => {
    expect(failureReasons).toContain(reason);
    expect(keysAsked(reason).filter((key) => !keys.includes(key))).toEqual([]);
  });
});
