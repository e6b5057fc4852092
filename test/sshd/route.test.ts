// Jump hosts and proxy commands through real OpenSSH servers, set up in an ssh configuration that `ssh` itself uses, too.
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock';
import { silentLogger } from '../../src/base/log';
import { checkConnection, routeOf } from '../../src/jobs/connectionCheck';
import { SshConnection, type SshConnectionOptions } from '../../src/ssh/connection';
import { LoginBudget } from '../../src/ssh/loginBudget';
import { ProxyCommand } from '../../src/ssh/proxyCommand';
import type { SshPrompts } from '../../src/ssh/prompts';
import { resolveEndpoint } from '../../src/ssh/sshConfig';
import {
  freePort,
  makeKey,
  startOpenSshServer,
  type OpenSshServer,
  type OpenSshServerOptions,
} from './openSshServer';
import { eventually, onlyPrompts } from './sshFixture';

let folder: string;
let config: string;
let servers: OpenSshServer[];
let connections: SshConnection[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'furo-route-'));
  config = join(folder, 'config');
  servers = [];
  connections = [];
});

afterEach(async () => {
  for (const connection of connections) connection.dispose();
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: OpenSshServerOptions = {}): Promise<OpenSshServer> {
  const server = await startOpenSshServer(options);
  servers.push(server);
  return server;
}

/** A `Host` block; each machine has a known_hosts file of its own, so that each is checked under its own name. */
function block(name: string, server: OpenSshServer, ...lines: string[]): string {
  const known = join(folder, `known_${name}`);
  if (!existsSync(known)) {
    const key = server.hostKeyLine.split(' ').slice(1).join(' ');
    writeFileSync(known, `${name} ${key}\n`);
  }
  return [
    `Host ${name}`,
    '  HostName 127.0.0.1',
    `  HostKeyAlias ${name}`,
    `  Port ${String(server.port)}`,
    `  IdentityFile ${server.identityFile}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    `  UserKnownHostsFile ${known}`,
    '  GlobalKnownHostsFile none',
    ...lines.map((line) => `  ${line}`),
    '',
  ].join('\n');
}

function connection(
  alias: string,
  prompts: Partial<SshPrompts> = {},
  more: Partial<SshConnectionOptions> = {},
): SshConnection {
  const made = new SshConnection({
    endpoint: (signal) => resolveEndpoint({ host: alias }, { configFile: config, signal }),
    trustFile: join(folder, 'trusted'),
    prompts: onlyPrompts(prompts),
    log: silentLogger,
    clock: systemClock,
    random: () => 0.05,
    ...more,
  });
  connections.push(made);
  return made;
}

async function ssh(alias: string, command: string): Promise<string> {
  const args = ['-F', config, '-o', 'BatchMode=yes', alias, command];
  return (await promisify(execFile)('ssh', args)).stdout;
}

function sawLogin(server: OpenSshServer): boolean {
  return server.log().includes('userauth-request');
}

/** Connections that came since the server was started; it takes one to see that it listens. */
function arrivals(server: OpenSshServer): number {
  return server.log().split('Connection from').length - 2;
}

/** Command lines of the processes that speak of our folder. */
function processes(): string[] {
  const all = execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).split('\n');
  return all.filter((line) => line.includes(folder) && !line.includes('ps -eo'));
}

describe('two jump hosts', () => {
  async function threeMachines(): Promise<[OpenSshServer, OpenSshServer, OpenSshServer]> {
    const machines = await Promise.all([start(), start(), start()]);
    const [front, middle, furo] = machines;
    writeFileSync(
      config,
      block('front', front) + block('middle', middle) + block('furo', furo, 'ProxyJump front,middle'), // prettier-ignore
    );
    return machines;
  }

  it('lead to the machine that ssh reaches over them, and end with the connection', async () => {
    const machines = await threeMachines();
    const where = 'echo $SSH_CONNECTION';
    const byHand = (await ssh('furo', where)).trim().split(' ');
    const remote = connection('furo');
    const { stdout } = await remote.exec(where);
    expect(stdout.trim().split(' ').slice(2)).toEqual(byHand.slice(2));
    expect(stdout.trim().split(' ')[3]).toBe(String(machines[2].port));
    for (const machine of machines) expect(machine.sessions().length).toBeGreaterThan(0);
    remote.dispose();
    await eventually(() => machines.every((one) => one.sessions().length === 0), 'the end');
  });

  it('send nothing to the second one when its key has changed, and say where to look', async () => {
    const [front, middle, furo] = await threeMachines();
    makeKey(join(folder, 'other'));
    const known = join(folder, 'known_middle');
    writeFileSync(known, `# old\nmiddle ${readFileSync(join(folder, 'other.pub'), 'utf8')}`);
    const remote = connection('furo');
    await expect(remote.connect()).rejects.toMatchObject({
      reason: 'hostKeyChanged',
      values: { name: 'middle', file: known, line: 2, port: middle.port, onWayTo: '127.0.0.1' },
    });
    expect(remote.state).toEqual({ kind: 'blocked', reason: 'hostKeyChanged' });
    expect(sawLogin(front)).toBe(true);
    expect(sawLogin(middle)).toBe(false);
    expect(arrivals(furo)).toBe(0);
    await eventually(() => front.sessions().length === 0, 'the end of the first login');
  });

  it('are asked about one by one, each under its own name', async () => {
    await threeMachines();
    for (const name of ['front', 'middle', 'furo'])
      writeFileSync(join(folder, `known_${name}`), '');
    const asked: string[] = [];
    const confirmHostKey: SshPrompts['confirmHostKey'] = ({ name, storedIn }) => {
      asked.push(`${name} ${storedIn}`);
      return Promise.resolve(true);
    };
    await connection('furo', { confirmHostKey }).connect();
    const trusted = join(folder, 'trusted');
    expect(asked).toEqual(['front', 'middle', 'furo'].map((name) => `${name} ${trusted}`));
    await connection('furo').connect();
  });

  it('are gone through again when the first one cut the line', async () => {
    const [front] = await threeMachines();
    const remote = connection('furo');
    await remote.connect();
    front.cutSessions();
    await eventually(() => remote.state.kind !== 'connected', 'the cut');
    await eventually(() => remote.state.kind === 'connected', 'the way back');
    expect((await remote.exec('echo back')).stdout).toBe('back\n');
  });

  it('are named when their login fails', async () => {
    const [, middle] = await threeMachines();
    writeFileSync(join(middle.folder, 'authorized_keys'), '');
    await expect(connection('furo').connect()).rejects.toMatchObject({
      reason: 'authenticationFailed',
      values: { jumpHost: '127.0.0.1', onWayTo: '127.0.0.1' },
    });
  });
});

