// Compute nodes: as root on Linux a network namespace each, with its own address on `ib0`; elsewhere this host.
// Knows no jobs.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '../base/log';
import { machineMarker } from './processes';

const run = promisify(execFile);
/** All nodes of an instance share one network; instances cannot meet, each has its own bridge. */
const networkPrefix = '10.177';
const prefixLength = 16;
/** Unused namespaces kept for the next job; making one takes about 60 ms. */
const keptNodes = 16;
/** Each node enters with its own name and with a host table that knows all nodes; both end with the process. */
const enterProgram = 'mount --bind "$1" /etc/hosts; hostname "$2"; shift 2; exec "$@"';

export interface ComputeNode {
  readonly name: string;
  readonly address: string;
  /** Words to put before a command so that it runs on the node; none where the node is this host. */
  readonly enter: readonly string[];
}

export interface ComputeNodesOptions {
  /** Folder of the simulated machine; names of namespaces follow from it, so a later start finds leftovers. */
  readonly root: string;
  /** Receives the host table and the list of nodes that `pjrsh` reads. */
  readonly folder: string;
  readonly nodeCount: number;
  readonly log: Logger;
  /** False makes every node this host, also where namespaces could be had. */
  readonly usesNamespaces?: boolean;
}

/** The nodes of one simulated Furo. `open` first; `dispose` removes every namespace. */
export class ComputeNodes {
  readonly #options: ComputeNodesOptions;
  readonly #prefix: string;
  /** Carries our process id, so that others can tell whether the instance still lives. */
  readonly #switch: string;
  readonly #users = new Map<number, number>();
  readonly #made = new Set<number>();
  #hasNamespaces = false;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: ComputeNodesOptions) {
    this.#options = options;
    const hash = createHash('sha256').update(options.root).digest('hex');
    this.#prefix = `furo-${hash.slice(0, 8)}-`;
    this.#switch = `${this.#prefix}switch.${String(process.pid)}`;
  }

  get hasNamespaces(): boolean {
    return this.#hasNamespaces;
  }

  /** Removes what a killed run left, and finds out whether nodes can have networks of their own. */
  async open(): Promise<void> {
    const { log, usesNamespaces = true, folder } = this.#options;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'hosts'), this.#renderHosts());
    this.#hasNamespaces = usesNamespaces && (await this.#makeSwitch());
    writeFileSync(join(folder, 'nodes'), this.#renderNodes());
    if (!this.#hasNamespaces)
      log.info('nodes: every compute node is this host (not root on Linux)');
  }

  /** Brings the nodes up, in their order. Each call needs one {@link release} of the same nodes. */
  acquire(indices: readonly number[]): Promise<readonly ComputeNode[]> {
    return this.#inTurn(async () => {
      for (const index of indices) {
        this.#users.set(index, (this.#users.get(index) ?? 0) + 1);
        if (this.#hasNamespaces && !this.#made.has(index)) await this.#makeNode(index);
      }
      return indices.map((index) => this.#node(index));
    });
  }

  release(indices: readonly number[]): void {
    for (const index of indices) this.#users.set(index, (this.#users.get(index) ?? 1) - 1);
    void this.#inTurn(async () => {
      const unused = [...this.#made].filter((index) => (this.#users.get(index) ?? 0) === 0);
      for (const index of unused.slice(0, Math.max(0, unused.length - keptNodes))) {
        await removeNamespace(this.#namespace(index));
        this.#made.delete(index);
      }
    });
  }

  async dispose(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#hasNamespaces) await this.#removeAll();
      this.#made.clear();
      this.#hasNamespaces = false;
    });
  }

  /** Names of the namespaces of this instance that exist now. */
  async namespaces(): Promise<readonly string[]> {
    return (await listNamespaces()).filter((name) => name.startsWith(this.#prefix));
  }

  #node(index: number): ComputeNode {
    const name = nodeName(index);
    if (!this.#hasNamespaces) return { name, address: '127.0.0.1', enter: [] };
    const hosts = join(this.#options.folder, 'hosts');
    const network = ['ip', 'netns', 'exec', this.#namespace(index)];
    const host = ['unshare', '--uts', '--', '/bin/sh', '-c', enterProgram, 'sh', hosts, name];
    return { name, address: addressOf(index), enter: [...network, ...host] };
  }

  async #makeSwitch(): Promise<boolean> {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
    const name = this.#switch;
    try {
      await this.#removeAll();
      await removeAbandoned();
      await run('ip', ['netns', 'add', name]);
      await run('ip', ['-n', name, 'link', 'add', 'br0', 'type', 'bridge']);
      await run('ip', ['-n', name, 'link', 'set', 'br0', 'up']);
      await run('ip', ['netns', 'exec', name, 'unshare', '--uts', '--', 'true']);
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.warn(`nodes: no network namespaces here (${reason})`);
      await removeNamespace(name).catch(() => undefined);
      return false;
    }
  }

  async #makeNode(index: number): Promise<void> {
    const name = this.#namespace(index);
    const [bridge, port] = [this.#switch, `port${String(index)}`];
    await run('ip', ['netns', 'add', name]);
    this.#made.add(index);
    const pair = ['link', 'add', port, 'type', 'veth', 'peer', 'name', 'ib0', 'netns', name];
    await run('ip', ['-n', bridge, ...pair]);
    await run('ip', ['-n', bridge, 'link', 'set', port, 'master', 'br0', 'up']);
    const address = `${addressOf(index)}/${String(prefixLength)}`;
    await run('ip', ['-n', name, 'addr', 'add', address, 'dev', 'ib0']);
    await run('ip', ['-n', name, 'link', 'set', 'ib0', 'up']);
    await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  }

  async #removeAll(): Promise<void> {
    await removeInstance(this.#prefix, await this.namespaces());
  }

  #namespace(index: number): string {
    return `${this.#prefix}${nodeName(index)}`;
  }

  #renderHosts(): string {
    // Sockets of IPv6 show an IPv4 peer in the mapped form; without it each look asks a name server in vain.
    const lines = this.#indices().flatMap((index) => [
      `${addressOf(index)} ${nodeName(index)}`,
      `::ffff:${addressOf(index)} ${nodeName(index)}`,
    ]);
    return ['127.0.0.1 localhost', ...lines, ''].join('\n');
  }

  /** `address name word word ...`: how to enter each node, for `pjrsh`. */
  #renderNodes(): string {
    const lines = this.#indices().map((index) => {
      const { name, address } = this.#node(index);
      return `${address} ${name} ${this.#hasNamespaces ? this.#namespace(index) : '-'}`;
    });
    return [...lines, ''].join('\n');
  }

  #indices(): number[] {
    return Array.from({ length: this.#options.nodeCount }, (_, index) => index);
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#work.then(action);
    this.#work = result.catch(() => undefined);
    return result;
  }
}

