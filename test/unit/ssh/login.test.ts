// The order and the limits of a login, against an in-process ssh2 server that plays the login node.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { utils, type AuthContext, type ParsedKey } from 'ssh2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/base/log';
import type { Endpoint } from '../../../src/ssh/endpoint';
import { LoginBudget } from '../../../src/ssh/loginBudget';
import type { KeyboardQuestions, PasswordQuestion } from '../../../src/ssh/prompts';
import { secrets } from '../../secretGuard';
import { LoginNode, makeKeyText } from './loginNode';
import { ManualClock } from './manualClock';

let node: LoginNode;

afterEach(async () => {
  await node.stop();
});

/** Wants a key first and then a code. */
function keyThenCode(context: AuthContext): void {
  if (context.method === 'publickey') {
    if (context.signature === undefined) context.accept();
    else context.reject(['keyboard-interactive'], true);
  } else if (context.method === 'keyboard-interactive') {
    context.prompt([{ prompt: 'Code: ', echo: false }], 'Site', (answers) => {
      if (answers[0] === secrets.code) context.accept();
      else context.reject(['keyboard-interactive']);
    });
  } else context.reject(['publickey']);
}

/** Accepts one password, nothing else. */
function byPassword(right: string): (context: AuthContext) => void {
  return (context) => {
    if (context.method === 'password' && context.password === right) context.accept();
    else context.reject(['publickey', 'password']);
  };
}

const codes = (...answers: readonly (string | undefined)[]) => {
  let asked = 0;
  return vi.fn((questions: KeyboardQuestions) => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    return Promise.resolve(answer === undefined ? undefined : questions.prompts.map(() => answer));
  });
};

describe('a second factor', () => {
  it('is answered when it follows the key', async () => {
    node = await LoginNode.start(keyThenCode);
    const askKeyboard = codes(secrets.code);
    const connection = node.connection({ askKeyboard });
    await connection.connect();
    expect(connection.state.kind).toBe('connected');
    expect(askKeyboard.mock.calls[0]?.[0]).toMatchObject({
      host: '127.0.0.1',
      user: 'someone',
      title: 'Site',
      prompts: [{ text: 'Code: ', echo: false }],
    });
    expect(node.attempts).toEqual([
      'none',
      'publickey',
      'publickey signed',
      'keyboard-interactive',
    ]);
  });

  it('fails as a login after three wrong answers of a person, and is not tried again', async () => {
    node = await LoginNode.start(keyThenCode);
    const askKeyboard = codes('000000');
    const connection = node.connection({ askKeyboard });
    await expect(connection.connect()).rejects.toMatchObject({
      reason: 'authenticationFailed',
      values: { keys: 1, answers: 3 },
    });
    expect(askKeyboard).toHaveBeenCalledTimes(3);
    await expect(connection.exec('true')).rejects.toMatchObject({ reason: 'authenticationFailed' });
    expect(node.connections).toBe(1);
  });

  it('that is not given sends nothing, not even an empty answer', async () => {
    let answered = 0;
    node = await LoginNode.start((context) => {
      if (context.method === 'keyboard-interactive')
        context.prompt([{ prompt: 'Code: ', echo: false }], () => (answered += 1));
      else keyThenCode(context);
    });
    const connection = node.connection({ askKeyboard: codes(undefined) });
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'loginGivenUp' });
    expect(connection.state).toEqual({ kind: 'blocked', reason: 'loginGivenUp' });
    expect(answered).toBe(0);
  });

  it('may have many rounds and prompts', async () => {
    const rounds = [
      ['Password: ', 'Site code: '],
      ['Token: '],
      [],
      ['Question 1: ', 'Question 2: ', 'Question 3: '],
    ];
    const answered: (readonly string[])[] = [];
    node = await LoginNode.start((context) => {
      if (context.method !== 'keyboard-interactive') {
        context.reject(['keyboard-interactive']);
        return;
      }
      const ask = (round: number): void => {
        const texts = rounds[round];
        if (!texts) context.accept();
        else
          context.prompt(
            texts.map((prompt) => ({ prompt, echo: prompt.startsWith('Question') })),
            (answers) => {
              answered.push(answers);
              ask(round + 1);
            },
          );
      };
      ask(0);
    });
    const askKeyboard = ({ prompts }: KeyboardQuestions): Promise<string[]> =>
      Promise.resolve(prompts.map(({ text, echo }) => `${text}${echo}`));
    await node.connection({ askKeyboard }, { identityFiles: [] }).connect();
    expect(answered).toEqual([
      ['Password: false', 'Site code: false'],
      ['Token: false'],
      [],
      ['Question 1: true', 'Question 2: true', 'Question 3: true'],
    ]);
  });
});

