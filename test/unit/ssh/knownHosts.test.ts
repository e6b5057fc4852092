// Host lookups in generated known_hosts files, with `ssh-keygen -F` as the judge, and the verdicts that follow.
import { execFile, execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  fingerprintOf,
  judgeHostKey,
  keyTypeOf,
  knownKeyTypes,
  matchesHost,
  parseKnownHosts,
  parseRevokedKeys,
  rememberHostLine,
} from '../../../src/ssh/knownHosts';

const isSoak = process.env['FURO_SOAK'] !== undefined;
/** Regular runs take a fixed share, so that a failure is there again at the next run. */
const runs = isSoak ? 2_000 : 150;

let folder: string;
/** Two keys of each of three types, as `type base64`. */
const keys: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-known-'));
  for (const [index, type] of ['ed25519', 'ecdsa', 'rsa', 'ed25519', 'ecdsa', 'rsa'].entries()) {
    const file = join(folder, `key${String(index)}`);
    const bits = type === 'rsa' ? ['-b', '1024'] : [];
    execFileSync('ssh-keygen', ['-q', '-t', type, ...bits, '-N', '', '-f', file]);
    keys.push(readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' '));
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function blobOf(key: string | undefined): Buffer {
  return Buffer.from(key?.split(' ')[1] ?? '', 'base64');
}

const NAMES = ['furo.example', 'FURO.example', 'bad.example', '10.0.0.1', '[furo.example]:2222', '[10.0.0.1]:22', '::1', 'a'] as const; // prettier-ignore
const name = fc.constantFrom(...NAMES);
const pattern = fc.oneof(
  name,
  fc.constantFrom('*', '*.example', 'f?ro.*', '[*]:2222', '[furo.example]:*', '10.0.*', '**.EXAMPLE', '?', '', '#a', 'x,'), // prettier-ignore
);
const list = fc
  .array(fc.tuple(fc.constantFrom('', '', '', '!'), pattern), { minLength: 1, maxLength: 4 })
  .map((items) => items.map(([not, text]) => not + text).join(','));

function hashed(text: string, salt: Uint8Array): string {
  const mac = createHmac('sha1', salt).update(text).digest('base64');
  return `|1|${Buffer.from(salt).toString('base64')}|${mac}`;
}

const hash = fc.oneof(
  fc.tuple(name, fc.uint8Array({ minLength: 20, maxLength: 20 })).map((pair) => hashed(...pair)),
  // A salt of a wrong length, and what is not a hash at all.
  fc.tuple(name, fc.uint8Array({ minLength: 1, maxLength: 8 })).map((pair) => hashed(...pair)),
  fc.constantFrom('|1|', '|1|AAAA', '|2|AAAA|AAAA', '|1|!|!'),
);

interface Line {
  readonly text: string;
  readonly key: number;
}

const key = fc.nat(5);
const gap = fc.constantFrom(' ', '  ', '\t');
const line: fc.Arbitrary<Line> = fc
  .record({
    indent: fc.constantFrom('', '', ' ', '\t'),
    marker: fc.constantFrom('', '', '', '@revoked ', '@cert-authority  ', '@revoked @revoked ', '@other ', '@'), // prettier-ignore
    hosts: fc.oneof({ weight: 3, arbitrary: list }, { weight: 1, arbitrary: hash }),
    gap,
    key,
    spoil: fc.constantFrom('', '', '', '', 'type', 'cut', 'garbage', 'none', 'comment', 'signature'), // prettier-ignore
    end: fc.constantFrom('', '', ' someone@there', ' # why', '\r', ' \r'),
  })
  .map((all) => ({ text: written(all), key: all.key }));

/** The key is put in when the keys are there: `%3` stands for the fourth. */
function written(line: {
  readonly indent: string;
  readonly marker: string;
  readonly hosts: string;
  readonly gap: string;
  readonly key: number;
  readonly spoil: string;
  readonly end: string;
}): string {
  const { indent, marker, hosts, gap: between, end } = line;
  const shown = `%${line.spoil}%${String(line.key)}`;
  return `${indent}${marker}${hosts}${between}${shown}${end}`;
}

