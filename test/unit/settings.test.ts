// The `furo.*` settings as one value: every key is read, every wrong value is told and replaced.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defaultSettings,
  politePollSeconds,
  readSettings,
  settingKeys,
  type SettingKey,
} from '../../src/settings';

const read = (values: Readonly<Record<string, unknown>>) => readSettings((key) => values[key]);

/** Another value for every key, and the place of `Settings` where it has to arrive. */
const others: Readonly<
  Record<SettingKey, readonly [given: unknown, place: string, read: unknown]>
> = {
  'connection.host': [' furo ', 'connection.host', 'furo'],
  'connection.port': [2222, 'connection.port', 2222],
  'connection.user': ['z00000a ', 'connection.user', 'z00000a'],
  'connection.identityFile': ['~/.ssh/id', 'connection.identityFile', '~/.ssh/id'],
  'connection.remoteFolder': ['/data/x', 'connection.remoteFolder', '/data/x'],
  'job.resourceGroup': ['cx-single', 'job.resourceGroup', 'cx-single'],
  'job.nodes': [4, 'job.nodes', 4],
  'job.elapse': ['2:00:00', 'job.elapseSeconds', 7200],
  'job.modules': [['gcc'], 'job.modules', ['gcc']],
  'job.condaEnvironment': ['', 'job.condaEnvironment', ''],
  'job.projectGroup': ['g1', 'job.projectGroup', 'g1'],
  'job.environment': [{ A: 'x' }, 'job.environment', { A: 'x' }],
  'inference.model': ['org/m', 'inference.model', 'org/m'],
  'inference.input': ['q.jsonl', 'inference.input', 'q.jsonl'],
  'inference.systemPrompt': ['s', 'inference.systemPrompt', 's'],
  'inference.promptTemplate': ['{{ t }}', 'inference.promptTemplate', '{{ t }}'],
  'inference.maxNewTokens': [1, 'inference.generation.maxNewTokens', 1],
  'inference.temperature': [0.5, 'inference.generation.temperature', 0.5],
  'inference.topP': [0.9, 'inference.generation.topP', 0.9],
  'inference.topK': [40, 'inference.generation.topK', 40],
  'inference.seed': [7, 'inference.generation.seed', 7],
  'inference.stop': [['END'], 'inference.generation.stop', ['END']],
  'inference.batchRows': [2, 'inference.batchRows', 2],
  'inference.dtype': ['float32', 'inference.dtype', 'float32'],
  'poll.intervalSeconds': [60, 'pollSeconds', 60],
  'sync.exclude': [['*.bin'], 'syncExclude', ['*.bin']],
  'sync.include': [['*.bin'], 'syncInclude', ['*.bin']],
};

function at(value: unknown, place: string): unknown {
  return place
    .split('.')
    .reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], value);
}

describe('readSettings', () => {
  it('gives the defaults where nothing is set', () => {
    expect(read({})).toEqual({ settings: defaultSettings, problems: [] });
    expect(readSettings(() => null)).toEqual({ settings: defaultSettings, problems: [] });
  });

  it.each(Object.entries(others))(
    'reads %s, and nothing else changes',
    (key, [given, place, value]) => {
      const { settings, problems } = read({ [key]: given });
      expect(problems).toEqual([]);
      expect(at(settings, place)).toEqual(value);
      expect(at(defaultSettings, place)).not.toEqual(value);
      const changed = settingKeys.filter(
        (other) =>
          other !== key && at(settings, others[other][1]) !== at(defaultSettings, others[other][1]),
      );
      expect(
        changed.filter(
          (other) =>
            JSON.stringify(at(settings, others[other][1])) !==
            JSON.stringify(at(defaultSettings, others[other][1])),
        ),
      ).toEqual([]);
    },
  );

  it('asks for every key once', () => {
    const asked: string[] = [];
    readSettings((key) => {
      asked.push(key);
      return undefined;
    });
    expect([...asked].sort()).toEqual([...settingKeys].sort());
  });

  it.each([
    ['connection.host', 5, 'text'],
    ['connection.port', '22', 'wholeNumber'],
    ['connection.port', 22.5, 'wholeNumber'],
    ['connection.port', -1, 'wholeNumber'],
    ['job.nodes', Number.NaN, 'count'],
    ['job.elapse', '1 hour', 'elapse'],
    ['job.elapse', '0:00:00', 'elapse'],
    ['job.elapse', 'unlimited', 'elapse'],
    ['job.elapse', 3600, 'elapse'],
    ['job.modules', 'gcc', 'textList'],
    ['job.modules', ['gcc', 1], 'textList'],
    ['job.environment', ['A'], 'textMap'],
    ['job.environment', { A: 1 }, 'textMap'],
    ['job.environment', { 'A B': 'x' }, 'textMap'],
    ['job.environment', { 'A;rm': 'x' }, 'textMap'],
    ['job.environment', { '': 'x' }, 'textMap'],
    ['inference.temperature', Infinity, 'number'],
    ['inference.temperature', 'hot', 'number'],
    ['inference.dtype', 'int4', 'dtype'],
    ['poll.intervalSeconds', 'often', 'number'],
    ['sync.exclude', {}, 'textList'],
  ])('tells that %s cannot be %j', (key, value, expected) => {
    const { settings, problems } = read({ [key]: value });
    expect(problems).toEqual([{ key: `furo.${key}`, expected }]);
    expect(settings).toEqual(defaultSettings);
  });

  it('does not ask PJM all the time', () => {
    const seconds = (host: string) =>
      read({ 'poll.intervalSeconds': 0, 'connection.host': host }).settings.pollSeconds;
    expect(seconds('flow-cx.cc.nagoya-u.ac.jp')).toBe(politePollSeconds);
    expect(seconds('127.0.0.1.example.org')).toBe(politePollSeconds);
    // A simulated Furo on this computer has no other users.
    expect(seconds('127.0.0.1')).toBe(1);
  });

  it('leaves an empty prompt away', () => {
    const { inference } = read({ 'inference.systemPrompt': '' }).settings;
    expect(inference).not.toHaveProperty('systemPrompt');
    expect(inference).not.toHaveProperty('promptTemplate');
  });

  it('gives usable settings for any values', () => {
    fc.assert(
      fc.property(fc.array(fc.anything(), { minLength: settingKeys.length }), (values) => {
        const { settings, problems } = readSettings((key) => values[settingKeys.indexOf(key)]);
        expect(new Set(problems.map(({ key }) => key)).size).toBe(problems.length);
        expect(settings.job.elapseSeconds).toBeGreaterThan(0);
        expect(Array.isArray(settings.syncExclude)).toBe(true);
      }),
    );
  });
});