describe('an answer that comes too late', () => {
  const never = (): Promise<never> => new Promise(() => undefined);

  it.each([
    ['a code', keyThenCode, 'askKeyboard'],
    ['a password', byPassword(secrets.password), 'askPassword'],
  ])('is told as such when the server hangs up before it: %s', async (_, way, name) => {
    node = await LoginNode.start(way);
    const ask = (): Promise<never> => {
      node.cut();
      return never();
    };
    const connection = node.connection({ [name]: ask });
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'answerTooLate' });
    expect(connection.state).toEqual({ kind: 'blocked', reason: 'answerTooLate' });
  });

  it('is told as a key that was not accepted when it is about the host key', async () => {
    node = await LoginNode.start(byPassword(secrets.password));
    const confirmHostKey = (): Promise<never> => {
      node.cut();
      return never();
    };
    await expect(node.connection({ confirmHostKey }).connect()).rejects.toMatchObject({
      reason: 'hostKeyRejected',
      values: { host: '127.0.0.1', fingerprint: expect.stringContaining('SHA256:') as string },
    });
    expect(node.attempts).toEqual([]);
  });

  it('is told as such when the server says goodbye', async () => {
    node = await LoginNode.start((context, client) => {
      if (context.method !== 'keyboard-interactive') keyThenCode(context);
      else {
        context.prompt([{ prompt: 'Code: ' }], () => undefined);
        const { _protocol } = client as unknown as {
          _protocol: { disconnect(reason: number): void };
        };
        _protocol.disconnect(2);
      }
    });
    const connection = node.connection({ askKeyboard: never });
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'answerTooLate' });
  });
});

describe('an agent', () => {
  /** Lists the key of the node; signs, refuses, or says nothing at all. */
  let mode: 'sign' | 'refuse' | 'hang';
  let agent: Server | undefined;

  afterEach(() => agent?.close());

  async function startAgent(): Promise<Partial<Endpoint>> {
    const key = utils.parseKey(readFileSync(node.keyFile)) as ParsedKey;
    const packet = (type: number, ...parts: readonly (Buffer | number)[]): Buffer => {
      const body = parts.flatMap((part) => typeof part === 'number' ? [uint32(part)] : [uint32(part.length), part]); // prettier-ignore
      const content = Buffer.concat([Buffer.from([type]), ...body]);
      return Buffer.concat([uint32(content.length), content]);
    };
    agent = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (request) => {
        const blob = key.getPublicSSH();
        if (request[4] === 11) socket.write(packet(12, 1, blob, Buffer.from('comment')));
        else if (mode === 'refuse') socket.write(packet(5));
        else if (mode === 'sign') {
          const dataAt = 9 + blob.length;
          const data = request.subarray(dataAt + 4, dataAt + 4 + request.readUInt32BE(dataAt));
          const made = key.sign(data);
          const type = Buffer.from(key.type);
          const signature = Buffer.concat([uint32(type.length), type, uint32(made.length), made]);
          socket.write(packet(14, signature));
        }
      });
    });
    const identityAgent = join(node.folder, 'agent');
    await new Promise<void>((done) => agent?.listen(identityAgent, done));
    return { identityAgent, identitiesOnly: false, identityFiles: [] };
  }

  function uint32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  }

  const byKey = (context: AuthContext): void => {
    if (context.method === 'publickey') context.accept();
    else context.reject(['publickey']);
  };

  it('that refuses to sign is told as such, not as a login that was refused', async () => {
    node = await LoginNode.start(byKey);
    mode = 'refuse';
    const connection = node.connection({}, await startAgent());
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'agentRefused' });
    expect(connection.state).toEqual({ kind: 'blocked', reason: 'agentRefused' });
  });

  it('that wants a person has all the time there is while somebody waits', async () => {
    node = await LoginNode.start(byKey);
    mode = 'hang';
    const clock = new ManualClock();
    const connection = node.connection({}, await startAgent(), { clock });
    const connecting = connection.connect();
    connecting.catch(() => undefined);
    await vi.waitFor(() => {
      expect(node.attempts).toEqual(['none', 'publickey']);
    });
    await new Promise((done) => setTimeout(done, 50));
    clock.pass(3_600_000);
    expect(connection.state.kind).toBe('connecting');
  });

  it.each(['refuse', 'hang'] as const)(
    'that does not sign (%s) while nobody waits needs a person',
    async (how) => {
      // prettier-ignore
      node = await LoginNode.start(byKey);
      mode = 'sign';
      const clock = new ManualClock();
      const connection = node.connection({}, await startAgent(), { clock });
      await connection.connect();
      mode = how;
      node.cut();
      await vi.waitFor(() => {
        expect(connection.state.kind).toBe('waiting');
      });
      clock.pass(1_000);
      await vi.waitFor(() => {
        expect(node.attempts.filter((method) => method === 'publickey')).toHaveLength(2);
      });
      await new Promise((done) => setTimeout(done, 50));
      clock.pass(30_000);
      await vi.waitFor(() => {
        expect(connection.state).toMatchObject({ kind: 'blocked', reason: 'personNeeded' });
      });
    },
  );
});

