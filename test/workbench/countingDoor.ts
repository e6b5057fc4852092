// A door in front of the simulated Furo that counts who comes in. Knows TCP only.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export class CountingDoor {
  readonly #server = createServer((from) => {
    this.#enter(from);
  });
  readonly #sockets = new Set<Socket>();
  /** Where the door leads; known later than the door's own port. */
  target = 0;
  /** Connections since the last `reset`. */
  count = 0;

  /** Opens the door; returns its port. */
  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  reset(): void {
    this.count = 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #enter(from: Socket): void {
    this.count += 1;
    const to = connect(this.target, '127.0.0.1');
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.#sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