async function listNamespaces(): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']);
  return stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
}

async function removeNamespace(name: string): Promise<void> {
  await run('ip', ['netns', 'del', name]);
}

/** The switch goes last: it tells whose the others are. */
async function removeInstance(prefix: string, names: readonly string[]): Promise<void> {
  const own = names.filter((name) => name.startsWith(prefix));
  const isSwitch = (name: string): boolean => name.startsWith(`${prefix}switch`);
  const ordered = [...own.filter((name) => !isSwitch(name)), ...own.filter(isSwitch)];
  for (const name of ordered) await removeNamespace(name);
}

/** Removes what killed simulators of other folders left; their folders may never be started again. */
async function removeAbandoned(): Promise<void> {
  const names = await listNamespaces();
  for (const name of names) {
    const [, prefix, owner] = /^(furo-[0-9a-f]{8}-)switch\.(\d+)$/.exec(name) ?? [];
    if (prefix === undefined || isAlive(Number(owner))) continue;
    // Another simulator may clean up at the same moment.
    await removeInstance(prefix, names).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** `cx064` for index 63, as Furo's nodes are called. */
export function nodeName(index: number): string {
  return `cx${String(index + 1).padStart(3, '0')}`;
}

function addressOf(index: number): string {
  return `${networkPrefix}.0.${String(index + 1)}`;
}

/** The bash program `pjrsh HOST COMMAND...`, which enters a node that the calling job was given. */
export function renderPjrsh(folder: string): string {
  return `#!/bin/bash
# pjrsh of the simulated Furo: runs a command on another node of the same job.
while [[ \${1-} == -* ]]; do
  case $1 in -l | -o | -p) shift 2 ;; *) shift ;; esac
done
host=\${1-}
shift
if [[ -z \${PJM_O_NODEINF-} || ! -r $PJM_O_NODEINF ]]; then
  echo "pjrsh: not in a job" >&2
  exit 1
fi
read -r address name namespace < <(awk -v host="$host" '$1 == host || $2 == host' '${folder}/nodes')
if [[ '-' != "\${namespace-}" ]] && ! grep -qxF -- "\${address-}" "$PJM_O_NODEINF"; then
  echo "pjrsh: $host: not a node of this job" >&2
  exit 1
fi
cd "$HOME" || exit 1
# Like every remote shell it passes no variable on; what is kept here tells the simulator whose a process is.
kept=(HOME="$HOME" USER="$USER" LOGNAME="$USER" SHELL=/bin/bash PATH=/usr/bin:/bin LANG="$LANG" TZ="$TZ")
for marker in \${!${machineMarker}@}; do kept+=("$marker=\${!marker}"); done
if [[ $namespace == '-' || -z $namespace ]]; then
  exec env -i "\${kept[@]}" /bin/bash -c "$*"
fi
exec env -i "\${kept[@]}" ip netns exec "$namespace" unshare --uts -- /bin/sh -c '${enterProgram}' sh '${folder}/hosts' "$name" /bin/bash -c "$*"
`;
}
