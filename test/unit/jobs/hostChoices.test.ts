// What Choose Host offers: the usual login node always, and what was typed only where it can be a name.
import { describe, expect, it } from 'vitest';
import { listHostChoices, withTyped, type HostChoice } from '../../../src/jobs/hostChoices';

const choices: readonly HostChoice[] = [
  { host: 'furo', origin: 'alias' },
  { host: 'usual.example', origin: 'usual' },
];

describe('choices of a host', () => {
  it('end with the usual login node, each name once', async () => {
    const hosts = (await listHostChoices('usual.example')).map(({ host }) => host);
    expect(hosts.at(-1)).toBe('usual.example');
    expect(new Set(hosts).size).toBe(hosts.length);
  });

  it('begin with what was typed', () => {
    expect(withTyped(choices, '  other ')[0]).toEqual({ host: 'other', origin: 'typed' });
  });

  it.each(['', '  ', 'furo', '-oProxyCommand=x', 'a b', 'a;b', '$(x)'])('leave out %j', (text) => {
    expect(withTyped(choices, text)).toBe(choices);
  });
});
