// The keys of an SSH agent: listed, and asked for signatures. Knows no files and no login.
import { connect } from 'node:net';
import { createAgent, utils, type BaseAgent, type ParsedKey } from 'ssh2';
import type { Endpoint } from './endpoint';
import { keyTypeOf } from './knownHosts';

type Hash = 'sha256' | 'sha512' | undefined;

export interface AgentKey {
  readonly publicKey: ParsedKey;
  sign(data: Buffer, request: { readonly hash: Hash }): Promise<Buffer>;
}

/** SSH_AGENTC_REQUEST_IDENTITIES and its answer, as in the agent protocol's draft. */
const LIST_REQUEST = Buffer.from([0, 0, 0, 1, 11]);
const LIST_ANSWER = 12;
const MAX_ANSWER_BYTES = 256 * 1024;
const ANSWER_TIMEOUT_MS = 5_000;

/** `none` switches the agent off; Windows has one well-known pipe; elsewhere `SSH_AUTH_SOCK` names it. */
export function agentPath(endpoint: Pick<Endpoint, 'identityAgent'>): string | undefined {
  if (endpoint.identityAgent === 'none') return undefined;
  const path = endpoint.identityAgent ?? process.env['SSH_AUTH_SOCK'];
  if (path !== undefined && path !== '') return path;
  return process.platform === 'win32' ? '\\\\.\\pipe\\openssh-ssh-agent' : undefined;
}

/** The keys that ssh2 can use. Rejects when the agent does not answer. */
export async function listAgent(path: string): Promise<AgentKey[]> {
  const agent = createAgent(path);
  const keys = await new Promise<ParsedKey[]>((resolve, reject) => {
    agent.getIdentities((error, found) => {
      if (error) reject(error);
      else resolve((found ?? []).map(toParsedKey).filter((key) => key !== undefined));
    });
  });
  return keys.map((publicKey) => ({
    publicKey,
    sign: (data, { hash }) => signWithAgent(agent, publicKey, data, hash),
  }));
}

/**
 * The types of all its keys as on the wire, also of those that ssh2 leaves out (certificates, security keys). Empty
 * when the agent does not answer: the list only explains.
 */
export function agentKeyTypes(path: string): Promise<string[]> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const socket = connect(path, () => socket.write(LIST_REQUEST));
    const end = (): void => {
      socket.destroy();
      resolve(typesOf(answer));
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, end);
    socket.on('error', end);
    socket.on('close', end);
    socket.on('data', (part) => {
      answer = Buffer.concat([answer, part]);
      const isWhole = answer.length >= 4 && answer.length >= 4 + answer.readUInt32BE(0);
      if (isWhole || answer.length > MAX_ANSWER_BYTES) end();
    });
  });
}

/** uint32 length, byte 12, uint32 count, then for each key its blob and its comment as strings. */
function typesOf(answer: Buffer): string[] {
  if (answer.length < 9 || answer[4] !== LIST_ANSWER) return [];
  const types: string[] = [];
  for (let at = 9; at + 4 <= answer.length;) {
    const blobEnd = at + 4 + answer.readUInt32BE(at);
    if (blobEnd + 4 > answer.length) break;
    types.push(keyTypeOf(answer.subarray(at + 4, blobEnd)));
    at = blobEnd + 4 + answer.readUInt32BE(blobEnd);
  }
  return types;
}

function toParsedKey(key: unknown): ParsedKey | undefined {
  const parsed: unknown = utils.parseKey(key as Buffer);
  return parsed instanceof Error ? undefined : (parsed as ParsedKey);
}

function signWithAgent(
  agent: BaseAgent,
  key: ParsedKey,
  data: Buffer,
  hash: Hash,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    agent.sign(key, data, hash === undefined ? {} : { hash }, (error, signature) => {
      if (error) reject(error);
      else if (Buffer.isBuffer(signature)) resolve(signature);
      else reject(new Error('the agent gave no signature'));
    });
  });
}