describe('a jump host', () => {
  it('is named when it does not get through', async () => {
    const [front, furo] = await Promise.all([start(), start()]);
    const closed = { ...furo, port: await freePort() };
    writeFileSync(config, block('front', front) + block('furo', closed, 'ProxyJump front'));
    await expect(connection('furo').connect()).rejects.toMatchObject({
      reason: 'jumpRefused',
      values: { host: '127.0.0.1', port: closed.port, detail: expect.stringMatching(/refused/i) as string }, // prettier-ignore
    });
    await eventually(() => front.sessions().length === 0, 'the end of the login on the way');
  });

  it('and the machine behind it are logged in to six times in ten minutes at most', async () => {
    const [front, furo] = await Promise.all([start(), start()]);
    writeFileSync(
      config,
      block('front', front) + block('furo', furo, 'ProxyJump front') + block('direct', furo),
    );
    writeFileSync(join(folder, 'known_direct'), readFileSync(join(folder, 'known_furo'), 'utf8').replace('furo', 'direct')); // prettier-ignore
    const logins = new LoginBudget({ clock: systemClock, log: silentLogger });
    const remote = connection('furo', {}, { logins });
    for (let login = 0; login < 6; login++) {
      await remote.connect();
      remote.disconnect();
    }
    await expect(remote.connect()).rejects.toMatchObject({
      reason: 'tooManyLogins',
      values: { jumpHost: '127.0.0.1', onWayTo: '127.0.0.1' },
    });
    const direct = connection('direct', {}, { logins });
    await expect(direct.connect()).rejects.toMatchObject({ reason: 'tooManyLogins' });
    const accepted = [front, furo].map((one) => one.log().split('Accepted publickey').length - 1);
    expect(accepted).toEqual([6, 6]);
  });

  it('is named when it forwards nothing', async () => {
    const front = await start({ extraConfig: 'AllowTcpForwarding no' });
    const furo = await start();
    writeFileSync(config, block('front', front) + block('furo', furo, 'ProxyJump front'));
    await expect(connection('furo').connect()).rejects.toMatchObject({ reason: 'jumpRefused' });
    expect(arrivals(furo)).toBe(0);
  });
});