describe('a server that falls silent', () => {
  it('after a signature was given a login, which counts, and is told as such', async () => {
    const clock = new ManualClock();
    node = await LoginNode.start((context) => {
      if (context.method !== 'publickey') context.reject(['publickey']);
      else if (context.signature === undefined) context.accept();
      else clock.pass(30_000);
    });
    const logins = new LoginBudget({ clock, log: silentLogger });
    const connection = node.connection({}, {}, { clock, logins });
    for (let login = 0; login < 6; login++)
      await expect(connection.connect()).rejects.toMatchObject({ reason: 'loginUnanswered' });
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'tooManyLogins' });
    expect(node.connections).toBe(6);
  });

  it('before anything was offered was not reached, and nothing counts', async () => {
    const clock = new ManualClock();
    node = await LoginNode.start(() => {
      clock.pass(30_000);
    });
    const logins = new LoginBudget({ clock, log: silentLogger });
    const connection = node.connection({}, {}, { clock, logins });
    for (let login = 0; login < 7; login++)
      await expect(connection.connect()).rejects.toMatchObject({ reason: 'hostUnreachable' });
  });
});

describe('a proxy command', () => {
  const failing = `sh -c "echo 'no VPN' >&2; exit 3" --token canary-token-4c1d`;

  it('that fails by itself is no login, and only its program is in the log', async () => {
    node = await LoginNode.start(keyThenCode);
    const logins = new LoginBudget({ clock: new ManualClock(), log: silentLogger });
    const connection = node.connection({}, { proxyCommand: failing }, { logins });
    for (let login = 0; login < 7; login++)
      await expect(connection.connect()).rejects.toMatchObject({
        reason: 'proxyCommandFailed',
        values: { detail: 'no VPN, exit status 3' },
      });
    expect(node.log).toContain('proxy command of 127.0.0.1: sh');
    expect(node.log.join()).not.toContain('canary');
  });

  it('that reached the machine counts as a login', async () => {
    node = await LoginNode.start(keyThenCode);
    const logins = new LoginBudget({ clock: new ManualClock(), log: silentLogger });
    const proxyCommand = `sh -c "printf 'SSH-2.0-machine\\r\\n'; exit 3"`;
    const connection = node.connection({}, { proxyCommand }, { logins });
    for (let login = 0; login < 6; login++)
      await expect(connection.connect()).rejects.toMatchObject({ reason: 'proxyCommandFailed' });
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'tooManyLogins' });
  });
});

describe('a password', () => {
  it('is asked for after one keyboard-interactive try that had no question', async () => {
    node = await LoginNode.start((context) => {
      if (context.method === 'password') context.accept();
      else context.reject(['publickey', 'keyboard-interactive', 'password']);
    });
    await node.connection({ askPassword: () => Promise.resolve(secrets.password) }).connect();
    expect(node.attempts).toEqual(['none', 'publickey', 'keyboard-interactive', 'password']);
  });

  it('is asked for after the keys, again when it was refused', async () => {
    node = await LoginNode.start(byPassword(secrets.password));
    const questions: PasswordQuestion[] = [];
    const askPassword = (question: PasswordQuestion): Promise<string> => {
      questions.push(question);
      return Promise.resolve(question.isAgain ? secrets.password : 'typo');
    };
    await node.connection({ askPassword }).connect();
    expect(questions).toEqual([
      { host: '127.0.0.1', user: 'someone', isAgain: false },
      { host: '127.0.0.1', user: 'someone', isAgain: true },
    ]);
    expect(node.attempts).toEqual(['none', 'publickey', 'password', 'password']);
  });

  it('that has expired is told as such', async () => {
    node = await LoginNode.start((context) => {
      if (context.method !== 'password') context.reject(['password']);
      else context.requestChange('New password:', () => undefined);
    });
    const askPassword = (): Promise<string> => Promise.resolve('old');
    const connection = node.connection({ askPassword });
    await expect(connection.connect()).rejects.toMatchObject({ reason: 'passwordExpired' });
    expect(connection.state.kind).toBe('blocked');
  });
});

