// Endpoints out of ssh configurations: generated ones, where `ssh -G` and our own reading must agree, and known traps.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isFailure } from '../../../src/base/failure';
import { needsPerson } from '../../../src/ssh/connectionState';
import type { Endpoint } from '../../../src/ssh/endpoint';
import { resolveEndpoint, type TargetSettings } from '../../../src/ssh/sshConfig';

const isSoak = process.env['FURO_SOAK'] !== undefined;
/** Regular runs take a fixed share, so that a failure is there again at the next run. */
const runs = isSoak ? 500 : 100;
const NO_SSH = '/nonexistent/ssh';

let folder: string;
let config: string;

beforeAll(() => {
  vi.stubEnv('FURO_TEST_AGENT', '/run/agent.sock');
  vi.stubEnv('FURO_TEST_FOLDER', '/somewhere');
});

afterAll(() => {
  vi.unstubAllEnvs();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-config-'));
  config = join(folder, 'config');
  mkdirSync(join(folder, 'with blank'));
  for (const name of ['key', 'id_me', 'id_furo', 'with blank/key', 'known', 'with blank/known'])
    writeFileSync(join(folder, name), '');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function resolve(target: TargetSettings, sshProgram?: string): Promise<Endpoint> {
  return resolveEndpoint(target, { configFile: config, ...(sshProgram && { sshProgram }) });
}

/** The endpoint, or why there is none. */
async function outcome(target: TargetSettings, sshProgram?: string): Promise<unknown> {
  try {
    return await resolve(target, sshProgram);
  } catch (error) {
    if (!isFailure(error)) throw error;
    return error.reason;
  }
}

const alias = fc.constantFrom('furo', 'fugu', 'login.example', 'jump', 'hop');
const pattern = fc.constantFrom('furo', 'fu*', '*', 'f?ro', '*.example', '!furo', '!*.example', 'FURO', 'jump', 'hop*'); // prettier-ignore
const user = fc.constantFrom('me', 'you', 'a.b', 'x_y');
const file = fc.constantFrom('@/key', '~/none', '"@/with blank/key"', '@/id_%r', '@/id_%n', '@/with\\ blank/key', '@/%d%u%l%L%p%%', '${FURO_TEST_FOLDER}/x', 'relative/key'); // prettier-ignore
const known = fc.constantFrom('@/known', '"@/with blank/known"', '~/.ssh/other', '@/missing_%h', '"@/not there/known"'); // prettier-ignore
const jump = fc.constantFrom('jump', 'hop', 'me@jump', 'jump:2200', 'ssh://you@hop:99', '[::1]:22', 'hop,jump', 'you@hop:1,jump', 'none', '%r@hop'); // prettier-ignore
const time = fc.constantFrom('5', '1m', '1h30', '90s', '0');

const setting = fc.oneof(
  fc.constantFrom('%h.real', '10.0.0.7', 'UPPER.real', 'x.%h').map((name) => `HostName ${name}`),
  fc.integer({ min: 1, max: 65_535 }).map((port) => `Port ${String(port)}`),
  user.map((name) => `User ${name}`),
  file.map((name) => `IdentityFile ${name}`),
  fc.constantFrom('yes', 'no', 'true', 'FALSE').map((flag) => `IdentitiesOnly ${flag}`),
  fc.constantFrom('none', 'SSH_AUTH_SOCK', '$FURO_TEST_AGENT', '"~/my agent"', '@/agent-%h-%r').map((value) => `IdentityAgent ${value}`), // prettier-ignore
  jump.map((value) => `ProxyJump ${value}`),
  fc.constantFrom('none', 'nc %h %p', 'exec "my nc" -x %r@%n # all of it').map((value) => `ProxyCommand ${value}`), // prettier-ignore
  fc.array(known, { minLength: 1, maxLength: 3 }).map((files) => `UserKnownHostsFile ${files.join(' ')}`), // prettier-ignore
  fc.constantFrom('none', '/etc/a /etc/b', '"@/with blank/known"').map((value) => `GlobalKnownHostsFile ${value}`), // prettier-ignore
  fc.constantFrom('UserKnownHostsFile none', 'RevokedHostKeys "@/with blank/revoked"', 'RevokedHostKeys none'), // prettier-ignore
  fc.constantFrom('other', 'Other.Name').map((name) => `HostKeyAlias ${name}`),
  fc.constantFrom('yes', 'no', 'ask', 'accept-new', 'off').map((value) => `StrictHostKeyChecking ${value}`), // prettier-ignore
  fc.tuple(fc.constantFrom('ServerAliveInterval', 'ConnectTimeout'), time).map((pair) => pair.join(' ')), // prettier-ignore
  fc.constantFrom('ServerAliveCountMax 7', 'ForwardAgent yes', '# a comment', ''),
);

/** The same line as people write it. */
const written = fc
  .tuple(
    setting,
    fc.constantFrom('', '  ', '\t'),
    fc.constantFrom(' ', '=', ' = ', '\t'),
    fc.boolean(),
  ) // prettier-ignore
  .map(([line, indent, between, isLower]) => {
    const [, keyword = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
    if (keyword === '') return line;
    return `${indent}${isLower ? keyword.toLowerCase() : keyword}${between}${rest}`;
  });

const criterion = fc.oneof(
  fc.constant('all'),
  fc
    .tuple(
      fc.constantFrom('', '!'),
      fc.constantFrom('host', 'originalhost', 'user', 'localuser'),
      fc.constantFrom('furo', '*.real', 'me,you', '*,!you', 'root', 'jump'),
    ) // prettier-ignore
    .map(([not, name, value]) => `${not}${name} ${value}`),
  fc.constant('originalhost furo user me'),
);
const head = fc.oneof(
  { weight: 3, arbitrary: fc.array(pattern, { minLength: 1, maxLength: 3 }).map((all) => `Host ${all.join(' ')}`) }, // prettier-ignore
  { weight: 1, arbitrary: criterion.map((text) => `Match ${text}`) },
);
const block = fc
  .tuple(head, fc.array(written, { maxLength: 5 }))
  .map(([first, lines]) => [first, ...lines]);
const text = fc
  .tuple(fc.array(written, { maxLength: 2 }), fc.array(block, { maxLength: 4 }))
  .map(([first, blocks]) => [...first, ...blocks.flat()]);

const target = fc.record(
  { host: alias, user, port: fc.integer({ min: 1, max: 65_535 }) },
  { requiredKeys: ['host'] },
);

describe('generated configurations', () => {
  it(`${String(runs)} of them give the same endpoint by ssh -G and by our own reading`, async () => {
    let endpoints = 0;
    const generated = fc.tuple(text, fc.array(block, { maxLength: 2 }), fc.nat(), target);
    await fc.assert(
      fc.asyncProperty(generated, async ([lines, included, at, asked]) => {
        const place = (all: readonly string[]): string =>
          `${all.join('\n').replaceAll('@/', `${folder}/`)}\n`;
        const all = lines.toSpliced(at % (lines.length + 1), 0, `Include "@/incl*"`);
        writeFileSync(config, place(all));
        writeFileSync(join(folder, 'included'), place(included.flat()));
        const theirs = await outcome(asked);
        expect(await outcome(asked, NO_SSH)).toEqual(theirs);
        if (typeof theirs === 'string') return;
        endpoints += 1;
        checkAgainstAnswer(theirs as Endpoint, asked);
      }),
      { numRuns: runs },
    );

    // Most of them have to come to something, else this shows nothing.
    expect(endpoints).toBeGreaterThan(runs / 2);
  }, 120_000);

  /** Values that need no interpretation must be those of `ssh -G`, letter by letter. */
  function checkAgainstAnswer(endpoint: Endpoint, asked: TargetSettings): void {
    const { host, user: login, port } = asked;
    const more = [...(login ? ['-l', login] : []), ...(port ? ['-p', String(port)] : [])];
    const answer = execFileSync('ssh', ['-F', config, ...more, '-G', '--', host], {
      encoding: 'utf8',
      cwd: userInfo().homedir,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const one = (keyword: string): string | undefined =>
      new RegExp(`^${keyword} (.*)$`, 'm').exec(answer)?.[1];
    expect(endpoint.host).toBe(one('hostname'));
    expect(String(endpoint.port)).toBe(one('port'));
    expect(endpoint.user).toBe(one('user'));
    expect(endpoint.hostKeyAlias).toBe(one('hostkeyalias'));
    expect(endpoint.identitiesOnly).toBe(one('identitiesonly') === 'yes');
    expect(endpoint.jump !== undefined).toBe((one('proxyjump') ?? 'none') !== 'none');
    expect(endpoint.proxyCommand !== undefined).toBe((one('proxycommand') ?? 'none') !== 'none');
    const files = ['user', 'global'].map((kind) => one(`${kind}knownhostsfile`) ?? '');
    const printed = files.filter((names) => names !== 'none').join(' ');
    expect(endpoint.knownHostsFiles.join(' ')).toBe(printed);
    const agent = one('identityagent');
    if (agent?.startsWith('/')) expect(endpoint.identityAgent).toBe(agent);
  }
});

describe.each([
  ['ssh -G', undefined],
  ['our own reading', NO_SSH],
])('by %s', (_, program) => {
  it('goes through each jump host as its own line says', async () => {
    writeFileSync(
      config,
      [
        'Host deep',
        '  ProxyJump you@second:2200,first',
        'Host second',
        '  ProxyJump never',
        'Host first',
        '  HostName first.example',
        '  User admin',
        '  HostKeyAlias front',
        `  IdentityFile ${folder}/key`,
        '  ProxyJump zero',
        'Host zero',
        '  ProxyCommand nc -x %h %p %r %n %%',
      ].join('\n'),
    );
    const deep = await resolve({ host: 'deep', user: 'me', identityFile: join(folder, 'id_me') }, program); // prettier-ignore
    expect(deep).toMatchObject({
      host: 'deep',
      user: 'me',
      identityFiles: [join(folder, 'id_me')],
    });
    // As `ssh -J you@second:2200 first`: what is named on the line wins over the ProxyJump of `first`.
    const first = deep.jump;
    expect(first).toMatchObject({ host: 'first.example', user: 'admin', hostKeyAlias: 'front' });
    expect(first?.identityFiles).toEqual([join(folder, 'key')]);
    expect(first?.jump).toMatchObject({ host: 'second', user: 'you', port: 2200 });
    expect(first?.jump?.jump).toMatchObject({ host: 'never' });
    const alone = await resolve({ host: 'first' }, program);
    expect(alone.jump?.proxyCommand).toBe(`nc -x zero 22 ${userInfo().username} zero %`);
  });

  it.each([
    ['a circle', 'Host a\nProxyJump b\nHost b\nProxyJump a\n'],
    ['itself', 'Host a\nProxyJump a\n'],
    ['nine machines', 'Host a\nProxyJump b,c,d,e,f,g,h,i,j\n'],
  ])('refuses jump hosts that lead through %s', async (_name, lines) => {
    writeFileSync(config, lines);
    await expect(resolve({ host: 'a' }, program)).rejects.toMatchObject({
      reason: 'jumpLoop',
      values: { host: 'a' },
    });
  });

  it.each([
    ['an unknown token', 'ProxyCommand nc %z'],
    ['an open quote', 'IdentityFile "a'],
    ['a bad port', 'Port many'],
    ['a proxy that passes sockets', 'ProxyCommand nc\nProxyUseFdpass yes'],
    ['a variable that is not set', 'IdentityFile ${FURO_TEST_NOTHING}/x'],
  ])('tells that the configuration has %s', async (_name, line) => {
    writeFileSync(config, `${line}\n`);
    await expect(resolve({ host: 'a' }, program)).rejects.toMatchObject({
      reason: 'sshConfigUnusable',
      values: { host: 'a' },
    });
  });

  it.each([
    ['a jump host that is an option', 'ProxyJump -oProxyCommand=id'],
    ['a jump host with a command in it', 'ProxyJump $(id)'],
    ['a user with a command in it', 'User "`id`"'],
    ['a host name with a quote', `HostName "a'b"`],
    ['a name for the host key with a comma', 'HostKeyAlias a,b'],
  ])('refuses %s', async (_name, line) => {
    writeFileSync(config, `${line}\n`);
    await expect(resolve({ host: 'a' }, program)).rejects.toMatchObject({
      reason: expect.stringMatching(/endpointInvalid|sshConfigUnusable/) as string,
    });
  });

  it.each(['me@corp', 'me@target:22', 'a,b', '~me', 'x#y!', 'u*?'])(
    'takes the user %s',
    async (user) => {
      writeFileSync(
        config,
        `Host named\n  User "${user}"\nHost behind\n  ProxyJump me@corp@front\n`,
      );
      expect((await resolve({ host: 'named' }, program)).user).toBe(user);
      expect((await resolve({ host: 'a', user }, program)).user).toBe(user);
      const { jump } = await resolve({ host: 'behind' }, program);
      expect(jump).toMatchObject({ user: 'me@corp', host: 'front' });
    },
  );

  it.each(['-oProxyCommand=id', 'a;b', 'a b', '$HOME', '`id`', 'a\\b', '(a)', "a'b", ''])(
    'refuses the user %j',
    async (user) => {
      await expect(resolve({ host: 'a', user }, program)).rejects.toMatchObject({
        reason: 'endpointInvalid',
        values: { field: 'user', value: user },
      });
    },
  );

  it.each(['-oProxyCommand=id', 'a;b', 'a b', '$HOME', ''])('never asks about %j', async (host) => {
    await expect(resolve({ host }, program)).rejects.toMatchObject({ reason: 'endpointInvalid' });
  });
});

it('runs no Match exec in our own reading', async () => {
  const trace = join(folder, 'ran');
  writeFileSync(config, `Match exec "touch ${trace}"\n  User other\n`);
  expect((await resolve({ host: 'a' }, NO_SSH)).user).toBe(userInfo().username);
  expect(() => execFileSync('ls', [trace], { stdio: 'ignore' })).toThrow();
});

it('refuses in our own reading a file that others may write, as ssh does', async () => {
  writeFileSync(config, 'User me\n');
  chmodSync(config, 0o666);
  await expect(resolve({ host: 'a' }, NO_SSH)).rejects.toMatchObject({
    reason: 'sshConfigUnusable',
  });
});

it('takes an ssh that knows no -G for no ssh at all', async () => {
  const old = join(folder, 'ssh');
  writeFileSync(old, '#!/bin/sh\necho "unknown option -- G" >&2\nexit 255\n', { mode: 0o755 });
  writeFileSync(config, 'User fromFile\n');
  expect((await resolve({ host: 'a' }, old)).user).toBe('fromFile');
});

describe('ssh that does not come to an answer', () => {
  const play = (...lines: readonly string[]) => {
    const path = join(folder, 'ssh');
    writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
    return { sshProgram: path, configFile: config, timeoutMs: 300 };
  };

  it('is asked again later when it takes too long, as a Match exec without a network does', async () => {
    await expect(resolveEndpoint({ host: 'a' }, play('exec sleep 30'))).rejects.toMatchObject({
      reason: 'sshConfigUnanswered',
      values: { host: 'a', detail: 'no answer within 0.3 s' },
    });
    expect(needsPerson('sshConfigUnanswered')).toBe(false);
  });

  it('is asked again later when something ends it', async () => {
    const killed = play('kill -KILL $$');
    await expect(resolveEndpoint({ host: 'a' }, killed)).rejects.toMatchObject({
      reason: 'sshConfigUnanswered',
      values: { detail: 'SIGKILL' },
    });
  });

  it('has no network to look up a name in', async () => {
    writeFileSync(config, 'CanonicalizeHostname yes\nCanonicalDomains nowhere.invalid\nCanonicalizeFallbackLocal no\n'); // prettier-ignore
    await expect(resolve({ host: 'a' })).rejects.toMatchObject({
      reason: 'hostNotFound',
      values: { host: 'a' },
    });
    expect(needsPerson('hostNotFound')).toBe(false);
  });
});

it('stops asking when the attempt is given up', async () => {
  const slow = join(folder, 'ssh');
  writeFileSync(slow, '#!/bin/sh\nexec sleep 30\n', { mode: 0o755 });
  const abort = new AbortController();
  const asked = resolveEndpoint({ host: 'a' }, { sshProgram: slow, signal: abort.signal });
  abort.abort();
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
});
