// The first two steps to a machine, without a login: its addresses, and what answers at its port. Sends nothing.
import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import type { Failure } from '../base/failure';
import { detailOf, sshFailure, toError } from '../ssh/failures';

const answerLimitMs = 10_000;
/** A server may say other lines before it names itself (RFC 4253, 4.2); so much of it is read. */
const bannerLimit = 4096;

/** Addresses of a name; of an address, itself. Rejects with `hostNotFound`. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw sshFailure('hostNotFound', { host }, error);
  }
}

/** The line by which the server at a port names itself, such as `SSH-2.0-OpenSSH_7.4`. Rejects with a Failure of ssh/. */
export function bannerOf(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect({ host, port });
    const refuse = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    const onAbort = () => {
      refuse(toError(signal.reason));
    };
    // Node's own `signal` option keeps its listener for ever.
    signal.addEventListener('abort', onAbort);
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
    });
    socket.setTimeout(answerLimitMs, () => {
      const detail = socket.connecting ? 'no answer in time' : 'connected, but no answer in time';
      refuse(sshFailure('hostUnreachable', { host, port, detail }));
    });
    socket.on('error', (error) => {
      refuse(toFailure(error, host, port));
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const banner = /^SSH-[^\r\n]*(?=\r?\n)/m.exec(text)?.[0];
      if (banner !== undefined) {
        socket.destroy();
        resolve(detailOf(banner));
      } else if (text.length > bannerLimit) refuse(noSsh(text, host, port));
    });
    socket.on('end', () => {
      refuse(noSsh(text === '' ? 'closed by the server' : text, host, port));
    });
  });
}

function noSsh(text: string, host: string, port: number): Failure {
  return sshFailure('handshakeFailed', { host, port, detail: detailOf(text).slice(0, 60) });
}

function toFailure(error: NodeJS.ErrnoException, host: string, port: number): Failure {
  if (error.code === 'ECONNREFUSED') return sshFailure('connectionRefused', { host, port }, error);
  return sshFailure('hostUnreachable', { host, port, detail: detailOf(error) }, error);
}
