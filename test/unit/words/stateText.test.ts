// The state of a job in words. EXT is not success: PJM code, exit code and signal decide (Command Reference, PC).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import japanese from '../../../l10n/bundle.l10n.ja.json';
import type { Job, JobPhase } from '../../../src/jobs/job';
import { outcomeOf } from '../../../src/jobs/outcome';
import { defaultSettings } from '../../../src/settings';
import {
  causeText,
  durationText,
  outcomeText,
  listText,
  phaseText,
  progressText,
  resultsNotesText,
  shortStateText,
} from '../../../src/words/stateText';
import { runtimeReasons } from '../../../src/words/runtimeFailureWords';
import { english, fromBundle } from '../../../src/words/translate';

const inJapanese = fromBundle(japanese);

function job(progress?: Job['progress']): Job {
  return {
    id: 'x',
    name: 'a',
    resourceGroup: 'cx-share',
    elapseLimitSeconds: 3600,
    target: 'u@h:22',
    workspaceFolder: '/w',
    submittedMs: 0,
    phase: { kind: 'running', state: 'RUN' },
    workflow: {
      name: 'a',
      settings: defaultSettings.job,
      work: { kind: 'script', script: 'a.sh' },
    },
    ...(progress && { progress }),
  };
}

it('joins the parts of a line with the comma of the language', () => {
  expect(listText(['', 'done', '', '3 of 3'], english)).toBe('done, 3 of 3');
  expect(listText(['完了', '3 件', '原因'], inJapanese)).toBe('完了、3 件、原因');
  expect(listText([], english)).toBe('');
});

it.each([
  [{ kind: 'waiting', state: 'QUE', plannedStart: '11/26 19:48' }, 'waiting'],
  [{ kind: 'waiting', state: 'HLD' }, 'held'],
  [{ kind: 'running', state: 'RUN' }, 'running 1/3'],
] as const)('is short in a row of the list: %j', (phase, text) => {
  const progress = { stage: 'generating', done: 1, failed: 0, total: 3 } as const;
  const waits = phase.kind === 'waiting';
  expect(shortStateText({ ...job(waits ? undefined : progress), phase }, english)).toBe(text);
});

describe('phaseText', () => {
  it.each<[JobPhase, string, string]>([
    [{ kind: 'submitting', sinceMs: 0 }, 'submitting', '投入中'],
    [{ kind: 'waiting', state: 'QUE' }, 'waiting', '待機中'],
    [{ kind: 'waiting', state: 'ACC' }, 'waiting', '待機中'],
    [
      { kind: 'waiting', state: 'RNA', plannedStart: '11/17 09:01' },
      'waiting, planned for 11/17 09:01',
      '待機中 (開始予定 11/17 09:01)',
    ],
    [{ kind: 'waiting', state: 'HLD', plannedStart: '11/17 09:01' }, 'held', '保留中'],
    [{ kind: 'waiting', state: 'ERR' }, 'stopped by a system error', 'システムエラーで停止'],
    [{ kind: 'running', state: 'RUN' }, 'running', '実行中'],
    [{ kind: 'running', state: 'RNO' }, 'running', '実行中'],
    [{ kind: 'unknown', lastSeenMs: 0 }, 'unknown', '不明'],
    [{ kind: 'unknown', lastState: 'RUN', lastSeenMs: 0 }, 'unknown', '不明'],
    [{ kind: 'finished', outcome: { kind: 'succeeded' }, endedMs: 0 }, 'done', '完了'],
    [{ kind: 'finished', outcome: { kind: 'cancelled' }, endedMs: 0 }, 'cancelled', 'キャンセル済み'], // prettier-ignore
    [{ kind: 'finished', outcome: { kind: 'rejected', reason: '' }, endedMs: 0 }, 'rejected by PJM', 'PJM が拒否'], // prettier-ignore
    [{ kind: 'finished', outcome: { kind: 'rejected', reason: 'neverSubmitted' }, endedMs: 0 }, 'not submitted', '未投入'], // prettier-ignore
  ])('%j', (phase, inEnglish, translated) => {
    expect(phaseText(phase, english)).toBe(inEnglish);
    expect(phaseText(phase, inJapanese)).toBe(translated);
  });
});

describe('the end of a job, as PJM prints it', () => {
  const end = (state: string, pjmCode?: number, exitCode?: number, signal?: number) =>
    outcomeText(
      outcomeOf(
        state,
        {
          ...(pjmCode !== undefined && { pjmCode }),
          ...(exitCode !== undefined && { exitCode }),
          ...(signal !== undefined && { signal }),
        },
        undefined,
      ),
      english,
    );

  it.each([
    ['EXT', 0, 0, undefined, 'done'],
    ['EXT', 0, 0, 0, 'done'],
    ['EXT', 0, 1, undefined, 'failed (exit code 1)'],
    ['EXT', 0, 137, 0, 'failed (exit code 137)'],
    ['EXT', 0, 75, undefined, 'interrupted; run it again for the rest'],
    ['EXT', 0, 0, 9, 'failed (signal 9)'],
    // At the time limit the exit code is often 0; Genkai showed PJM code 11 with signal 24.
    ['EXT', 11, 0, 24, 'stopped at the time limit'],
    ['EXT', 11, 75, 24, 'stopped at the time limit'],
    ['EXT', 12, 0, 9, 'stopped at the memory limit'],
    ['EXT', 23, 137, 9, 'stopped at the memory limit'],
    ['EXT', 16, undefined, undefined, 'failed: a folder or output file could not be used'],
    ['EXT', 20, undefined, undefined, 'failed: the node went down'],
    ['EXT', 21, undefined, undefined, 'failed: the script could not be started'],
    ['EXT', 26, 0, undefined, 'failed (PJM code 26)'],
    ['EXT', 1, 143, 15, 'cancelled'],
    ['CCL', 1, undefined, 15, 'cancelled'],
    ['CCL', undefined, undefined, undefined, 'cancelled'],
    ['RJT', 2, undefined, undefined, 'rejected by PJM'],
    // Nothing known is not success.
    ['EXT', undefined, undefined, undefined, 'failed'],
    ['EXT', undefined, 0, undefined, 'failed'],
    ['EXT', 0, undefined, undefined, 'failed'],
  ])('%s PC %s EC %s SN %s: %s', (state, pjmCode, exitCode, signal, expected) => {
    expect(end(state, pjmCode, exitCode, signal)).toBe(expected);
  });

  it('says the same of every end in Japanese', () => {
    const codes = [undefined, 0, 1, 11, 12, 16, 20, 21, 23, 26];
    for (const pjmCode of codes)
      for (const exitCode of [undefined, 0, 1, 75])
        for (const signal of [undefined, 9])
          expect(outcomeText({ kind: 'failed', pjmCode, exitCode, signal }, inJapanese)).toMatch(
            /[぀-ヿ一-鿿]/,
          );
  });
});

