// Servers that make it hard, all of them real OpenSSH ones: each ends in the right state and with the right words.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { resolveRemoteFolder } from '../../src/jobs/remoteFolder';
import type { SshConnection } from '../../src/ssh/connection';
import { remotePath } from '../../src/ssh/remote';
import { shellScript } from '../../src/ssh/shellQuote';
import { failureText } from '../../src/words/failureText';
import { english } from '../../src/words/translate';
import { isFailure } from '../../src/base/failure';
import { requires } from '../requirements';
import { makeKey, startOpenSshServer, type OpenSshServerOptions } from './openSshServer';
import { ClientSide } from './sshFixture';

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

/** The reason of a refused connection, and what a person reads; it must be blocked, so nothing tries again. */
async function refusal(remote: SshConnection): Promise<{ reason: string; text: string }> {
  const error: unknown = await remote.connect().then(
    () => new Error('it connected'),
    (thrown: unknown) => thrown,
  );
  if (!isFailure(error)) throw error;
  expect(remote.state).toEqual({ kind: 'blocked', reason: error.reason });
  return { reason: error.reason, text: failureText(error, english).message };
}

/** The ways in which the layers above run something: a plain command, and a script for sh. */
async function bothWays(remote: SshConnection): Promise<void> {
  expect((await remote.exec('echo "one  two"')).stdout).toContain('one  two\n');
  const { command, stdin } = shellScript(`printf '%s\\n' 'it'\\''s $HOME !! "x"'\n`);
  // The second time it may be a shell that waited.
  for (const isFollowed of [true, false])
    expect((await remote.exec(command, { stdin, isFollowed })).stdout).toContain(`it's $HOME !! "x"\n`); // prettier-ignore
  expect(await resolveRemoteFolder(remote, '~/runs')).toBe(`${client.server.folder}/home/runs`);
}

describe('algorithms that we lack', () => {
  it('are named: a post-quantum key exchange only', async () => {
    const kex = 'sntrup761x25519-sha512@openssh.com';
    const { reason, text } = await refusal(
      (await start({ extraConfig: `KexAlgorithms ${kex}` })).connection(),
    );
    expect(reason).toBe('keyExchangeUnshared');
    expect(text).toContain(`(${kex})`);
    expect(text).toContain('curve25519-sha256');
    expect(client.server.log()).not.toContain('userauth-request');
  });

  it('are named: the cipher that Terrapin needs, only', async () => {
    const cipher = 'chacha20-poly1305@openssh.com';
    const { reason, text } = await refusal(
      (await start({ extraConfig: `Ciphers ${cipher}` })).connection(),
    );
    expect(reason).toBe('cipherUnshared');
    expect(text).toContain(cipher);
  });

  it('are never offered: SHA-1 for the key exchange, the host key or the packets', async () => {
    const side = await start({ extraConfig: 'LogLevel DEBUG3' });
    await side.connection().connect();
    const offers = side.server.log().match(/debug2: (KEX|host key|ciphers|MACs).*$/gm) ?? [];
    const peer = side.server.log().split('peer client KEXINIT proposal')[1]?.split('[preauth]');
    expect(offers.length).toBeGreaterThan(4);
    const offered = (peer ?? []).slice(0, 9).join('\n');
    expect(offered).toContain('curve25519-sha256');
    expect(offered).not.toMatch(/sha1|ssh-rsa[,\s]|ssh-dss|cbc|chacha20|md5|arcfour/);
  });
});