function withKeys(text: string): string {
  return text.replace(/%(\w*)%(\d)/, (_, spoil: string, index: string) => {
    const [type = '', base64 = ''] = (keys[Number(index)] ?? '').split(' ');
    const spoilt: Record<string, string> = {
      type: `ssh-dss ${base64}`,
      cut: `${type} ${base64.slice(0, -12)}`,
      garbage: `${type} ${base64.replace('A', '!')}`,
      none: type,
      comment: `# ${type} ${base64}`,
      signature: `rsa-sha2-512 ${base64}`,
    };
    return spoilt[spoil] ?? `${type} ${base64}`;
  });
}

const other = fc.constantFrom('', '# furo.example', '   ', 'furo.example').map((text) => ({ text, key: 0 })); // prettier-ignore
const file = fc.array(fc.oneof({ weight: 6, arbitrary: line }, { weight: 1, arbitrary: other }), {
  minLength: 1,
  maxLength: 8,
});

interface Found {
  readonly line: number;
  readonly marker: string | undefined;
}

/** Numbers and markers of the lines that ssh-keygen finds for a host. */
async function theirs(host: string, path: string): Promise<Found[]> {
  const stdout = await new Promise<string>((resolve) => {
    // It ends with 1 when there is none.
    execFile('ssh-keygen', ['-l', '-F', host, '-f', path], (_, printed) => {
      resolve(printed);
    });
  });
  const markers: Record<string, string> = { REVOKED: '@revoked', CA: '@cert-authority' };
  return [...stdout.matchAll(/^# Host .* found: line (\d+) ?(\w*)$/gm)].map((found) => ({
    line: Number(found[1]),
    marker: markers[found[2] ?? ''],
  }));
}

