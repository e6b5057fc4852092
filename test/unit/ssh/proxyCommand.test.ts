// What the log may tell of a proxy command.
import { expect, it } from 'vitest';
import { programOf } from '../../../src/ssh/proxyCommand';

it.each([
  ['nc login.example 22', 'nc'],
  ['  /usr/bin/ssh -W login.example:22 -P secret bastion', 'ssh'],
  ['"C:\\Program Files\\step.exe" ssh --token secret', 'step.exe'],
  ["'/opt/my tools/proxy' -P secret", 'proxy'],
  ['TOKEN=secret tool', ''],
  ['', ''],
])('is the name of its program: %s', (command, name) => {
  expect(programOf(command)).toBe(name);
});
