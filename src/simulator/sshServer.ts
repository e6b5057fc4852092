// The login node's SSH side: keys, sessions, and what each session asked for. Knows no PJM.
import { createServer, type Server as TcpServer, type Socket } from 'node:net';
import ssh2, {
  type AuthContext,
  type Connection,
  type Server as Ssh2Server,
  type ServerChannel,
  type Session,
} from 'ssh2';
import type { Disposable } from '../base/disposable';
import type { Logger } from '../base/log';
import type { Confinement } from './confinement';
import type { Faults } from './faults';
import { FaultySocket } from './faultySocket';
import { SftpServer } from './sftpServer';
import { Shell, type Terminal } from './shell';

/** The version that CentOS 7 ships, as Furo's login nodes likely run; clients choose dialects by it. */
const identification = 'OpenSSH_7.4 Simulated_Furo';
/** A key exchange that no current client offers: with it alone, none can be agreed. */
const unwantedKeyExchange = 'diffie-hellman-group1-sha1';

export interface SshServerOptions {
  readonly port: number;
  readonly user: string;
  /** Private keys in a format that ssh2 reads: the machine's own, and the one of the `other` fault. */
  readonly hostKey: string;
  readonly otherHostKey: string;
  /** Text of authorized_keys, read anew for each attempt. */
  readonly authorizedKeys: () => string;
  readonly home: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly python: string;
  readonly confinement: Confinement;
  readonly faults: Faults;
  readonly log: Logger;
}

/** Listens on loopback until disposed. */
export class SshServer implements Disposable {
  readonly #servers: Readonly<Record<'own' | 'other' | 'refuse', Ssh2Server>>;
  readonly #tcp: TcpServer;
  readonly #sockets = new Set<FaultySocket>();
  readonly #shells = new Set<Shell>();

  constructor(readonly options: SshServerOptions) {
    const make = (hostKey: string, algorithms = {}): Ssh2Server => {
      const config = { hostKeys: [hostKey], ident: identification, algorithms };
      const server = new ssh2.Server(config, (client) => {
        this.#welcome(client);
      });
      server.on('error', (error: Error) => options.log.warn(`ssh: ${error.message}`));
      return server;
    };
    this.#servers = {
      own: make(options.hostKey),
      other: make(options.otherHostKey),
      refuse: make(options.hostKey, { kex: [unwantedKeyExchange] }),
    };
    this.#tcp = createServer((socket) => {
      this.#accept(socket);
    });
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen(this.options.port, '127.0.0.1', () => {
        const address = this.#tcp.address();
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  }

  dispose(): void {
    this.#tcp.close();
    for (const shell of this.#shells) shell.dispose();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    const faulty = new FaultySocket(socket, this.options.faults);
    this.#sockets.add(faulty);
    faulty.once('close', () => this.#sockets.delete(faulty));
    const server = this.#servers[this.options.faults.settings.hostKey];
    // ssh2 asks of the socket only what a Duplex has, its addresses and setNoDelay.
    server.injectSocket(faulty as unknown as Socket);
  }

  #welcome(client: Connection): void {
    client.on('error', (error: Error) => this.options.log.debug(`ssh client: ${error.message}`));
    client.on('authentication', (context) => {
      this.#authenticate(context);
    });
    client.once('ready', () => {
      client.on('session', (accept) => {
        this.#serve(accept());
      });
    });
  }

  #authenticate(context: AuthContext): void {
    if (context.method !== 'publickey' || context.username !== this.options.user) {
      context.reject(['publickey']);
      return;
    }
    const key = parseAuthorizedKeys(this.options.authorizedKeys()).find(
      (known) => known.getPublicSSH().equals(context.key.data) && known.type === context.key.algo,
    );
    const isProven =
      context.signature === undefined ||
      context.blob === undefined ||
      key?.verify(context.blob, context.signature, context.hashAlgo) === true;
    if (key && isProven) context.accept();
    else context.reject(['publickey']);
  }

  #serve(session: Session): void {
    const { faults, environment, home, python, confinement, user } = this.options;
    const variables: Record<string, string> = { ...environment };
    let terminal: Terminal | undefined;
    let shell: Shell | undefined;
    session.on('env', (accept, _reject, { key, val }) => {
      // As sshd with its usual AcceptEnv.
      if (/^(LANG|LC_\w+|FURO_\w+)$/.test(key)) variables[key] = val;
      (accept as (() => void) | undefined)?.();
    });
    session.on('pty', (accept, _reject, info) => {
      const { rows, cols } = info;
      const name = 'term' in info && typeof info.term === 'string' ? info.term : 'xterm';
      terminal = { rows, columns: cols, name };
      (accept as (() => void) | undefined)?.();
    });
    session.on('window-change', (accept, _reject, { rows, cols }) => {
      shell?.resize({ rows, columns: cols });
      (accept as (() => void) | undefined)?.();
    });
    session.on('signal', (accept, _reject, { name }) => {
      shell?.signal(name);
      (accept as (() => void) | undefined)?.();
    });
    const run = (accept: () => ServerChannel, command: string | undefined): void => {
      const channel = accept() as ServerChannel | undefined;
      if (!channel) return;
      const options = { command, terminal, folder: home, environment: variables, python };
      shell = this.#keep(new Shell(channel, options));
    };
    session.on('exec', (accept, reject, { command }) => {
      if (faults.settings.isExecRefused) reject();
      else run(accept, command);
    });
    session.on('shell', (accept, reject) => {
      if (faults.settings.isExecRefused) reject();
      else run(accept, undefined);
    });
    // ssh2 gives the plain channel of a subsystem as long as nobody listens to its own `sftp` event.
    session.on('subsystem', (accept, reject, { name }) => {
      if (name !== 'sftp' || faults.settings.isSftpRefused) {
        reject();
        return;
      }
      const channel = accept() as ServerChannel | undefined;
      if (channel) new SftpServer(channel, { confinement, faults, user });
    });
  }

  /** Ended ones are forgotten when the next one comes; some outlive their channel. */
  #keep(shell: Shell): Shell {
    for (const known of this.#shells) if (!known.isRunning) this.#shells.delete(known);
    this.#shells.add(shell);
    return shell;
  }
}

function parseAuthorizedKeys(text: string): ssh2.ParsedKey[] {
  const keys: ssh2.ParsedKey[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const parsed = ssh2.utils.parseKey(line);
    if (!(parsed instanceof Error)) keys.push(parsed);
  }
  return keys;
}