describe('a reconnect of our own', () => {
  it.each([
    ['a code', keyThenCode, { askKeyboard: codes(secrets.code) }],
    [
      'a password',
      byPassword(secrets.password),
      { askPassword: () => Promise.resolve(secrets.password) },
    ],
  ])('neither asks for %s nor sends one: it waits for a person', async (_, way, prompts) => {
    node = await LoginNode.start(way);
    const asked = Object.values(prompts).map((prompt) => vi.fn(prompt as () => Promise<never>));
    const [name = ''] = Object.keys(prompts);
    const connection = node.connection({ [name]: asked[0] });
    await connection.connect();
    node.cut();
    await vi.waitFor(() => {
      expect(connection.state).toMatchObject({ kind: 'blocked', reason: 'personNeeded' });
    });
    await expect(connection.exec('true')).rejects.toMatchObject({ reason: 'personNeeded' });
    expect(asked[0]).toHaveBeenCalledTimes(1);
    expect(node.connections).toBe(2);
    await connection.connect();
    expect(connection.state.kind).toBe('connected');
    expect(asked[0]).toHaveBeenCalledTimes(2);
  });

  it('asks nothing when the key is open already', async () => {
    node = await LoginNode.start((context) => {
      if (context.method === 'publickey') context.accept();
      else context.reject(['publickey']);
    });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', secrets.passphrase, '-a', '1', '-f', join(node.folder, 'locked')]); // prettier-ignore
    const askPassphrase = vi.fn(() =>
      Promise.resolve({ passphrase: secrets.passphrase, isKept: false }),
    );
    const connection = node.connection(
      { askPassphrase },
      { identityFiles: [join(node.folder, 'locked')] },
    );
    await connection.connect();
    node.cut();
    await vi.waitFor(() => {
      expect([connection.state.kind, node.connections]).toEqual(['connected', 2]);
    });
    expect(askPassphrase).toHaveBeenCalledTimes(1);
  });
});

describe('what ssh2 cannot do is told as such', () => {
  const refuseAll =
    (...methods: string[]) =>
    (context: AuthContext): void => {
      context.reject(methods as never[]);
    };

  it('when the server lets in by Kerberos only', async () => {
    node = await LoginNode.start(refuseAll('gssapi-with-mic', 'gssapi-keyex'));
    const connection = node.connection();
    await expect(connection.connect()).rejects.toMatchObject({
      reason: 'methodUnsupported',
      values: { methods: 'gssapi-with-mic, gssapi-keyex' },
    });
    expect(node.attempts).toEqual(['none']);
  });

  it('when the key has a certificate, and the server wants that', async () => {
    node = await LoginNode.start(refuseAll('publickey'));
    writeFileSync(`${node.keyFile}-cert.pub`, 'ssh-ed25519-cert-v01@openssh.com AAAA');
    await expect(node.connection().connect()).rejects.toMatchObject({
      reason: 'certificateUnsupported',
      values: { file: node.keyFile },
    });
  });

  it('when the key lives in a security key, before anything is offered', async () => {
    node = await LoginNode.start(refuseAll('publickey'));
    const file = join(node.folder, 'id_ed25519_sk');
    writeFileSync(file, 'sk-ssh-ed25519@openssh.com AAAA');
    const connection = node.connection({}, { identityFiles: [file] });
    await expect(connection.connect()).rejects.toMatchObject({
      reason: 'securityKeyUnsupported',
      values: { file },
    });
    expect(node.attempts).toEqual(['none']);
  });

  it('but an ordinary key beside it is used', async () => {
    node = await LoginNode.start((context) => {
      if (context.method === 'publickey') context.accept();
      else context.reject(['publickey']);
    });
    const file = join(node.folder, 'id_ed25519_sk');
    writeFileSync(file, 'sk-ssh-ed25519@openssh.com AAAA');
    await node.connection({}, { identityFiles: [file, node.keyFile] }).connect();
  });

  it('when the server exchanges keys by SHA-1 only', async () => {
    node = await LoginNode.start(refuseAll(), {
      algorithms: { kex: ['diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'] },
    });
    const connection = node.connection();
    await expect(connection.connect()).rejects.toMatchObject({
      reason: 'keyExchangeUnshared',
      values: { offered: 'diffie-hellman-group14-sha1, diffie-hellman-group1-sha1' },
    });
    expect(connection.state.kind).toBe('blocked');
  });

  it.each([
    ['cipher', { cipher: ['aes256-cbc', '3des-cbc'] }],
    ['mac', { cipher: ['aes256-ctr'], hmac: ['hmac-sha1', 'hmac-md5'] }],
  ])('when the server has only a weak %s', async (_, algorithms) => {
    node = await LoginNode.start(refuseAll(), { algorithms: algorithms as never });
    await expect(node.connection().connect()).rejects.toMatchObject({
      reason: 'cipherUnshared',
      values: { offered: Object.values(algorithms).at(-1)?.join(', ') },
    });
  });

  it('when the server has only an RSA host key with SHA-1', async () => {
    const rsa = execFileSync('openssl', ['genrsa', '-traditional', '2048'], { stdio: 'pipe' });
    node = await LoginNode.start(refuseAll(), {
      hostKeys: [rsa],
      algorithms: { serverHostKey: ['ssh-rsa'] },
    });
    await expect(node.connection().connect()).rejects.toMatchObject({
      reason: 'hostKeyTypeUnshared',
      values: { offered: 'ssh-rsa' },
    });
  });
});

