// Host keys and credentials against a real OpenSSH server: what is refused, what is asked, what reaches the server.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { SshConnection } from '../../src/ssh/connection';
import type {
  HostKeyQuestion,
  KeyboardQuestions,
  PassphraseAnswer,
  PassphraseQuestion,
} from '../../src/ssh/prompts';
import { requires } from '../requirements';
import { secrets } from '../secretGuard';
import { makeKey, startOpenSshServer, type OpenSshServerOptions } from './openSshServer';
import { ClientSide, onlyPrompts } from './sshFixture';

const describe = requires('sshd');
let client: ClientSide;

async function start(options: OpenSshServerOptions = {}): Promise<ClientSide> {
  client = new ClientSide(await startOpenSshServer(options));
  return client;
}

afterEach(async () => {
  client.dispose();
  await client.server.stop();
});

/** True when the server has seen any try to log in. */
function sawLogin(): boolean {
  return client.server.log().includes('userauth-request');
}

function publicKey(file: string): string {
  return readFileSync(`${file}.pub`, 'utf8');
}

describe('the host key', () => {
  it('is asked about when unknown, remembered when confirmed, and not asked again', async () => {
    const side = await start();
    const asked: HostKeyQuestion[] = [];
    const confirmHostKey = (question: HostKeyQuestion): Promise<boolean> => {
      asked.push(question);
      return Promise.resolve(true);
    };
    const prompts = onlyPrompts({ confirmHostKey });
    for (let run = 0; run < 2; run++)
      await side.connection({ knownHostsFiles: [] }, { prompts }).connect();
    const fingerprint = execFileSync('ssh-keygen', ['-lf', `${side.server.hostKeyFile}.pub`], {
      encoding: 'utf8',
    }).split(' ')[1];
    const { host, port } = side.server;
    const stored = { storedIn: side.trustFile, name: `[${host}]:${port}` };
    expect(asked).toEqual([{ host, port, keyType: 'ssh-ed25519', fingerprint, ...stored }]);
    expect(statSync(side.trustFile).mode & 0o777).toBe(0o600);
    const found = execFileSync('ssh-keygen', ['-F', `[${host}]:${port}`, '-f', side.trustFile]);
    expect(found.toString()).toContain(side.server.hostKeyLine);
  });

  it.each([
    ['false', () => Promise.resolve(false)],
    ['undefined', () => Promise.resolve(undefined as unknown as boolean)],
    ['a string', () => Promise.resolve('yes' as unknown as boolean)],
    ['an error', () => Promise.reject(new Error('window closed'))],
  ])('is refused before any login when the answer is %s', async (_, confirmHostKey) => {
    const side = await start();
    const prompts = onlyPrompts({ confirmHostKey });
    const remote = side.connection({ knownHostsFiles: [] }, { prompts });
    await expect(remote.connect()).rejects.toMatchObject({
      reason: expect.stringMatching(/^hostKey(Rejected|Unchecked)$/) as string,
    });
    expect(remote.state.kind).toBe('blocked');
    expect(sawLogin()).toBe(false);
    expect(existsSync(side.trustFile)).toBe(false);
  });

  it('is refused before any login when another one is known', async () => {
    const side = await start();
    const other = join(side.folder, 'other');
    makeKey(other);
    const { host, port } = side.server;
    writeFileSync(side.knownHosts, `# first\n[${host}]:${port} ${publicKey(other)}`);
    const remote = side.connection();
    await expect(remote.connect()).rejects.toMatchObject({
      reason: 'hostKeyChanged',
      values: { file: side.knownHosts, line: 2, keyType: 'ssh-ed25519' },
    });
    expect(sawLogin()).toBe(false);
    await expect(remote.exec('true')).rejects.toMatchObject({ reason: 'hostKeyChanged' });
  });

  it('is refused before any login when it is revoked, though another line accepts it', async () => {
    const side = await start();
    const key = side.server.hostKeyLine.split(' ').slice(1).join(' ');
    writeFileSync(side.knownHosts, `${side.server.hostKeyLine}\n@revoked * ${key}\n`);
    await expect(side.connection().connect()).rejects.toMatchObject({ reason: 'hostKeyRevoked' });
    expect(sawLogin()).toBe(false);
  });

  it('is refused when a known_hosts file exists but cannot be read', async () => {
    const side = await start();
    const remote = side.connection({ knownHostsFiles: [side.folder] });
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'hostKeyUnchecked' });
    expect(sawLogin()).toBe(false);
  });

  it('is asked for in the type that is known, so that an RSA host does not look changed', async () => {
    const rsa = join(process.env['TMPDIR'] ?? '/tmp', `furo-rsa-${process.pid}`);
    makeKey(rsa, '', 'rsa');
    try {
      const side = await start({ extraConfig: `HostKey ${rsa}` });
      const { host, port } = side.server;
      writeFileSync(side.knownHosts, `[${host}]:${port} ${publicKey(rsa)}`);
      await side.connection().connect();
    } finally {
      for (const file of [rsa, `${rsa}.pub`]) rmSync(file);
    }
  });

  it('is found under a hashed name', async () => {
    const side = await start();
    writeFileSync(side.knownHosts, `${side.server.hostKeyLine}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', side.knownHosts], { stdio: 'ignore' });
    await side.connection().connect();
  });
});

describe('credentials', () => {
  it('uses a key of the agent', async () => {
    const side = await start();
    const identityAgent = await side.startAgent(side.server.identityFile);
    const remote = side.connection({ identityFiles: [], identitiesOnly: false, identityAgent });
    expect((await remote.exec('echo in')).stdout).toBe('in\n');
  });

  it('offers no other agent key when only named ones are allowed', async () => {
    const side = await start();
    const other = join(side.folder, 'other');
    makeKey(other);
    const identityAgent = await side.startAgent(side.server.identityFile);
    const remote = side.connection({ identityFiles: [other], identityAgent });
    await expect(remote.connect()).rejects.toMatchObject({
      reason: 'authenticationFailed',
      values: { keys: 1, answers: 0 },
    });
  });

  it('asks for a passphrase only when the server accepts the key, and once for two connections', async () => {
    const side = await start();
    const locked = join(side.folder, 'locked');
    const unwanted = join(side.folder, 'unwanted');
    makeKey(locked, secrets.passphrase);
    makeKey(unwanted, 'never asked');
    writeFileSync(join(side.server.folder, 'authorized_keys'), publicKey(locked));
    const asked: string[] = [];
    const askPassphrase = ({ file }: PassphraseQuestion): Promise<PassphraseAnswer> => {
      asked.push(file);
      const passphrase = asked.length === 1 ? 'wrong' : secrets.passphrase;
      return Promise.resolve({ passphrase, isKept: false });
    };
    const remote = side.connection(
      { identityFiles: [unwanted, locked] },
      { prompts: onlyPrompts({ askPassphrase }) },
    );
    await remote.connect();
    remote.disconnect();
    await remote.connect();
    expect(asked).toEqual([locked, locked]);
  });

  it('blocks when the passphrase is not given, and asks again only on demand', async () => {
    const side = await start();
    const locked = join(side.folder, 'locked');
    makeKey(locked, secrets.passphrase);
    writeFileSync(join(side.server.folder, 'authorized_keys'), publicKey(locked));
    let asked = 0;
    const askPassphrase = (): Promise<undefined> => {
      asked += 1;
      return Promise.resolve(undefined);
    };
    const prompts = onlyPrompts({ askPassphrase });
    const remote = side.connection({ identityFiles: [locked] }, { prompts });
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'passphraseRefused' });
    await expect(remote.exec('true')).rejects.toMatchObject({ reason: 'passphraseRefused' });
    expect(asked).toBe(1);
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'passphraseRefused' });
    expect(asked).toBe(2);
  });

  it('tells that no key was accepted, and does not try again by itself', async () => {
    const side = await start({ authorizedKeys: '' });
    const remote = side.connection();
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'authenticationFailed' });
    expect(remote.state).toEqual({ kind: 'blocked', reason: 'authenticationFailed' });
    const logins = (): number => side.server.log().split('Connection from').length;
    const before = logins();
    await expect(remote.exec('true')).rejects.toMatchObject({ reason: 'authenticationFailed' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(before).toBeGreaterThan(1);
    expect(logins()).toBe(before);
  });

  it('tells that there is no key to offer', async () => {
    const side = await start();
    await expect(side.connection({ identityFiles: [] }).connect()).rejects.toMatchObject({
      reason: 'noKey',
    });
  });

  it.each(['rsa', 'ecdsa', 'ed25519'])('logs in with a key of type %s', async (type) => {
    const side = await start();
    const key = join(side.folder, type);
    makeKey(key, '', type);
    writeFileSync(join(side.server.folder, 'authorized_keys'), publicKey(key));
    await side.connection({ identityFiles: [key] }).connect();
  });
});

requires('sshd', 'root')('a code after the key', () => {
  async function answering(
    answer: (questions: KeyboardQuestions) => Promise<string[]>,
    extraConfig: string[] = [],
  ): Promise<{ remote: SshConnection; asked: KeyboardQuestions[] }> {
    const side = await start({ code: secrets.code, extraConfig });
    const asked: KeyboardQuestions[] = [];
    const askKeyboard = (questions: KeyboardQuestions): Promise<string[]> => {
      asked.push(questions);
      return questions.prompts.length === 0 ? Promise.resolve([]) : answer(questions);
    };
    const prompts = onlyPrompts({ askKeyboard });
    return { remote: side.connection({}, { prompts }), asked };
  }

  it('is asked for by the server, again after a wrong one, and lets in', async () => {
    const codes = ['000000', secrets.code];
    const { remote, asked } = await answering(() => Promise.resolve([codes.shift() ?? '']));
    expect((await remote.exec('echo in')).stdout).toBe('in\n');
    const texts = asked.flatMap(({ prompts }) => prompts);
    expect(texts).toEqual(Array(2).fill({ text: 'Password: ', echo: false }));
    expect(codes).toEqual([]);
  });

  it('that comes after the server hung up is told as such, and nothing is tried again', async () => {
    const never = (): Promise<never> => new Promise(() => undefined);
    const { remote } = await answering(never, ['LoginGraceTime 1']);
    await expect(remote.connect()).rejects.toMatchObject({ reason: 'answerTooLate' });
    expect(remote.state).toEqual({ kind: 'blocked', reason: 'answerTooLate' });
  });
});
