// Compute nodes as network namespaces: needs root on Linux and iproute2.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/log';
import { ComputeNodes, type ComputeNode } from '../../src/simulator/nodes';

const run = promisify(execFile);
let root: string;
let nodes: ComputeNodes;

function make(): ComputeNodes {
  return new ComputeNodes({ root, folder: join(root, 'etc'), nodeCount: 221, log: silentLogger });
}

beforeEach(async (context) => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'furo-nodes-')));
  nodes = make();
  await nodes.open();
  if (nodes.hasNamespaces) return;
  if (process.env['CI'] === 'true') throw new Error('needs root on Linux and ip (iproute2)');
  context.skip('needs root on Linux and ip (iproute2)');
});

afterEach(async () => {
  await nodes.dispose();
  rmSync(root, { recursive: true, force: true });
});

async function on(node: ComputeNode | undefined, command: string): Promise<string> {
  // With a socket as its input bash takes itself for one that sshd started, and reads the host's ~/.bashrc.
  const shell = ['/bin/bash', '--norc', '-c', command];
  const [program = '', ...words] = [...(node?.enter ?? []), ...shell];
  return (await run(program, words)).stdout.trim();
}

it('gives each node its own address on ib0, its name and a way to the others', async () => {
  const [first, second] = await nodes.acquire([0, 220]);
  expect([first?.address, second?.address]).toEqual(['10.177.0.1', '10.177.0.221']);
  expect(await on(first, 'hostname; ip -br -4 addr show ib0')).toMatch(
    /^cx001\nib0\S* +UP +10\.177\.0\.1\/16/,
  );
  expect(await on(second, 'hostname; getent hosts cx001')).toMatch(
    /^cx221\n\S*10\.177\.0\.1 +cx001/,
  );
  const server = `timeout 20 python3 -c '
import socket
s = socket.create_server(("0.0.0.0", 4000))
print(s.accept()[1][0])'`;
  const client = `timeout 20 bash -c 'until (echo > /dev/tcp/cx221/4000) 2>/dev/null; do sleep 0.05; done'`;
  const [seen] = await Promise.all([on(second, server), on(first, client)]);
  expect(seen).toBe('10.177.0.1');
});

it('leaves the host as it was', async () => {
  const before = execFileSync('hostname', { encoding: 'utf8' });
  const [node] = await nodes.acquire([5]);
  await on(node, 'true');
  expect(execFileSync('hostname', { encoding: 'utf8' })).toBe(before);
  expect(execFileSync('cat', ['/etc/hosts'], { encoding: 'utf8' })).not.toContain('cx006');
});

it('keeps at most 16 unused nodes', async () => {
  const indices = Array.from({ length: 20 }, (_, index) => index);
  await nodes.acquire(indices);
  expect(await nodes.namespaces()).toHaveLength(21);
  nodes.release(indices);
  await nodes.acquire([0]);
  expect((await nodes.namespaces()).length).toBeLessThanOrEqual(18);
});

it('removes what an earlier run left, and everything at the end', async () => {
  await nodes.acquire([0, 1, 2]);
  const later = make();
  await later.open();
  expect(await later.namespaces()).toHaveLength(1);
  await later.dispose();
  expect(await later.namespaces()).toEqual([]);
  nodes = make();
  await nodes.open();
});

it('removes what killed simulators of other folders left, and leaves living ones alone', async () => {
  const ended = spawnSync('true').pid;
  const [dead, living] = [`furo-deadbeef-switch.${String(ended)}`, 'furo-0000beef-switch.1'];
  const all = async (): Promise<string> => (await run('ip', ['netns', 'list'])).stdout;
  try {
    for (const name of [dead, 'furo-deadbeef-cx001', living])
      await run('ip', ['netns', 'add', name]);
    await nodes.dispose();
    nodes = make();
    await nodes.open();
    expect(await all()).not.toContain('furo-deadbeef');
    expect(await all()).toContain(living);
  } finally {
    await run('ip', ['netns', 'del', living]);
  }
});