describe('secrets', () => {
  function filesIn(folder: string): string[] {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile());
  }

  it('are in no file and in no line of the log, whether the login succeeds or fails', async () => {
    const { passphrase, password, code } = secrets;
    let isOpen = false;
    node = await LoginNode.start((context) => {
      if (context.method === 'publickey') {
        if (context.signature === undefined) context.accept();
        else context.reject(['keyboard-interactive'], true);
      } else if (context.method === 'keyboard-interactive') {
        context.prompt([{ prompt: 'Code: ', echo: false }], () => {
          context.reject(['password'], true);
        });
      } else if (context.method === 'password' && isOpen) context.accept();
      else context.reject(['publickey', 'password']);
    });
    const locked = join(node.folder, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-a', '1', '-f', locked]);
    const connection = node.connection(
      {
        askPassphrase: () => Promise.resolve({ passphrase, isKept: true }),
        askKeyboard: () => Promise.resolve([code]),
        askPassword: () => Promise.resolve(password),
      },
      { identityFiles: [locked] },
    );
    const thrown = await connection.connect().catch((error: unknown) => error);
    expect(thrown).toMatchObject({ reason: 'authenticationFailed' });
    isOpen = true;
    await connection.connect();
    expect(node.attempts).toContain('password');
    const texts = [
      ...filesIn(node.folder).map((path) => readFileSync(path, 'latin1')),
      ...node.log,
      JSON.stringify(thrown),
      String((thrown as Error).stack),
    ];
    expect(node.log.length).toBeGreaterThan(4);
    for (const canary of Object.values(secrets))
      expect(texts.filter((text) => text.includes(canary))).toEqual([]);
  });
});

describe('keys', () => {
  it('are offered one after the other, and no more than six', async () => {
    node = await LoginNode.start((context) => {
      context.reject(['publickey']);
    });
    const files = Array.from({ length: 9 }, (_, index) => join(node.folder, `key${index}`));
    for (const file of files) writeFileSync(file, makeKeyText());
    const connection = node.connection({}, { identityFiles: files });
    await expect(connection.connect()).rejects.toMatchObject({
      reason: 'authenticationFailed',
      values: { keys: 6, answers: 0 },
    });
    expect(node.attempts.filter((method) => method === 'publickey')).toHaveLength(6);
  });

  it('go on with the next one when a signature was refused', async () => {
    let signatures = 0;
    node = await LoginNode.start((context) => {
      if (context.method !== 'publickey') context.reject(['publickey']);
      else if (context.signature === undefined || ++signatures === 2) context.accept();
      else context.reject(['publickey']);
    });
    const second = join(node.folder, 'second');
    writeFileSync(second, makeKeyText());
    await node.connection({}, { identityFiles: [node.keyFile, second] }).connect();
    expect(signatures).toBe(2);
  });
});
