// The machines of a ProxyJump line: `[user@]host[:port]`, `ssh://` in front allowed. Knows only text.
import { checkTarget, type Target } from './endpoint';

/** Reads a comma list, the first hop first; `none` is no hop. Throws `endpointInvalid` for names that are not safe. */
export function parseJumps(text: string): Target[] {
  if (text.trim().toLowerCase() === 'none') return [];
  return text.split(',').map(parseJump);
}

function parseJump(text: string): Target {
  const plain = text.trim().replace(/^ssh:\/\/(.*?)\/?$/i, '$1');
  const at = plain.lastIndexOf('@');
  const place = plain.slice(at + 1);
  const [, bracketed, name, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(place) ?? [];
  const jump: Target = {
    host: bracketed ?? name ?? place,
    ...(at >= 0 && { user: plain.slice(0, at) }),
    ...(port !== undefined && { port: /^\d{1,5}$/.test(port) ? Number(port) : Number.NaN }),
  };
  checkTarget(jump);
  return jump;
}

/** The same list as text for a command line. */
export function jumpText(jumps: readonly Target[]): string {
  return jumps
    .map(({ host, user, port }) => {
      const name = host.includes(':') ? `[${host}]` : host;
      return `${user === undefined ? '' : `${user}@`}${name}${port === undefined ? '' : `:${String(port)}`}`;
    })
    .join(',');
}
