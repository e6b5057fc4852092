// The arguments of `furo`, and its help text.
import { describe, expect, it } from 'vitest';
import { parseCommandLine, usage, UsageError } from '../../../src/cli/usage';

const nothing = {
  command: '',
  operands: [],
  folder: '.',
  settingsFile: undefined,
  set: [],
  group: undefined,
  isPreview: false,
  isDetached: false,
  ignoresPlan: false,
  follows: false,
  isVerbose: false,
  wantsHelp: false,
  demo: { root: undefined, python: undefined, model: undefined, serves: false },
};

describe('parseCommandLine', () => {
  it.each([
    ['', {}],
    ['run', { command: 'run' }],
    ['run answer --group cx-single', { command: 'run', operands: ['answer'], group: 'cx-single' }],
    ['run --group=cx-single --detach q.jsonl', { command: 'run', operands: ['q.jsonl'], group: 'cx-single', isDetached: true }], // prettier-ignore
    ['run answer --anyway', { command: 'run', operands: ['answer'], ignoresPlan: true }],
    ['sync', { command: 'sync' }],
    ['sync --preview', { command: 'sync', isPreview: true }],
    ['logs 1996122 -f', { command: 'logs', operands: ['1996122'], follows: true }],
    ['-C dir jobs', { command: 'jobs', folder: 'dir' }],
    ['jobs --folder=dir', { command: 'jobs', folder: 'dir' }],
    ['jobs --settings s.json', { command: 'jobs', settingsFile: 's.json' }],
    ['jobs --set furo.connection.user=a --set furo.job.nodes=2', { command: 'jobs', set: ['furo.connection.user=a', 'furo.job.nodes=2'] }], // prettier-ignore
    ['-v jobs', { command: 'jobs', isVerbose: true }],
    ['--help', { wantsHelp: true }],
    ['run -h', { command: 'run', wantsHelp: true }],
    ['run -- -x.py', { command: 'run', operands: ['-x.py'] }],
    ['demo --root r --python p --model m --serve', { command: 'demo', demo: { root: 'r', python: 'p', model: 'm', serves: true } }], // prettier-ignore
  ])('furo %s', (words, expected) => {
    const argv = words === '' ? [] : words.split(' ');
    expect(parseCommandLine(argv)).toEqual({ ...nothing, ...expected });
  });

  it.each(['fly', 'Run', '--nope', 'run --group', 'run -x', '--folder', 'jobs --detach=yes'])(
    'refuses %s',
    (words) => {
      expect(() => parseCommandLine(words.split(' '))).toThrow(UsageError);
    },
  );
});

describe('usage', () => {
  it.each(['run', 'jobs', 'logs', 'cancel', 'results', 'demo'])('tells of furo %s', (command) => {
    expect(usage).toMatch(new RegExp(`^ {2}furo ${command}\\b`, 'm'));
  });

  it.each(['--folder', '--settings', '--set', '--verbose', '--help', '--group', '--detach'])(
    'tells of %s, which is taken',
    (flag) => {
      expect(usage).toContain(flag);
      const value = ['--verbose', '--help', '--detach'].includes(flag) ? [] : ['x=1'];
      expect(() => parseCommandLine(['run', flag, ...value])).not.toThrow();
    },
  );
});