describe('progressText', () => {
  it.each([
    [undefined, '', ''],
    [
      { stage: 'loading', done: 0, failed: 0, total: 0 },
      'loading the model',
      'モデルを読み込んでいます',
    ],
    [
      { stage: 'generating', done: 3, failed: 0, total: 24 },
      '3 of 24 answered',
      '24 件中 3 件を回答',
    ],
    [
      { stage: 'finished', done: 24, failed: 2, total: 24 },
      '24 of 24 answered, 2 failed',
      '24 件中 24 件を回答, 2 件失敗',
    ],
  ] as const)('%j', (progress, inEnglish, translated) => {
    expect(progressText(job(progress), english)).toBe(inEnglish);
    expect(progressText(job(progress), inJapanese)).toBe(translated);
  });
});

describe('what came otherwise than it is there', () => {
  const whys = ['unsafe', 'reserved', 'collides', 'notAFile', 'tooDeep', 'linkInTheWay', 'permissionDenied', 'gone'] as const; // prettier-ignore

  it.each(whys)('%s is told in both languages', (why) => {
    const resultsNotes = { keptAside: [], skipped: [{ path: 'a.out', why, other: 'A.out' }] };
    const [sentence = ''] = resultsNotesText({ resultsNotes }, english);
    expect(sentence).toMatch(/^a\.out was not brought: .*\.$/);
    expect(sentence.includes('A.out')).toBe(why === 'collides');
    expect(resultsNotesText({ resultsNotes }, inJapanese)).toEqual([
      expect.stringMatching(/^a\.out は取得できませんでした: .*[ぁ-ヿ一-鿿].*。$/),
    ]);
  });

  it('an edited file is named with the name that it has now', () => {
    const resultsNotes = { keptAside: [{ path: 'a.out', copy: 'a.local.out' }], skipped: [] };
    expect(resultsNotesText({ resultsNotes }, inJapanese)).toEqual([
      'a.out はこのコンピューターで編集されていました。編集したファイルは a.local.out として、新しいファイルの隣に残してあります。',
    ]);
  });
});

describe('why a program gave up', () => {
  const runtime = join(import.meta.dirname, '../../../python-runtime/furo_infer');
  const python = readdirSync(runtime, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.py'))
    .map((file) => readFileSync(join(runtime, file), 'utf8'))
    .join('\n');
  /** The reasons of every failure that ends a run for the model, the device, or the records. */
  const reasons = [...python.matchAll(/\b(?:Model|Device|Input)Error\(\s*"(\w+)"/g)].map(
    ([, reason = '']) => reason,
  );

  it.each([...new Set(reasons)].sort())('%s has a heading and a remedy of its own', (reason) => {
    const failure = { reason, message: 'The words of furo_infer.' };
    const text = causeText({ failure }, inJapanese);
    expect(text).toMatch(
      /[ぁ-ヿ一-鿿].*。.*ください.*。 プログラムのメッセージ: The words of furo_infer\.$/,
    );
    expect(causeText({ failure }, english)).toMatch(
      /^[A-Z].*\. It says: The words of furo_infer\.$/,
    );
  });

  it('has no words for a reason that furo_infer does not know', () => {
    expect(reasons.length).toBeGreaterThan(8);
    expect(runtimeReasons.filter((reason) => !python.includes(`"${reason}"`))).toEqual([]);
  });

  it('is shown as it came where the reason is unknown, and marked where it is the last line', () => {
    const message = 'something new';
    for (const reason of ['newReason', 'constructor', 'toString'])
      expect(causeText({ failure: { reason, message } }, inJapanese)).toBe(message);
    expect(causeText({ failure: { reason: 'lastOutput', message } }, english)).toBe(
      'its last line: something new',
    );
    expect(causeText({}, english)).toBe('');
  });
});

describe('durationText', () => {
  it.each([
    [0, '0:00:00'],
    [310, '0:05:10'],
    [59.6, '0:01:00'],
    [3599.5, '1:00:00'],
    [1_209_600, '336:00:00'],
    [-5, '0:00:00'],
  ])('%d s', (seconds, expected) => {
    expect(durationText(seconds)).toBe(expected);
  });
});

describe('english', () => {
  it.each([
    ['{0} of {1}', [1, 2], '1 of 2'],
    ['{1} {0} {1}', ['a', 'b'], 'b a b'],
    ['{0}', ['{1}', 'x'], '{1}'],
    ['{0} {1}', ['a'], 'a {1}'],
    ['none', [], 'none'],
    ['{0}', ['$&'], '$&'],
  ])('%s %j', (message, values, expected) => {
    expect(english(message, ...values)).toBe(expected);
  });
});
