// The names offered for picking: concrete ones, Include followed, patterns left out.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listHostAliases } from '../../../src/ssh/hostAliases';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-aliases-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, ...lines: string[]): string {
  const file = join(folder, name);
  writeFileSync(file, lines.join('\n'));
  return file;
}

it('lists concrete names of all files in order, once', async () => {
  mkdirSync(join(folder, 'conf.d'));
  write('conf.d/b.conf', 'Host second third # not-this');
  write('conf.d/a.conf', 'Host first', '  User me', `Include ${join(folder, 'deep')}`);
  write('conf.d/.hidden.conf', 'Host hidden');
  write('conf.d/c.txt', 'Host otherEnding');
  write('deep', 'HOST="deep one"', 'host = deep2\r');
  const user = write(
    'config',
    '# Host comment',
    `Include "${folder}/conf.d/*.conf" ${folder}/missing ${folder}/conf.d`,
    'Host *.example furo fu?o !bad furo first',
    'Host -oProxyCommand=x a;b $(id) me@there',
    'Match host matched',
    '  HostName matched.example',
    'Host [x]',
  );
  const system = write('ssh_config', 'Host everybody', 'Host *');
  expect(await listHostAliases({ user, system })).toEqual([
    'first',
    'deep2',
    'second',
    'third',
    'furo',
    '[x]',
    'everybody',
  ]);
});

it('is empty without a configuration, and with one that includes itself for ever', async () => {
  expect(await listHostAliases({ user: join(folder, 'none') })).toEqual([]);
  const user = write('config', 'Host a', `Include ${join(folder, 'config')}`);
  expect(await listHostAliases({ user })).toEqual([]);
});
