// Percent tokens and environment variables in values of an ssh configuration, as ssh_config(5) lists them.
import { hostname, userInfo } from 'node:os';
import { accountHome } from './configFile';

/** What the tokens of one login stand for. */
export interface LoginNames {
  /** The name as a person gave it. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly hostKeyAlias?: string;
  readonly jump?: string;
}

/** Tokens that a command (`ProxyCommand`, `ProxyJump`) may hold. */
export function expandCommand(text: string, names: LoginNames): string {
  return expandPercent(text, commandTokens(names));
}

/** Tokens and `${VARIABLE}` of a file name. */
export function expandPath(text: string, names: LoginNames): string {
  const { username, uid } = userInfo();
  const local = hostname();
  const expanded = expandPercent(text, {
    ...commandTokens(names),
    d: accountHome(),
    i: String(uid),
    j: names.jump ?? '',
    L: local.replace(/\..*/s, ''),
    l: local,
    u: username,
  });
  return expanded.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = process.env[name];
    if (value === undefined) throw new Error(`environment variable ${name} is not set`);
    return value;
  });
}

/** Replaces `%x`; a token that is not in the table throws, as ssh refuses it. */
export function expandPercent(text: string, tokens: Readonly<Record<string, string>>): string {
  return text.replace(/%(.?)/gs, (_, token: string) => {
    if (token === '%') return '%';
    const value = Object.hasOwn(tokens, token) ? tokens[token] : undefined;
    if (value === undefined) throw new Error(`unknown token %${token} in "${text}"`);
    return value;
  });
}

function commandTokens(names: LoginNames): Record<string, string> {
  return {
    h: names.host,
    k: names.hostKeyAlias ?? names.alias,
    n: names.alias,
    p: String(names.port),
    r: names.user,
  };
}
