// An in-process ssh2 server that plays a login node, and a connection to it. The test decides how it lets people in.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, utils, type AuthContext, type Connection, type ServerConfig } from 'ssh2';
import { systemClock } from '../../../src/base/clock';
import type { Logger } from '../../../src/base/log';
import { SshConnection, type SshConnectionOptions } from '../../../src/ssh/connection';
import type { Endpoint } from '../../../src/ssh/endpoint';
import type { SshPrompts } from '../../../src/ssh/prompts';

export type Authenticate = (context: AuthContext, client: Connection) => void;

/** One of 256 keys that ssh2 1.17 makes cannot be read again: its generator strips a leading zero byte. */
export function makeKeyText(): string {
  for (;;) {
    const { private: text } = utils.generateKeyPairSync('ed25519');
    if (!(utils.parseKey(text) instanceof Error)) return text;
  }
}

export class LoginNode {
  readonly folder = mkdtempSync(join(tmpdir(), 'furo-login-'));
  readonly keyFile = join(this.folder, 'key');
  /** Every line that our side wrote to its log. */
  readonly log: string[] = [];
  /** Methods that reached the server, each with a mark once a signature came. */
  readonly attempts: string[] = [];
  /** Connections that came so far. */
  connections = 0;
  readonly #clients = new Set<Connection>();
  readonly #opened: SshConnection[] = [];

  private constructor(private readonly server: Server) {
    writeFileSync(this.keyFile, makeKeyText(), { mode: 0o600 });
  }

  static async start(
    authenticate: Authenticate,
    config: Partial<ServerConfig> = {},
  ): Promise<LoginNode> {
    const server = new Server({ hostKeys: [makeKeyText()], ...config });
    const node = new LoginNode(server);
    server.on('connection', (client) => {
      node.#accept(client, authenticate);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return node;
  }

  endpoint(): Endpoint {
    return {
      host: '127.0.0.1',
      port: (this.server.address() as AddressInfo).port,
      user: 'someone',
      identityFiles: [this.keyFile],
      identitiesOnly: true,
      identityAgent: 'none',
      knownHostsFiles: [],
    };
  }

  connection(
    prompts: Partial<SshPrompts> = {},
    endpoint: Partial<Endpoint> = {},
    options: Partial<SshConnectionOptions> = {},
  ): SshConnection {
    const unexpected = (): Promise<never> => Promise.reject(new Error('not expected'));
    const note = (...parts: unknown[]): void => {
      this.log.push(parts.map(String).join(' '));
    };
    const log: Logger = { debug: note, info: note, warn: note, error: note };
    const connection = new SshConnection({
      endpoint: { ...this.endpoint(), ...endpoint },
      trustFile: join(this.folder, 'trusted'),
      prompts: {
        confirmHostKey: () => Promise.resolve(true),
        askPassphrase: unexpected,
        askPassword: unexpected,
        askKeyboard: unexpected,
        ...prompts,
      },
      log,
      clock: systemClock,
      random: () => 0.01,
      ...options,
    });
    this.#opened.push(connection);
    return connection;
  }

  /** Ends every open connection as a cut line does. */
  cut(): void {
    // ssh2's own socket: `end` would say goodbye first.
    for (const client of this.#clients)
      (client as unknown as { _sock: { destroy(): void } })._sock.destroy();
  }

  async stop(): Promise<void> {
    for (const connection of this.#opened) connection.dispose();
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #accept(client: Connection, authenticate: Authenticate): void {
    this.connections += 1;
    this.#clients.add(client);
    client.on('error', () => undefined);
    client.on('close', () => this.#clients.delete(client));
    client.on('authentication', (context) => {
      const isSigned = context.method === 'publickey' && context.signature !== undefined;
      this.attempts.push(isSigned ? 'publickey signed' : context.method);
      authenticate(context, client);
    });
  }
}
