// File servers that lie, never end or refuse a part, played by ssh2's own server half: what our side makes of them.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utils, type SFTPWrapper } from 'ssh2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { remotePath, type RemoteFiles } from '../../../src/ssh/remote';
import { listFolder } from '../../../src/ssh/sftpRequests';
import type { Done, SftpSession } from '../../../src/ssh/sftpSession';
import { LoginNode } from './loginNode';

const { STATUS_CODE } = utils.sftp;
const handle = Buffer.from('h');
const path = remotePath('/there/file');

let folder: string;
let node: LoginNode | undefined;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'furo-odd-'))));
afterEach(async () => {
  await node?.stop();
  node = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Files behind a server that answers as told, and a shell there that says one thing to every command. */
async function filesOf(
  answer: (sftp: SFTPWrapper) => void,
  saidByShell = '',
): Promise<RemoteFiles> {
  node = await LoginNode.start((context, client) => {
    if (context.method !== 'publickey') {
      context.reject(['publickey']);
      return;
    }
    client.removeAllListeners('session').on('session', (accept) => {
      const session = accept();
      session.on('sftp', (acceptFiles) => {
        const sftp = acceptFiles();
        sftp.on('CLOSE', (id) => {
          sftp.status(id, STATUS_CODE.OK);
        });
        answer(sftp);
      });
      session.on('exec', (acceptCommand) => {
        const channel = acceptCommand();
        channel.stderr.write(saidByShell);
        channel.exit(1);
        channel.end();
      });
    });
    context.accept();
  });
  return node.connection().files;
}

/** Files by path: how many bytes they say they have, and what they give when asked for some. */
type Told = Readonly<Record<string, [size: number, data: (length: number) => Buffer | undefined]>>;

function telling(told: Told) {
  return (sftp: SFTPWrapper): void => {
    const at = (key: Buffer) => told[key.toString()] ?? [0, () => undefined];
    sftp.on('OPEN', (id, name) => {
      sftp.handle(id, Buffer.from(name));
    });
    sftp.on('FSTAT', (id, key) => {
      sftp.attrs(id, { mode: 0o100600, uid: 0, gid: 0, size: at(key)[0], atime: 0, mtime: 0 });
    });
    sftp.on('READ', (id, key, _, length) => {
      const bytes = at(key)[1](length);
      if (bytes) sftp.data(id, bytes);
      else sftp.status(id, STATUS_CODE.EOF);
    });
  };
}

it('a listing without an end is given up', async () => {
  const part = Array.from({ length: 20_000 }, (_, index) => ({ filename: `${index}`, attrs: {} }));
  let asked = 0;
  let closed = 0;
  // Over a line so many names take seconds.
  const sftp = {
    opendir: (_: string, done: Done<Buffer>) => {
      done(undefined, handle);
    },
    readdir: (_: Buffer, done: Done<unknown>) => {
      asked += 1;
      done(undefined, part);
    },
    close: (_: Buffer, done: () => void) => {
      closed += 1;
      done();
    },
  };
  const call = <T>(start: (done: Done<T>) => unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      start((error, value) => {
        if (error) reject(error);
        else resolve(value);
      });
    });
  const session = { sftp, call } as unknown as SftpSession;
  await expect(listFolder(session, path, undefined)).rejects.toThrow('more than 200000 entries');
  expect([asked, closed]).toEqual([11, 1]);
});

it('a file fills no more than it said it would, whatever it gives, and no memory', async () => {
  const files = await filesOf(
    telling({
      '/more': [10, (length) => Buffer.alloc(length + 50, 'x')],
      '/endless': [10, (length) => Buffer.alloc(length, 'x')],
      '/empty': [2 ** 50, () => undefined],
      '/huge': [2 ** 50, (length) => Buffer.alloc(length)],
    }),
  );
  const got = async (name: string): Promise<number> => {
    await files.download(remotePath(`/${name}`), join(folder, name));
    return statSync(join(folder, name)).size;
  };
  expect([await got('more'), await got('endless'), await got('empty')]).toEqual([10, 10, 0]);
  expect(readdirSync(folder).sort()).toEqual(['empty', 'endless', 'more']);
  const huge = files.read(remotePath('/huge'));
  await expect(huge).rejects.toMatchObject({ reason: 'outputTooLarge' });
});

/** Takes every byte, and the name that they get in the end. */
function taking(written: Map<string, Buffer>, onWrite = STATUS_CODE.OK) {
  return (sftp: SFTPWrapper): void => {
    let content = Buffer.alloc(0);
    const ok = (id: number): void => {
      sftp.status(id, STATUS_CODE.OK);
    };
    sftp.on('OPEN', (id) => {
      sftp.handle(id, handle);
    });
    sftp.on('WRITE', (id, _, __, data) => {
      content = Buffer.concat([content, data]);
      sftp.status(id, onWrite);
    });
    sftp.on('FSETSTAT', (id) => {
      sftp.status(id, STATUS_CODE.PERMISSION_DENIED);
    });
    sftp.on('RENAME', (id, _, to) => {
      written.set(to, content);
      ok(id);
    });
    sftp.on('REMOVE', ok);
  };
}

it('a server that sets no times takes the file all the same', async () => {
  const written = new Map<string, Buffer>();
  const files = await filesOf(taking(written));
  writeFileSync(join(folder, 'local'), 'content');
  await files.upload(join(folder, 'local'), path, { mtimeSeconds: 1_700_000_000 });
  expect([...written]).toEqual([[path, Buffer.from('content')]]);
});

it('a quota that is used up is told in the words of a shell there', async () => {
  const written = new Map<string, Buffer>();
  const said = "dd: error writing '/there/x': Disk quota exceeded\n";
  const files = await filesOf(taking(written, STATUS_CODE.FAILURE), said);
  await expect(files.write(path, 'content')).rejects.toMatchObject({
    reason: 'diskFull',
    values: { path, detail: said.trim() },
  });
  expect(written.size).toBe(0);
});