describe('a proxy command', () => {
  it('carries the connection as in ssh, and is gone after it', async () => {
    const [front, furo] = await Promise.all([start(), start()]);
    const args = join(folder, 'args');
    const command = `sh -c 'echo "$*" >>${args}; exec ssh -F ${config} -W "$1:$2" front' - %h %p %r %n %k %%`;
    writeFileSync(
      config,
      block('front', front) + block('furo', furo, `ProxyCommand ${command}`, 'User root'),
    );
    expect(await ssh('furo', 'echo in')).toBe('in\n');
    const remote = connection('furo');
    expect((await remote.exec('echo in')).stdout).toBe('in\n');
    const big = 'x'.repeat(3_000_000);
    expect((await remote.exec('wc -c', { stdin: big })).stdout.trim()).toBe(String(big.length));
    // OpenSSH and we gave the command the same words.
    const [theirs, ours] = readFileSync(args, 'utf8').trim().split('\n');
    expect(ours).toBe(theirs);
    expect(processes().some((line) => line.includes('-W'))).toBe(true);
    remote.dispose();
    await eventually(() => processes().length === 0, 'the end of the command');
  });

  it('tells its last words when it ends too early', async () => {
    const furo = await start();
    const command = `echo "no route for %h" >&2; exit 3`;
    writeFileSync(config, block('furo', furo, `ProxyCommand sh -c '${command}'`));
    await expect(connection('furo').connect()).rejects.toMatchObject({
      reason: 'proxyCommandFailed',
      values: { host: '127.0.0.1', detail: 'no route for 127.0.0.1, exit status 3' },
    });
  });

  it('has said its last words when writing to it fails', async () => {
    const words = 'exec 0<&-; echo deaf; sleep 0.3; echo gone >&2; exit 3';
    const wire = new ProxyCommand(`sh -c '${words}'`);
    await once(wire, 'data');
    const failed = once(wire, 'error');
    wire.write('hello');
    await failed;
    expect(wire.lastWords).toBe('gone, exit status 3');
  });

  it('is not waited for when something that it started holds its pipes', async () => {
    const wire = new ProxyCommand(`sh -c 'sleep 12 & exec 0<&-; echo deaf; sleep 0.2; exit 3'`);
    await once(wire, 'data');
    const [failed, start] = [once(wire, 'error'), performance.now()];
    wire.write('hello');
    await failed;
    expect(performance.now() - start).toBeLessThan(6_000);
  });

  it.each(['', 'trap "" HUP; '])(
    'is killed when it hangs and the attempt is given up: %s',
    async (first) => {
      const furo = await start();
      const command = `sh -c '${first}: ${folder}; while true; do sleep 1; done'`;
      writeFileSync(config, block('furo', furo, `ProxyCommand ${command}`));
      const remote = connection('furo');
      const connecting = remote.connect();
      connecting.catch(() => undefined);
      await eventually(() => processes().length > 0, 'the command');
      remote.disconnect();
      await expect(connecting).rejects.toMatchObject({ reason: 'connectionClosed' });
      await eventually(() => processes().length === 0, 'its end');
    },
  );

  it('does not come before the host key: a changed one is refused without a login', async () => {
    const furo = await start();
    makeKey(join(folder, 'other'));
    writeFileSync(join(folder, 'known_furo'), `furo ${readFileSync(join(folder, 'other.pub'), 'utf8')}`); // prettier-ignore
    const relay = join(folder, 'relay.cjs');
    writeFileSync(
      relay,
      `const s = require('net').connect(process.argv[3], process.argv[2]);
       process.stdin.pipe(s).pipe(process.stdout);`,
    );
    writeFileSync(config, block('furo', furo, `ProxyCommand ${process.execPath} ${relay} %h %p`));
    await expect(connection('furo').connect()).rejects.toMatchObject({ reason: 'hostKeyChanged' });
    expect(sawLogin(furo)).toBe(false);
  });
});

