// From what a person names (a host or an ssh alias) to an Endpoint, with OpenSSH's own answer where it exists.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { checkTarget, type Endpoint, type Target } from './endpoint';
import { sshFailure } from './failures';

export interface ResolveOptions {
  readonly signal?: AbortSignal;
  /** Path of the OpenSSH client; `ssh` from PATH by default. */
  readonly sshProgram?: string;
}

/** A target as settings name it; each given part wins over the ssh configuration. */
export interface TargetSettings extends Target {
  readonly identityFile?: string;
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * Asks `ssh -G -- host` and falls back to defaults without OpenSSH. `ssh -G` runs `Match exec` lines of the user's
 * own configuration, so call it only for hosts from user settings, never for a name found in a workspace.
 */
export async function resolveEndpoint(
  target: TargetSettings,
  options: ResolveOptions = {},
): Promise<Endpoint> {
  checkTarget(target);
  const answer = await askOpenSsh(target.host, options);
  const endpoint = answer === undefined ? defaultEndpoint(target) : readAnswer(target, answer);
  checkTarget(endpoint);
  return endpoint;
}

function askOpenSsh(host: string, options: ResolveOptions): Promise<string | undefined> {
  const { signal, sshProgram = 'ssh' } = options;
  return new Promise((settle, reject) => {
    execFile(
      sshProgram,
      ['-G', '--', host],
      { timeout: 10_000, maxBuffer: 1 << 20, windowsHide: true, ...(signal && { signal }) },
      (error, stdout) => {
        if (signal?.aborted) reject(signal.reason as Error);
        else settle(error === null ? stdout : undefined);
      },
    );
  });
}

function defaultEndpoint(target: TargetSettings): Endpoint {
  const folder = join(homedir(), '.ssh');
  return {
    host: target.host,
    port: target.port ?? 22,
    user: target.user ?? userInfo().username,
    identityFiles: target.identityFile
      ? [expandHome(target.identityFile)]
      : DEFAULT_KEYS.map((name) => join(folder, name)).filter((file) => existsSync(file)),
    identitiesOnly: target.identityFile !== undefined,
    knownHostsFiles: [join(folder, 'known_hosts')],
  };
}

/** Reads the `keyword value` lines of `ssh -G`. */
function readAnswer(target: TargetSettings, answer: string): Endpoint {
  const all = new Map<string, string[]>();
  for (const line of answer.split('\n')) {
    const [, keyword, value] = /^(\S+) (.*)$/.exec(line.trimEnd()) ?? [];
    if (keyword === undefined || value === undefined) continue;
    all.set(keyword, [...(all.get(keyword) ?? []), value]);
  }
  const one = (keyword: string): string | undefined => all.get(keyword)?.[0];
  const paths = (keyword: string): string[] =>
    (all.get(keyword) ?? []).flatMap(splitPaths).filter((path) => path !== 'none');
  const proxies = [one('proxyjump'), one('proxycommand')];
  if (proxies.some((proxy) => proxy !== undefined && proxy !== 'none'))
    throw sshFailure('proxyUnsupported', { host: target.host });
  const alias = one('hostkeyalias');
  const agent = one('identityagent');
  const identityFiles = target.identityFile
    ? [target.identityFile]
    : (all.get('identityfile') ?? []);
  return {
    host: one('hostname') ?? target.host,
    port: target.port ?? Number(one('port') ?? 22),
    user: target.user ?? one('user') ?? userInfo().username,
    ...(alias !== undefined && { hostKeyAlias: alias }),
    identityFiles: identityFiles
      .map(expandHome)
      .filter((file) => existsSync(file) || target.identityFile !== undefined),
    identitiesOnly: target.identityFile !== undefined || one('identitiesonly') === 'yes',
    ...(agent !== undefined && agent !== 'SSH_AUTH_SOCK' && { identityAgent: expandHome(agent) }),
    knownHostsFiles: [...paths('userknownhostsfile'), ...paths('globalknownhostsfile')].map(
      expandHome,
    ),
  };
}

function splitPaths(value: string): string[] {
  return (value.match(/"[^"]*"|\S+/g) ?? []).map((part) => part.replace(/^"(.*)"$/, '$1'));
}

function expandHome(path: string): string {
  if (path === 'none') return path;
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(path);
}