describe('generated files', () => {
  it(`${String(runs)} of them agree with ssh-keygen -F, and so does each verdict`, async () => {
    const path = join(folder, 'known_hosts');
    const seen = { known: 0, changed: 0, revoked: 0, unknownType: 0, unknown: 0 };
    const asked = fc.uniqueArray(name, { minLength: 2, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(file, asked, key, async (lines, hosts, shown) => {
        const text = `${lines.map((one) => withKeys(one.text)).join('\n')}\n`;
        writeFileSync(path, text);
        const parsed = parseKnownHosts(text, path);
        for (const host of hosts) {
          const ours = parsed.filter(({ names }) => matchesHost(names, host));
          const judged = await theirs(host, path);
          expect(ours.map((one) => ({ line: one.line, marker: one.marker }))).toEqual(judged);
          const verdict = judgeHostKey(parsed, host, blobOf(keys[shown]));
          seen[verdict.kind] += 1;
          expect(verdict.kind).toBe(expectedOf(judged, lines, shown));
          const types = judged.filter(({ marker }) => !marker).map((one) => typeAt(lines, one));
          expect(new Set(knownKeyTypes(parsed, host))).toEqual(new Set(types));
        }
      }),
      { numRuns: runs },
    );
    // Every kind of verdict has to come up, else this shows less than it says.
    expect(Object.values(seen).every((count) => count > 1)).toBe(true);
  }, 240_000);

  function typeAt(lines: readonly Line[], found: Found): string {
    return keyTypeOf(blobOf(keys[lines[found.line - 1]?.key ?? -1]));
  }

  /** What OpenSSH's rules say about the lines that OpenSSH itself has found. */
  function expectedOf(judged: readonly Found[], lines: readonly Line[], shown: number): string {
    const isSame = (one: Found): boolean => lines[one.line - 1]?.key === shown;
    const plain = judged.filter(({ marker }) => marker === undefined);
    if (judged.some((one) => one.marker === '@revoked' && isSame(one))) return 'revoked';
    if (plain.some(isSame)) return 'known';
    const type = keyTypeOf(blobOf(keys[shown]));
    if (plain.some((one) => typeAt(lines, one) === type)) return 'changed';
    return plain.length > 0 ? 'unknownType' : 'unknown';
  }
});

it('names the line, accepts any exact match, and lets a revocation win', () => {
  const [ed25519 = '', , , otherKey = ''] = keys;
  const both = parseKnownHosts(`h ${otherKey}\nh ${ed25519}\n`, 'f');
  expect(judgeHostKey(both, 'h', blobOf(ed25519))).toEqual({ kind: 'known', file: 'f', line: 2 });
  const one = parseKnownHosts(`# h\nh ${otherKey}\n`, 'f');
  expect(judgeHostKey(one, 'h', blobOf(ed25519))).toEqual({ kind: 'changed', file: 'f', line: 2 });
  const revoked = parseKnownHosts(`h ${ed25519}\n@revoked * ${ed25519}\n`, 'f');
  expect(judgeHostKey(revoked, 'h', blobOf(ed25519))).toMatchObject({ kind: 'revoked', line: 2 });
});

it('honours a revocation with a tab behind its marker, which OpenSSH passes over', () => {
  const [ed25519 = ''] = keys;
  const revoked = parseKnownHosts(`h ${ed25519}\n@revoked\th ${ed25519}\n`, 'f');
  expect(judgeHostKey(revoked, 'h', blobOf(ed25519))).toMatchObject({ kind: 'revoked', line: 2 });
});

it('prints fingerprints as ssh-keygen does', () => {
  const printed = execFileSync('ssh-keygen', ['-lf', join(folder, 'key0.pub')], {
    encoding: 'utf8',
  });
  expect(printed.split(' ')[1]).toBe(fingerprintOf(blobOf(keys[0])));
});

describe('a list of revoked keys', () => {
  it('revokes its keys for every host', () => {
    const [ed25519 = '', ecdsa = '', rsa = ''] = keys;
    const listed = parseRevokedKeys(Buffer.from(`# old\n\n${ecdsa} x\n${ed25519}\r\n`), 'r');
    const hosts = [...listed, ...parseKnownHosts(`h ${ed25519}\nh ${rsa}\n`, 'f')];
    expect(judgeHostKey(hosts, 'h', blobOf(ed25519))).toEqual({ kind: 'revoked', file: 'r', line: 4 }); // prettier-ignore
    expect(judgeHostKey(hosts, 'h', blobOf(rsa)).kind).toBe('known');
  });

  it('is refused whole when it is a KRL or has a line that is no key', () => {
    const krl = join(folder, 'krl');
    execFileSync('ssh-keygen', ['-q', '-k', '-f', krl, join(folder, 'key0.pub')]);
    expect(() => parseRevokedKeys(readFileSync(krl), krl)).toThrow(/KRL/);
    const text = Buffer.from(`${keys[0] ?? ''}\nnonsense\n`);
    expect(() => parseRevokedKeys(text, 'r')).toThrow('r line 2 is not a public key');
  });
});

it('a line is remembered once, beside the others, where nobody else may write', async () => {
  const file = join(folder, 'own', 'trusted');
  const before = process.umask(0);
  try {
    for (const line of ['a ssh-ed25519 A', 'b ssh-ed25519 B', 'a ssh-ed25519 A'])
      await rememberHostLine(file, line);
  } finally {
    process.umask(before);
  }
  expect(readFileSync(file, 'utf8')).toBe('a ssh-ed25519 A\nb ssh-ed25519 B\n');
  expect(readdirSync(join(folder, 'own'))).toEqual(['trusted']);
  const modes = [file, join(folder, 'own')].map((path) => statSync(path).mode & 0o777);
  expect(modes).toEqual([0o600, 0o700]);
});