describe('the check of a connection over a jump host', () => {
  /** State and reason of each step until the first that was not reached. */
  async function check(): Promise<string[]> {
    const remote = connection('furo');
    const parts = {
      remote,
      clock: systemClock,
      remoteFolder: '~/runs',
      route: async (signal: AbortSignal) =>
        routeOf(await resolveEndpoint({ host: 'furo' }, { configFile: config, signal })),
    };
    const { steps } = await checkConnection(parts, { signal: new AbortController().signal });
    return steps
      .filter(({ state }) => state !== 'notReached')
      .map(({ step, state, finding, failure }) => `${step} ${state} ${failure?.reason ?? finding ?? ''}`); // prettier-ignore
  }

  async function twoMachines(): Promise<[OpenSshServer, OpenSshServer]> {
    const [front, furo] = await Promise.all([start(), start()]);
    writeFileSync(config, block('front', front) + block('furo', furo, 'ProxyJump front'));
    return [front, furo];
  }

  it('goes the whole way by one login', async () => {
    const [front, furo] = await twoMachines();
    const steps = await check();
    expect(steps.slice(0, 5)).toEqual([
      'settings ok settingsRead',
      'name skipped reachedByProxy',
      'port skipped reachedByProxy',
      'hostKey ok hostKeyKnown',
      'login ok loggedIn',
    ]);
    expect(steps).toContain('folder ok folderCreated');
    const accepted = [front, furo].map((one) => one.log().split('Accepted publickey').length - 1);
    expect(accepted).toEqual([1, 1]);
  });

  it('ends before the machine when the fault is on the way', async () => {
    const [front] = await twoMachines();
    writeFileSync(join(front.folder, 'authorized_keys'), '');
    expect((await check()).at(-1)).toBe('port failed authenticationFailed');
    makeKey(join(folder, 'other'));
    writeFileSync(join(folder, 'known_front'), `front ${readFileSync(join(folder, 'other.pub'), 'utf8')}`); // prettier-ignore
    expect((await check()).at(-1)).toBe('port failed hostKeyChanged');
  });

  it('tells a jump host that does not get through from a login that is refused behind it', async () => {
    const [front, furo] = await twoMachines();
    writeFileSync(join(furo.folder, 'authorized_keys'), '');
    expect((await check()).slice(2)).toEqual([
      'port skipped reachedByProxy',
      'hostKey ok hostKeyKnown',
      'login failed authenticationFailed',
    ]);
    const closed = { ...furo, port: await freePort() };
    writeFileSync(config, block('front', front) + block('furo', closed, 'ProxyJump front'));
    expect((await check()).at(-1)).toBe('port failed jumpRefused');
  });
});

it('asks about an unknown key once, though the session keys are renewed again and again', async () => {
  const furo = await start({ extraConfig: 'RekeyLimit 1M' });
  writeFileSync(config, block('furo', furo));
  writeFileSync(join(folder, 'known_furo'), '');
  let asked = 0;
  const confirmHostKey = (): Promise<boolean> => {
    asked += 1;
    return Promise.resolve(true);
  };
  const remote = connection('furo', { confirmHostKey });
  const stdin = 'x'.repeat(5_000_000);
  expect((await remote.exec('wc -c', { stdin })).stdout.trim()).toBe(String(stdin.length));
  const down = await remote.exec('head -c 5000000 /dev/zero | tr "\\0" x');
  expect(down.stdout === stdin).toBe(true);
  expect(furo.log().split('rekeying out').length).toBeGreaterThan(8);
  expect(asked).toBe(1);
});
