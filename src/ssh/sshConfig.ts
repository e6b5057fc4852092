// From what a person names (a host or an ssh alias) to an Endpoint with all hops before it, as `ssh` would go.
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { isFailure } from '../base/failure';
import { accountHome, defaultConfigFiles, expandTilde, type ConfigFiles } from './configFile';
import { expandCommand, expandPath, type LoginNames } from './configTokens';
import { checkTarget, type Endpoint, type Target } from './endpoint';
import { detailOf, sshFailure } from './failures';
import { askOpenSsh, type AskOptions, type HostConfig } from './hostConfig';
import { jumpText, parseJumps } from './jumpSpec';
import { readOwnConfig } from './ownConfig';

/** A target as settings name it; each given part wins over the ssh configuration. */
export interface TargetSettings extends Target {
  readonly identityFile?: string;
}

export type ResolveOptions = AskOptions;

/** More machines in a row than anybody needs; a configuration that leads in circles ends here. */
const MAX_HOPS = 8;

/**
 * Asks `ssh -G` for every hop, and reads the configuration files itself where there is no OpenSSH. `ssh -G` runs `Match
 * exec` lines of the user's own configuration, so call it only for hosts from user settings, never for a name found in
 * a workspace.
 */
export async function resolveEndpoint(
  target: TargetSettings,
  options: ResolveOptions = {},
): Promise<Endpoint> {
  const walk: Walk = { target: target.host, options, seen: [] };
  return resolveHop(target, undefined, walk);
}

interface Walk {
  readonly target: string;
  readonly options: ResolveOptions;
  /** The hops between here and the target, which comes first. */
  readonly seen: readonly string[];
}

/** `jumps` are the jump hosts that a command line would name; undefined leaves it to the configuration. */
async function resolveHop(
  hop: TargetSettings,
  jumps: readonly Target[] | undefined,
  walk: Walk,
): Promise<Endpoint> {
  checkTarget(hop);
  const config = await configOf(hop, jumps, walk.options);
  const endpoint = await translated(hop, () => endpointFrom(hop, config));
  checkTarget(endpoint);
  const name = `${endpoint.user}@${endpoint.host}:${String(endpoint.port)}`;
  const seen = [...walk.seen, name];
  if (walk.seen.includes(name) || seen.length > MAX_HOPS)
    throw sshFailure('jumpLoop', { host: walk.target, detail: seen.join(', ') });
  const names = namesOf(hop, config, endpoint);
  const before = await translated(hop, () => jumps ?? jumpsIn(config, names));
  const last = before.at(-1);
  if (last) {
    const others = before.slice(0, -1);
    const rest = others.length > 0 ? others : undefined;
    return { ...endpoint, jump: await resolveHop(last, rest, { ...walk, seen }) };
  }
  const proxyCommand = await translated(hop, () => commandIn(config, names));
  return proxyCommand === undefined ? endpoint : { ...endpoint, proxyCommand };
}

async function configOf(
  { host, user, port }: Target,
  jumps: readonly Target[] | undefined,
  options: ResolveOptions,
): Promise<HostConfig> {
  const question = {
    host,
    ...given('user', user),
    ...given('port', port),
    ...given('jump', jumps && jumpText(jumps)),
  };
  const files: ConfigFiles =
    options.configFile === undefined ? defaultConfigFiles() : { user: options.configFile };
  return (
    (await askOpenSsh(question, options)) ??
    (await translated(question, () => readOwnConfig(question, files)))
  );
}

/** Names what is wrong with a configuration as a failure of its host. */
async function translated<T>({ host }: Target, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isFailure(error)) throw error;
    throw sshFailure('sshConfigUnusable', { host, detail: detailOf(error) }, error);
  }
}

/** Everything but the way there. */
function endpointFrom(target: TargetSettings, config: HostConfig): Endpoint {
  const one = (keyword: string): string | undefined => config.get(keyword)?.[0];
  const login = {
    host: one('hostname') ?? target.host,
    port: Number(one('port') ?? 22),
    user: one('user') ?? userInfo().username,
    ...given('hostKeyAlias', one('hostkeyalias')?.toLowerCase()),
  };
  const names = namesOf(target, config, login);
  const path = (text: string): string => wholePath(expandPath(text, names));
  const files = (keyword: string): string[] =>
    (config.get(keyword) ?? []).filter((file) => file !== 'none').map(path);
  const named = target.identityFile === undefined ? undefined : wholePath(target.identityFile);
  return {
    ...login,
    identityFiles: named === undefined ? files('identityfile').filter(existsSync) : [named],
    identitiesOnly: named !== undefined || one('identitiesonly') === 'yes',
    ...given('identityAgent', agentFrom(one('identityagent'), path)),
    knownHostsFiles: [...files('userknownhostsfile'), ...files('globalknownhostsfile')],
    ...given('revokedKeysFile', files('revokedhostkeys')[0]),
    ...given('strictHostKeys', STRICT_WORDS.get(one('stricthostkeychecking') ?? '')),
    ...given('keepaliveSeconds', positive(one('serveraliveinterval'))),
    ...given('keepaliveCount', positive(one('serveralivecountmax'))),
    ...given('connectTimeoutSeconds', positive(one('connecttimeout'))),
  };
}

/** `no` is told apart from nothing: it lets new keys in, but never a changed one. */
const STRICT_WORDS: ReadonlyMap<string, Endpoint['strictHostKeys'] & string> = new Map([
  ['true', 'yes'],
  ['ask', 'ask'],
  ['accept-new', 'accept-new'],
  ['false', 'accept-new'],
] as const);

function namesOf(
  target: Target,
  config: HostConfig,
  login: Pick<Endpoint, 'host' | 'port' | 'user' | 'hostKeyAlias'>,
): LoginNames {
  const { host, port, user, hostKeyAlias } = login;
  const jump = config.get('proxyjump')?.[0];
  return {
    ...{ alias: target.host, host, port, user },
    ...given('hostKeyAlias', hostKeyAlias),
    ...given('jump', jump),
  };
}

/** The socket of the agent; undefined leaves it to `SSH_AUTH_SOCK`. */
function agentFrom(value: string | undefined, path: (text: string) => string): string | undefined {
  if (value === undefined || value === 'SSH_AUTH_SOCK') return undefined;
  if (value === 'none') return value;
  const [, variable] = /^\$([A-Za-z_]\w*)$/.exec(value) ?? [];
  return variable === undefined ? path(value) : (process.env[variable] ?? 'none');
}

function jumpsIn(config: HostConfig, names: LoginNames): Target[] {
  return parseJumps(expandCommand(config.get('proxyjump')?.[0] ?? 'none', names));
}

function commandIn(config: HostConfig, names: LoginNames): string | undefined {
  const command = config.get('proxycommand')?.[0];
  if (command === undefined || command === '' || command === 'none') return undefined;
  if (config.get('proxyusefdpass')?.[0] === 'yes')
    throw new Error('ProxyUseFdpass cannot be used here');
  return expandCommand(command, names);
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}

/** An absolute local path; relative ones start at the home folder, where ssh is asked. */
function wholePath(path: string): string {
  const data = process.env['ProgramData'] ?? 'C:\\ProgramData';
  return resolve(accountHome(), expandTilde(path.replace(/^__PROGRAMDATA__/, () => data)));
}

/** A property, or none where there is no value. */
function given<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