describe('ways to log in that we lack', () => {
  it('are named: Kerberos only', async () => {
    const side = await start({
      extraConfig: ['PubkeyAuthentication no', 'GSSAPIAuthentication yes'],
    });
    const { reason, text } = await refusal(side.connection());
    expect(reason).toBe('methodUnsupported');
    expect(text).toContain('gssapi-with-mic');
  });

  it.each(['a file', 'the agent'])('are named: a certificate only, held by %s', async (holder) => {
    const side = await start({ authorizedKeys: '' });
    await side.server.stop();
    const ca = join(side.folder, 'ca');
    makeKey(ca);
    client = new ClientSide(await startOpenSshServer({ authorizedKeys: '', extraConfig: `TrustedUserCAKeys ${ca}.pub` })); // prettier-ignore
    const key = join(side.folder, 'certified');
    makeKey(key);
    const { user } = client.server;
    execFileSync('ssh-keygen', ['-q', '-s', ca, '-I', 'id', '-n', user, '-V', '+1h', `${key}.pub`]);
    const socket = await client.startAgent(key);
    const remote =
      holder === 'a file'
        ? client.connection({ identityFiles: [key] })
        : client.connection({
            identityFiles: [],
            identitiesOnly: false,
            identityAgent: socket,
          });
    const { reason, text } = await refusal(remote);
    expect(reason).toBe('certificateUnsupported');
    expect(text).toContain(holder === 'a file' ? key : socket);
    side.dispose();
  });
});

describe('shells that are not like others', () => {
  it('a csh as login shell', async () => {
    const side = await start({ extraConfig: 'ForceCommand exec csh -c "$SSH_ORIGINAL_COMMAND"' });
    writeFileSync(join(side.server.folder, 'home/.cshrc'), 'set prompt="% "\nset noclobber\n');
    await bothWays(side.connection());
  });

  it('start-up files that take their time', async () => {
    const side = await start();
    writeFileSync(join(side.server.folder, 'home/.bashrc'), 'sleep 2\n');
    const remote = side.connection();
    const begun = Date.now();
    await bothWays(remote);
    expect(Date.now() - begun).toBeGreaterThan(5_000);
    expect(remote.state.kind).toBe('connected');
  });

  it('greetings before the login and noise of start-up files', async () => {
    const banner = 'x'.repeat(4_000);
    const side = await start();
    const motd = join(side.folder, 'banner');
    writeFileSync(motd, `${banner}\n\u001b[31mMaintenance on Friday\u001b[0m\n`);
    await side.server.stop();
    client = new ClientSide(await startOpenSshServer({ extraConfig: `Banner ${motd}` }));
    const home = join(client.server.folder, 'home');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, '.bashrc'), 'echo "Welcome /to Furo"; printf "no line break"; echo oops >&2\n'); // prettier-ignore
    const remote = client.connection();
    await bothWays(remote);
    expect((await remote.files.list(remotePath(home))).map(({ name }) => name)).toEqual(['.bashrc']); // prettier-ignore
    side.dispose();
  });

  it.each([
    ['internal-sftp', 'This service allows sftp connections only.'],
    ['/usr/sbin/nologin', 'This account is currently not available.'],
  ])('none at all (%s): files work, and a command says why not', async (shell, says) => {
    const only = shell === 'internal-sftp' ? `ForceCommand ${shell}` : '';
    const side = await start({
      extraConfig: only || `ForceCommand case "$SSH_ORIGINAL_COMMAND" in *sftp*) exec /usr/lib/openssh/sftp-server;; *) exec ${shell};; esac`, // prettier-ignore
    });
    const remote = side.connection();
    const path = remotePath(`${side.server.folder}/home/file`);
    await remote.files.write(path, 'text');
    expect((await remote.files.read(path)).toString()).toBe('text');
    expect(await remote.exec('true')).toMatchObject({ exitCode: 1, stdout: `${says}\n` });
    await expect(resolveRemoteFolder(remote, '~')).rejects.toMatchObject({
      reason: 'remoteFolderUnusable',
      values: { detail: says },
    });
    expect(remote.state.kind).toBe('connected');
  });
});

describe('new keys in the middle of a transfer', () => {
  it('change no byte in either direction', async () => {
    const side = await start({ extraConfig: 'RekeyLimit 1M' });
    const remote = side.connection();
    const bytes = randomBytes(12 * 1024 * 1024);
    const path = remotePath(`${side.folder}/remote`);
    const local = join(side.folder, 'local');
    await remote.files.write(path, bytes);
    await remote.files.download(path, local);
    const sha = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
    expect(sha(readFileSync(path))).toBe(sha(bytes));
    expect(sha(readFileSync(local))).toBe(sha(bytes));
    const rekeys = side.server.log().match(/set_newkeys/g)?.length ?? 0;
    expect(rekeys).toBeGreaterThan(20);
    expect(remote.state.kind).toBe('connected');
  });
});
