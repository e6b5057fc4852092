// What a server says about itself before it lets anybody in: its algorithms, its ways to log in. Read from the debug
// lines of ssh2, which offers them nowhere else. Decides nothing.

/** The parts of a handshake for which both sides must share an algorithm. */
export type AlgorithmKind = 'keyExchange' | 'hostKey' | 'cipher' | 'mac';

const KINDS: Readonly<Record<string, AlgorithmKind>> = {
  'KEX method': 'keyExchange',
  'Host key format': 'hostKey',
  'C->S cipher': 'cipher',
  'S->C cipher': 'cipher',
  'C->S MAC': 'mac',
  'S->C MAC': 'mac',
};
/** Names that only switch extensions on (`ext-info-s`, `kex-strict-s-v00@openssh.com`). */
const NO_ALGORITHM = /^(ext-info-|kex-strict-)/;

/** Listens during one handshake and login. */
export class ServerTalk {
  readonly #offered = new Map<AlgorithmKind, string>();
  #methods: readonly string[] | undefined;
  #isDone = false;

  /** ssh2's `debug`. */
  readonly listen = (line: string): void => {
    if (this.#isDone) return;
    const [, name = '', list = ''] = /^Handshake: \(remote\) ([^:]+): (.*)$/.exec(line) ?? [];
    const kind = KINDS[name];
    if (kind) this.#offered.set(kind, algorithmsOf(list));
    const methods = /^Inbound: Received USERAUTH_FAILURE \((.*)\)$/.exec(line)?.[1];
    if (methods !== undefined) this.#methods = methods.split(',').filter(Boolean);
  };

  /** The ways to log in that the server named last; ssh2 itself forgets them after a key. */
  get methods(): readonly string[] | undefined {
    return this.#methods;
  }

  /** The kind of algorithm that an error of the handshake is about, and what the server offers for it. */
  unshared(message: string): { kind: AlgorithmKind; offered: string } | undefined {
    const missing = /no matching (.+)$/.exec(message)?.[1] ?? '';
    const kind = missing === 'key exchange algorithm' ? 'keyExchange' : kindOf(missing);
    return kind && { kind, offered: this.#offered.get(kind) ?? '' };
  }

  /** Nothing more is of interest: the lines of an open connection are many. */
  done(): void {
    this.#isDone = true;
  }
}

function kindOf(missing: string): AlgorithmKind | undefined {
  return KINDS[
    Object.keys(KINDS).find((name) => name.toLowerCase() === missing.toLowerCase()) ?? ''
  ];
}

function algorithmsOf(list: string): string {
  return list
    .split(',')
    .filter((name) => !NO_ALGORITHM.test(name))
    .join(', ')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 300);
}
