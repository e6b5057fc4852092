// A TCP proxy in front of a server on loopback: delays, counts round trips, cuts at a byte. Knows nothing of SSH.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface TcpProxyOptions {
  readonly port: number;
  /** One way; a round trip takes twice as long. */
  readonly delayMs?: number;
}

export class TcpProxy {
  /** Bytes from the client so far. */
  bytesUp = 0;
  #cutAfter = Infinity;
  #isAsked = false;
  #lastAnswerAt = -Infinity;
  #answers = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly delayMs: number,
  ) {}

  static async start({ port, delayMs = 0 }: TcpProxyOptions): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new TcpProxy(server, delayMs);
    server.on('connection', (client) => {
      proxy.#join(client, connect({ port, host: '127.0.0.1', noDelay: true }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /**
   * How often the server answered what it had not heard before: what it says within half a round trip travels
   * together. Needs a delay that is long beside what both sides compute.
   */
  get roundTrips(): number {
    return this.#answers;
  }

  /** The line breaks when the client has sent so many more bytes; the server gets exactly these. */
  cutAfter(bytes: number): void {
    this.#cutAfter = this.bytesUp + bytes;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, target: Socket): void {
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', (chunk: Buffer) => {
      const left = Math.max(0, this.#cutAfter - this.bytesUp);
      this.bytesUp += chunk.length;
      this.#later(() => {
        this.#isAsked = true;
        target.write(chunk.subarray(0, left));
      });
      if (chunk.length < left) return;
      this.#cutAfter = Infinity;
      client.resetAndDestroy();
      target.end();
    });
    target.on('data', (chunk: Buffer) => {
      this.#countAnswer();
      this.#later(() => client.write(chunk));
    });
    client.on('close', () => {
      this.#later(() => target.end());
    });
    target.on('close', () => {
      this.#later(() => client.end());
    });
  }

  #countAnswer(): void {
    const now = performance.now();
    if (!this.#isAsked || now - this.#lastAnswerAt <= this.delayMs) return;
    this.#isAsked = false;
    this.#lastAnswerAt = now;
    this.#answers += 1;
  }

  #later(work: () => void): void {
    if (this.delayMs === 0) work();
    else setTimeout(work, this.delayMs);
  }
}
