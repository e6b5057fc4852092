// The connection in words: each state and each step of a check, in both languages, with what to do about it.
import { describe, expect, it } from 'vitest';
import japanese from '../../../l10n/bundle.l10n.ja.json';
import { Failure } from '../../../src/base/failure';
import { checkSteps, type CheckedStep } from '../../../src/jobs/checkResult';
import { needsPerson, type ConnectionState } from '../../../src/ssh/connectionState';
import { checkedStepText } from '../../../src/words/checkWords';
import { checkLines } from '../../../src/words/checkText';
import { connectionAdvice, connectionText, nextStep } from '../../../src/words/connectionWords';
import { failureReasons } from '../../../src/words/failureText';
import { english, fromBundle } from '../../../src/words/translate';
import { textWidth } from '../../../src/words/wrap';

const inJapanese = fromBundle(japanese);
const personReasons = failureReasons.filter(needsPerson);

describe('the state of the connection', () => {
  it('counts down in whole seconds, never below zero', () => {
    const state: ConnectionState = { kind: 'waiting', attempt: 3, retryAtMs: 12_000 };
    expect(connectionText(state, 0, english)).toBe('reconnecting in 12 s');
    expect(connectionText(state, 11_001, english)).toBe('reconnecting in 1 s');
    expect(connectionText(state, 20_000, english)).toBe('reconnecting in 0 s');
    expect(connectionText(state, 0, inJapanese)).toBe('12 秒後に再接続');
    expect(nextStep(state)).toBe('reconnect');
  });

  it('asks for nothing while all is well', () => {
    const states: ConnectionState[] = [
      { kind: 'disconnected' },
      { kind: 'connecting', attempt: 0 },
      { kind: 'connected', sinceMs: 0 },
    ];
    for (const state of states) {
      expect(nextStep(state)).toBeUndefined();
      expect(connectionAdvice(state, 0, english)).toBeUndefined();
    }
  });

  it('knows reasons that only a person can help with', () => {
    expect(personReasons.length).toBeGreaterThan(8);
  });

  it.each(personReasons)('blocked by %s: a few words, advice and a next step', (reason) => {
    const state: ConnectionState = { kind: 'blocked', reason };
    const short = connectionText(state, 0, english);
    expect(short).not.toBe('waits for you');
    expect(short.length).toBeLessThanOrEqual(24);
    expect(connectionAdvice(state, 0, english)).toMatch(/\.$/);
    expect(connectionAdvice(state, 0, inJapanese)).toMatch(/。$/);
    expect(nextStep(state)).toBeDefined();
  });

  it('has words that are always true for a reason of a later version', () => {
    const state: ConnectionState = { kind: 'blocked', reason: 'fromTheFuture' };
    expect(connectionText(state, 0, english)).toBe('waits for you');
    expect(nextStep(state)).toBe('checkConnection');
  });
});

describe('a step of a check', () => {
  it.each(checkSteps)('%s that failed says what helps', (step) => {
    const failure = new Failure('timedOut', { operation: 'exec', seconds: 30 });
    for (const t of [english, inJapanese]) {
      const { text, remedy } = checkedStepText({ step, state: 'failed', failure }, t);
      expect(text).toContain('30');
      expect(remedy?.length).toBeGreaterThan(10);
    }
  });

  it('fits the width in both languages, whatever a server calls itself', () => {
    const values = { host: 'h'.repeat(300), port: 22, banner: `SSH-2.0-${'x'.repeat(300)}` };
    const steps: CheckedStep[] = [{ step: 'port', state: 'ok', finding: 'portAnswers', values }];
    for (const t of [english, inJapanese])
      for (const { text } of checkLines({ steps, course: 'running' }, t, 60))
        expect(textWidth(text)).toBeLessThanOrEqual(60);
  });
});
