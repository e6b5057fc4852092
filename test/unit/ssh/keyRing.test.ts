// Encrypted key files: opened beside the main thread, asked for once, kept only where a person wished it.
import { execFileSync } from 'node:child_process';
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { build, type BuildOptions } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, type Logger } from '../../../src/base/log';
import type { SecretStore } from '../../../src/ssh/keptPassphrases';
import { readPublicHalf } from '../../../src/ssh/keyFile';
import { KeyRing } from '../../../src/ssh/keyRing';
import type { PassphraseAnswer, PassphraseQuestion } from '../../../src/ssh/prompts';
import { secrets as typed } from '../../secretGuard';

const right = typed.passphrase;
let folder: string;
let locked: string;
const never = new AbortController().signal;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-keys-'));
  locked = makeKey('locked', right);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function makeKey(name: string, passphrase: string, ...options: readonly string[]): string {
  const file = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-a', '1', ...options, '-f', file]); // prettier-ignore
  return file;
}

/** `vscode.SecretStorage` as a map. */
class Secrets implements SecretStore {
  readonly values = new Map<string, string>();
  get(key: string): Promise<string | undefined> {
    return Promise.resolve(this.values.get(key));
  }
  store(key: string, value: string): Promise<void> {
    this.values.set(key, value);
    return Promise.resolve();
  }
  delete(key: string): Promise<void> {
    this.values.delete(key);
    return Promise.resolve();
  }
}

/** Answers in turn; the last one again and again. */
class Person {
  readonly questions: PassphraseQuestion[] = [];
  constructor(
    private readonly answers: readonly (string | undefined)[],
    private readonly isKept = false,
  ) {}
  readonly ask = (question: PassphraseQuestion): Promise<PassphraseAnswer | undefined> => {
    const passphrase = this.answers[Math.min(this.questions.length, this.answers.length - 1)];
    this.questions.push(question);
    return Promise.resolve(passphrase === undefined ? undefined : { passphrase, isKept: this.isKept }); // prettier-ignore
  };
}

async function expectFits(key: KeyObject, file: string): Promise<void> {
  const text = Buffer.from('text');
  const publicPem = (await readPublicHalf(file)).getPublicPEM();
  expect(verify(null, text, createPublicKey(publicPem), sign(null, text, key))).toBe(true);
}

describe('an encrypted key', () => {
  it('with 100 rounds holds the main thread up for less than 50 ms', async () => {
    const slow = makeKey('slow', right, '-a', '100');
    const ring = new KeyRing({ log: silentLogger });
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const start = performance.now();
    const key = await ring.open(slow, new Person([right]).ask, never);
    const tookMs = performance.now() - start;
    delay.disable();
    await expectFits(key, slow);
    console.log(`opened in ${tookMs.toFixed(0)} ms, p99 delay ${(delay.percentile(99) / 1e6).toFixed(1)} ms`); // prettier-ignore
    expect(tookMs).toBeGreaterThan(500);
    expect(delay.percentile(99) / 1e6).toBeLessThan(50);
  }, 120_000);

  it.each([
    ['rsa', ['-t', 'rsa']],
    ['rsa as PEM', ['-t', 'rsa', '-m', 'PEM']],
    ['ecdsa', ['-t', 'ecdsa']],
    ['ecdsa as PEM', ['-t', 'ecdsa', '-m', 'PEM']],
  ])('of type %s is opened', async (name, options) => {
    const file = makeKey(name.replaceAll(' ', '-'), right, ...options);
    const key = await new KeyRing({ log: silentLogger }).open(file, new Person([right]).ask, never);
    expect(key.type).toBe('private');
    expect((await readPublicHalf(file)).type).toMatch(/^(ssh-rsa|ecdsa-sha2-nistp256)$/);
  });

  it('asks three times, tells that the last answer did not fit, then gives up', async () => {
    const person = new Person(['wrong', '', 'wrong again']);
    const ring = new KeyRing({ log: silentLogger });
    await expect(ring.open(locked, person.ask, never)).rejects.toMatchObject({
      reason: 'passphraseRefused',
      values: { file: locked },
    });
    expect(person.questions.map(({ isAgain }) => isAgain)).toEqual([false, true, true]);
    expect(person.questions[0]?.canBeKept).toBe(false);
  });

  it('asks once for two connections at once, and never again in this window', async () => {
    const ring = new KeyRing({ log: silentLogger });
    const person = new Person([right]);
    const [first, second] = await Promise.all([
      ring.open(locked, person.ask, never),
      ring.open(locked, person.ask, never),
    ]);
    expect(second).toBe(first);
    expect(await ring.open(locked, person.ask, never)).toBe(first);
    expect(person.questions).toHaveLength(1);
    await expectFits(first, locked);
  });

  it('asks the second connection when the first one was cancelled', async () => {
    const ring = new KeyRing({ log: silentLogger });
    const cancelled = new AbortController();
    const first = ring.open(
      locked,
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => { reject(signal.reason as Error); }); // prettier-ignore
        }),
      cancelled.signal,
    );
    const person = new Person([right]);
    const second = ring.open(locked, person.ask, never);
    setTimeout(() => { cancelled.abort(); }, 50); // prettier-ignore
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    await expectFits(await second, locked);
    expect(person.questions).toHaveLength(1);
  });

  it('can be cancelled while it is being opened', async () => {
    const slow = makeKey('slow-too', right, '-a', '60');
    const cancelled = new AbortController();
    const ring = new KeyRing({ log: silentLogger });
    const opening = ring.open(slow, new Person([right]).ask, cancelled.signal);
    setTimeout(() => { cancelled.abort(); }, 300); // prettier-ignore
    await expect(opening).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is asked for again when the file was replaced', async () => {
    const file = join(folder, 'replaced');
    copyFileSync(locked, file);
    const ring = new KeyRing({ log: silentLogger });
    await ring.open(file, new Person([right]).ask, never);
    const other = makeKey('other', 'something else');
    copyFileSync(other, file);
    const person = new Person(['something else']);
    await expectFits(await ring.open(file, person.ask, never), other);
    expect(person.questions).toHaveLength(1);
  });
});

