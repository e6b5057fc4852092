// Host lookups, with `ssh-keygen -F` as the judge.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { judgeHostKey, matchesHost, parseKnownHosts } from '../../../src/ssh/knownHosts';

function keyOf(fill: number): Buffer {
  const type = Buffer.from('ssh-ed25519');
  const length = (bytes: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(bytes.length);
    return Buffer.concat([head, bytes]);
  };
  return Buffer.concat([length(type), length(Buffer.alloc(32, fill))]);
}

const KEY = `ssh-ed25519 ${keyOf(1).toString('base64')}`;

const LINES = [
  `furo.example ${KEY}`,
  `FURO.example,10.0.0.1 ${KEY}`,
  `*.example,!bad.example ${KEY}`,
  `!bad.example,*.example ${KEY}`,
  `f?ro.example ${KEY}`,
  `[furo.example]:2222 ${KEY}`,
  `[*]:2222 ${KEY}`,
  `# furo.example ${KEY}`,
  `  furo.example ${KEY}`,
  `@revoked furo.example ${KEY}`,
  `furo.example ssh-ed25519`,
  '',
];
const HOSTS = ['furo.example', 'bad.example', '10.0.0.1', '[furo.example]:2222', 'example'];

it.each(LINES)('finds the same hosts as ssh-keygen in %j', (line) => {
  const folder = mkdtempSync(join(tmpdir(), 'furo-known-'));
  try {
    const file = join(folder, 'known_hosts');
    writeFileSync(file, `${line}\n`);
    const entries = parseKnownHosts(`${line}\n`, file);
    for (const host of HOSTS) {
      const theirs = spawnSync('ssh-keygen', ['-F', host, '-f', file]).status === 0;
      expect([host, entries.some((entry) => matchesHost(entry.names, host))]).toEqual([
        host,
        theirs,
      ]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('leaves out a line whose key is broken, as ssh does when it connects', () => {
  expect(parseKnownHosts('h ssh-ed25519 !!!!\nh ssh-rsa ' + KEY.split(' ')[1]!, 'f')).toEqual([]);
});

it('accepts any exact match, and lets a revocation win', () => {
  const other = `ssh-ed25519 ${keyOf(2).toString('base64')}`;
  const both = parseKnownHosts(`h ${other}\nh ${KEY}\n`, 'f');
  expect(judgeHostKey(both, 'h', keyOf(1))).toEqual({ kind: 'known', file: 'f', line: 2 });
  expect(judgeHostKey(both, 'h', keyOf(3))).toMatchObject({ kind: 'changed', line: 1 });
  expect(judgeHostKey(both, 'other', keyOf(1))).toEqual({ kind: 'unknown' });
  const revoked = parseKnownHosts(`h ${KEY}\n@revoked h ${KEY}\n`, 'f');
  expect(judgeHostKey(revoked, 'h', keyOf(1))).toMatchObject({ kind: 'revoked', line: 2 });
});