it('an encrypted key is opened in the bundle, too, where the thread is a file beside it', async () => {
  const root = join(import.meta.dirname, '../../..');
  const main = `
    import { KeyRing } from './src/ssh/keyRing';
    import { silentLogger } from './src/base/log';
    const answer = () => Promise.resolve({ passphrase: process.argv[3], isKept: false });
    new KeyRing({ log: silentLogger })
      .open(process.argv[2], answer, new AbortController().signal)
      .then((key) => console.log(key.asymmetricKeyType));`;
  // As esbuild.mjs does it.
  const bundle: BuildOptions = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    external: ['cpu-features', '*.node'],
    logLevel: 'error',
  };
  const outfile = join(folder, 'bundle/keyWorker.js');
  await build({ ...bundle, entryPoints: ['src/ssh/keyWorker.js'], outfile });
  const stdin = { contents: main, resolveDir: root };
  await build({ ...bundle, stdin, outfile: join(folder, 'bundle/main.js') });
  const output = execFileSync(process.execPath, [join(folder, 'bundle/main.js'), locked, right]);
  expect(output.toString()).toBe('ed25519\n');
});

describe('a kept passphrase', () => {
  let secrets: Secrets;

  beforeEach(() => {
    secrets = new Secrets();
  });

  const openWindow = (log: Logger = silentLogger): KeyRing => new KeyRing({ log, secrets });

  it('is kept only when the person wished it', async () => {
    await openWindow().open(locked, new Person([right]).ask, never);
    expect(secrets.values.size).toBe(0);
    const person = new Person(['wrong', right], true);
    await openWindow().open(locked, person.ask, never);
    expect(person.questions[0]?.canBeKept).toBe(true);
    expect([...secrets.values.values()]).toEqual([JSON.stringify({ [locked]: right })]);
  });

  it('opens the key in the next window without a question', async () => {
    await openWindow().open(locked, new Person([right], true).ask, never);
    const nobody = new Person([undefined]);
    await expectFits(await openWindow().open(locked, nobody.ask, never), locked);
    expect(nobody.questions).toEqual([]);
  });

  it('that fits no longer is deleted, and the person is asked', async () => {
    await secrets.store('furo.passphrases', JSON.stringify({ [locked]: 'old', other: 'stays' }));
    await openWindow().open(locked, new Person([right]).ask, never);
    expect(secrets.values.get('furo.passphrases')).toBe(JSON.stringify({ other: 'stays' }));
  });

  it('is forgotten on demand, with the opened key', async () => {
    const window = openWindow();
    await window.open(locked, new Person([right], true).ask, never);
    await window.forget();
    expect(secrets.values.size).toBe(0);
    const person = new Person([right]);
    await window.open(locked, person.ask, never);
    expect(person.questions).toHaveLength(1);
  });

  it('is no obstacle when the store is broken, and is not told to the log', async () => {
    const lines: string[] = [];
    const note = (...parts: unknown[]): void => void lines.push(parts.map(String).join(' '));
    const log = { debug: note, info: note, warn: note, error: note };
    await secrets.store('furo.passphrases', `{"${locked}": "${right}`);
    await openWindow(log).open(locked, new Person([right]).ask, never);
    expect(lines).toHaveLength(1);
    expect(lines.join('\n')).not.toContain(right);
  });
});

describe('a file that ssh2 cannot use', () => {
  it.each([
    ['a certificate', 'ssh-ed25519-cert-v01@openssh.com AAAA me', 'certificateUnsupported'],
    ['a security key', 'sk-ssh-ed25519@openssh.com AAAA me', 'securityKeyUnsupported'],
    ['no key at all', 'hello', 'keyFileUnreadable'],
  ])('is named as what it is: %s', async (_, text, reason) => {
    const file = join(folder, 'strange');
    writeFileSync(file, text);
    await expect(readPublicHalf(file)).rejects.toMatchObject({ reason, values: { file } });
  });

  it('is recognised as a security key in its private form, too', async () => {
    // The key type of a good file, renamed in place and of the same length: what `ssh-keygen -t ed25519-sk` writes.
    const file = join(folder, 'id_sk');
    const plain = readFileSync(makeKey('plain', ''), 'utf8');
    const body = Buffer.from(plain.split('\n').slice(1, -2).join(''), 'base64');
    const at = body.indexOf('ssh-ed25519');
    const renamed = Buffer.from(body);
    renamed.write('sk-ed25519@', at, 'latin1');
    const lines = renamed.toString('base64').match(/.{1,70}/g) ?? [];
    writeFileSync(
      file,
      ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n'), // prettier-ignore
    );
    await expect(readPublicHalf(file)).rejects.toMatchObject({ reason: 'securityKeyUnsupported' });
  });
});
