// Everything a person can get wrong, and a machine in trouble: the reason, its English sentence, and nothing left behind.
import {
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFailure, type Failure } from '../../../src/base/failure';
import { remotePath } from '../../../src/ssh/remote';
import { keepKeyPair } from '../../../src/simulator/keys';
import { failureText } from '../../../src/words/failureText';
import { english } from '../../../src/words/translate';
import type { JobSettings, WorkflowJob } from '../../../src/workflow/workflow';
import { Bench, inferenceOf, jobOf, script, until, type WindowOptions } from './bench';

let bench: Bench;
const sentences: [string, string][] = [];

beforeEach(async () => {
  bench = await Bench.start();
  bench.write('hello.sh', script('echo hello'));
  bench.write('tool.py', 'print("hello")\n');
});

afterEach(async () => {
  await bench.stop();
});

const hello = jobOf('hello', { kind: 'script', script: 'hello.sh' });

function tool(settings: Partial<JobSettings> = {}): WorkflowJob {
  return jobOf('tool', { kind: 'python', script: 'tool.py', arguments: [] }, settings);
}

/** The failure of a step that must fail; its sentence goes into the table. */
async function failureOf(what: string, step: () => unknown): Promise<Failure> {
  const error: unknown = await Promise.resolve()
    .then(step)
    .then(
      () => new Error('it did not fail'),
      (thrown: unknown) => thrown,
    );
  if (!isFailure(error)) throw error;
  const { message } = failureText(error, english);
  sentences.push([what, withoutPlaces(message)]);
  return error;
}

/** Folders, ports and fingerprints differ from run to run. */
function withoutPlaces(text: string): string {
  return text
    .replaceAll(bench.root, 'ROOT')
    .replaceAll(String(bench.furo.endpoint.port), 'PORT')
    .replace(/SHA256:[\w+/]{43}/g, 'SHA256:X')
    .replace(/(project|hello|tool)-[0-9a-f]{8}/g, '$1-HASH');
}

/** Submits in a window of its own and checks that the failure left no job, no record and no results. */
async function refused(
  what: string,
  job: WorkflowJob,
  options: WindowOptions & { remoteFolder?: string } = {},
): Promise<Failure> {
  const { remoteFolder, ...windowOptions } = options;
  const window = bench.window(windowOptions);
  const failure = await failureOf(what, () =>
    window.submit(
      job,
      remoteFolder === undefined ? {} : { remoteFolder: remotePath(remoteFolder) },
    ),
  );
  expect(window.store.all).toEqual([]);
  expect(bench.takenJobs).toBe(0);
  expect(existsSync(join(bench.workspace, 'furo-results'))).toBe(false);
  expect(strayFiles(bench.furo.endpoint.remoteFolder)).toEqual([]);
  return failure;
}

/** Unfinished files: what an interrupted write would leave. */
function strayFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(^|\/)\.furo-[^/]*$|\.tmp$/.test(name),
  );
}

/** The machine is well again: the same job must simply run. */
async function worksNow(job: WorkflowJob): Promise<void> {
  const window = bench.window();
  const ended = await window.ended((await window.submit(job)).id);
  expect(ended.phase).toMatchObject({ outcome: { kind: 'succeeded' } });
}

const untouched = () => {
  expect(readdirSync(bench.furo.endpoint.remoteFolder)).toEqual([]);
};

describe('before anything is sent', () => {
  it('settings are missing', async () => {
    const both = { host: '', remoteFolder: '' };
    const failure = await failureOf('settings missing', () => bench.window({ connection: both }));
    expect(failure).toMatchObject({
      reason: 'settingsMissing',
      values: { keys: 'furo.connection.host, furo.connection.remoteFolder' },
    });
  });

  it.each([
    ['empty input', '', 'inputEmpty', {}],
    ['only blank lines', '\n \r\n\n', 'inputEmpty', {}],
    [
      'malformed line 17',
      `${'{"prompt":"x"}\n'.repeat(16)}{"prompt":\n`,
      'inputMalformed',
      { line: 17 },
    ],
    ['a list on line 2', '{"prompt":"x"}\n["x"]\n', 'inputMalformed', { line: 2 }],
    [
      'duplicate ids',
      '{"id":"a"}\n{"id":"b"}\n\n{"custom_id":"a"}\n',
      'inputDuplicateId',
      { line: 4, firstLine: 1, id: 'a' },
    ],
    ['input not there', undefined, 'inputNotFound', { path: 'in.jsonl' }],
  ])('%s', async (what, text, reason, values) => {
    if (text !== undefined) bench.write('in.jsonl', text);
    const failure = await refused(what, jobOf('answer', inferenceOf('in.jsonl')));
    expect(failure).toMatchObject({ reason, values });
    untouched();
  });

  it('the program is not there', async () => {
    const job = jobOf('gone', { kind: 'python', script: 'gone.py', arguments: [] });
    expect(await refused('program not there', job)).toMatchObject({ reason: 'inputNotFound' });
    untouched();
  });
});

describe('the file of a job that the sync cannot send', () => {
  const there = () => {
    const { remoteFolder } = bench.furo.endpoint;
    const [name = ''] = readdirSync(remoteFolder).filter((one) => one.startsWith('project-'));
    return join(remoteFolder, name);
  };

  it('was edited on the machine, or has a link in its way there', async () => {
    await worksNow(tool());
    const window = bench.window({ memory: emptyMemory() });
    const file = join(there(), 'tool.py');
    writeFileSync(file, 'print("edited there")\n');
    const edited = await failureOf('edited there', () => window.submit(tool()));
    expect(edited).toMatchObject({ reason: 'inputChangedThere', values: { there: file } });
    rmSync(file);
    symlinkSync('hello.sh', file);
    const blocked = await failureOf('link there', () => window.submit(tool()));
    expect(blocked).toMatchObject({ reason: 'inputBlockedThere', values: { there: file } });
    expect(bench.takenJobs).toBe(1);
    // As the sentences say.
    rmSync(file);
    await worksNow(tool());
  });

  it('lies in a circle of links, or goes away meanwhile', async () => {
    symlinkSync('.', join(bench.workspace, 'loop'));
    const looped = jobOf('loop', { kind: 'python', script: 'loop/tool.py', arguments: [] });
    const outside = await refused('circle of links', looped);
    expect(outside).toMatchObject({ reason: 'inputOutside', values: { path: 'loop/tool.py' } });
    const gone = bench.window().center.submit({
      job: tool(),
      workspaceFolder: bench.workspace,
      remoteFolder: remotePath(bench.furo.endpoint.remoteFolder),
      exclude: [],
      onStep: ({ kind }) => {
        if (kind === 'connecting') rmSync(join(bench.workspace, 'tool.py'));
      },
    });
    await expect(gone).rejects.toMatchObject({ reason: 'localFileChanged' });
    expect(bench.takenJobs).toBe(0);
  });
});

describe('no way to the machine', () => {
  it('no machine has this name', async () => {
    const failure = await refused('wrong host', hello, {
      connection: { host: 'no-such-machine.invalid', port: 22 },
    });
    expect(failure.reason).toBe('hostNotFound');
  });

  it('nothing listens on the port', async () => {
    const failure = await refused('wrong port', hello, { connection: { port: 1 } });
    expect(failure).toMatchObject({ reason: 'connectionRefused', values: { port: 1 } });
  });

  it('the host name could be an option of ssh', async () => {
    const failure = await refused('dangerous host', hello, {
      connection: { host: '-oProxyCommand=touch /tmp/x' },
    });
    expect(failure.reason).toBe('endpointInvalid');
  });

  it('the key is not registered', async () => {
    const { privateFile } = keepKeyPair(join(bench.root, 'client'), 'stranger');
    const failure = await refused('wrong key', hello, {
      connection: { identityFile: privateFile },
    });
    expect(failure.reason).toBe('authenticationFailed');
    untouched();
  });

  it('the key file is not there, or no key', async () => {
    const file = join(bench.root, 'client', 'nothing');
    const options = { connection: { identityFile: file } };
    expect(await refused('key file not there', hello, options)).toMatchObject({
      reason: 'keyFileUnreadable',
      values: { file },
    });
    writeFileSync(file, 'not a key\n', { mode: 0o600 });
    expect(await refused('key file without a key', hello, options)).toMatchObject({
      reason: 'keyFileUnreadable',
    });
  });

  it('the host key is unknown and the person says no', async () => {
    const asked: string[] = [];
    const failure = await refused('unknown host key', hello, {
      trustFile: join(bench.root, 'client', 'nobody'),
      prompts: {
        confirmHostKey: ({ fingerprint }) => {
          asked.push(fingerprint);
          return Promise.resolve(false);
        },
      },
    });
    expect(failure.reason).toBe('hostKeyRejected');
    expect(asked).toEqual([bench.furo.endpoint.hostKeyFingerprint]);
    expect(existsSync(join(bench.root, 'client', 'nobody'))).toBe(false);
    untouched();
  });

  it('the host key changed', async () => {
    bench.furo.faults.set({ hostKey: 'other' });
    const failure = await refused('host key changed', hello);
    expect(failure.reason).toBe('hostKeyChanged');
    expect(failure.values['fingerprint']).not.toBe(bench.furo.endpoint.hostKeyFingerprint);
    untouched();
    bench.furo.faults.clear();
    await worksNow(hello);
  });

  it('the machine offers no file transfer, or no commands', async () => {
    bench.furo.faults.set({ isSftpRefused: true });
    expect((await refused('no SFTP', hello)).reason).toBe('sftpUnavailable');
    bench.furo.faults.clear();
    bench.furo.faults.set({ isExecRefused: true });
    const window = bench.window();
    const failure = await failureOf('no commands', () => window.submit(hello));
    expect(failure.reason).toBe('channelRefused');
    expect(window.store.all).toEqual([]);
  });
});

describe('a remote folder in trouble', () => {
  it('it lies below a file', async () => {
    const file = join(bench.furo.endpoint.remoteFolder, 'file');
    writeFileSync(file, 'a file, not a folder\n');
    const failure = await refused('remote folder below a file', hello, {
      remoteFolder: `${file}/furo`,
    });
    expect(failure.reason).toBe('remoteInTheWay');
    expect(readFileSync(file, 'utf8')).toBe('a file, not a folder\n');
  });

  it('it is outside of what the user may see', async () => {
    const failure = await refused('remote folder of others', hello, {
      remoteFolder: '/data/group9',
    });
    expect(failure.reason).toBe('permissionDenied');
  });

  it('the disk is full during the sync', async () => {
    await worksNowAndForget();
    bench.write('tool.py', 'print("changed")\n');
    bench.furo.faults.set({ isDiskFull: true });
    const window = bench.window({ memory: emptyMemory() });
    const failure = await failureOf('disk full', () => window.submit(tool()));
    expect(failure.reason).toBe('diskFull');
    expect(window.store.all).toEqual([]);
    expect(bench.takenJobs).toBe(1);
    const [project = ''] = readdirSync(bench.furo.endpoint.remoteFolder).filter((n) =>
      n.startsWith('project-'),
    );
    expect(readdirSync(join(bench.furo.endpoint.remoteFolder, project)).sort()).toEqual([
      '.furo',
      'hello.sh',
      'tool.py',
    ]);
    bench.furo.faults.clear();
    await worksNow(tool());
  });

  it('the disk is full when pjsub keeps the script', async () => {
    // Full only once pjsub is reached: the sync before it needs the disk, too.
    const [called, go] = [join(bench.root, 'called'), join(bench.root, 'go')];
    bench.wrapCommand('pjsub', [
      `touch ${called}; while [ ! -e ${go} ]; do sleep 0.05; done`,
      'exec $real "$@"',
    ]);
    const refusal = refused('disk full in pjsub', hello);
    await until(() => existsSync(called));
    bench.furo.faults.set({ isDiskFull: true });
    writeFileSync(go, '');
    const failure = await refusal;
    expect(failure.reason).toBe('submitRefused');
    expect(failure.values['text']).toMatch(/^\[ERR\.\] PJM \d{4} pjsub /);
    bench.furo.faults.clear();
    await worksNow(hello);
  });
});

async function worksNowAndForget(): Promise<void> {
  await worksNow(tool());
}

function emptyMemory() {
  return { get: () => undefined, update: () => Promise.resolve() };
}

describe('PJM says no, past all checks here', () => {
  it('there is no such resource group', async () => {
    const failure = await refused('unknown resource group', tool({ resourceGroup: 'cx-nowhere' }));
    expect(failure).toMatchObject({ reason: 'submitRefused', values: { code: '0058' } });
  });

  it('the elapse time is over the limit', async () => {
    const failure = await refused('elapse over the limit', tool({ elapseSeconds: 9_999_999 }));
    expect(failure).toMatchObject({ reason: 'submitRefused', values: { code: '0057' } });
  });

  it('the site does not want it', async () => {
    bench.furo.faults.set({ submitRefusal: 'Your points are used up.' });
    const failure = await refused('refused by the site', tool());
    expect(failure).toMatchObject({ reason: 'submitRefused' });
    expect(String(failure.values['text'])).toContain('Your points are used up.');
    bench.furo.faults.clear();
    await worksNow(tool());
  });

  it('its daemon is not there', async () => {
    bench.furo.faults.set({ isDaemonDown: true });
    expect((await refused('PJM daemon not present', tool())).reason).toBe('submitRefused');
    bench.furo.faults.clear();
    await worksNow(tool());
  });

  it('there is no pjsub at all', async () => {
    renameSync(join(bench.furo.binFolder, 'pjsub'), join(bench.root, 'pjsub'));
    const failure = await refused('pjsub missing', tool());
    expect(failure).toMatchObject({ reason: 'commandMissing', values: { command: 'pjsub' } });
    expect(failure.values['path']).toContain(bench.furo.binFolder);
    renameSync(join(bench.root, 'pjsub'), join(bench.furo.binFolder, 'pjsub'));
    await worksNow(tool());
  });
});

it('says all of it in English', () => {
  expect(Object.fromEntries(sentences)).toMatchInlineSnapshot(`
    {
      "PJM daemon not present": "pjsub refused the job. It says: [ERR.] PJM 0090 pjsub PJM daemon is not present.",
      "a list on line 2": "in.jsonl, line 2 is not a JSON object: array. Nothing was sent.",
      "circle of links": "loop/tool.py is not a file inside this folder: the path, or a link in it, leads out of the folder, in a circle or nowhere. Nothing was submitted. Use a file inside the folder, with a path such as data/questions.jsonl.",
      "dangerous host": ""-oProxyCommand=touch /tmp/x" cannot be used as host of the connection. Check the connection settings.",
      "disk full": "No space is left for ROOT/data/group1/researcher/project-HASH/.furo/runs/tool-HASH/job.sh on the machine (disk or quota). Files that were there before are untouched. Free some space and try again.",
      "disk full in pjsub": "pjsub refused the job. It says: [ERR.] PJM 0028 pjsub File creation failed: ROOT/data/group1/researcher/project-HASH/.furo/runs/hello-HASH/src/.d0001996122.",
      "duplicate ids": "in.jsonl, line 4 has the id "a", as line 1 has. Nothing was sent. Give each record an id of its own.",
      "edited there": "Nothing was submitted: tool.py was changed on the machine and not here, so it stays there as it is (ROOT/data/group1/researcher/project-HASH/tool.py). To use it, copy it here; to use the one here, remove the one there. Then try again.",
      "elapse over the limit": "pjsub refused the job. It says: [ERR.] PJM 0057 pjsub elapse=9999999 is greater than the upper limit (604800).",
      "empty input": "in.jsonl holds no record. Nothing was sent. Write one JSON object on each line.",
      "host key changed": "Connection refused, nothing was sent: the key of 127.0.0.1 is not the one that is remembered in ROOT/client/known_hosts:1. Its fingerprint is now SHA256:X. Somebody may be in between, or the machine was set up anew. Ask the computer centre. To see the remembered key: ssh-keygen -l -F "[127.0.0.1]:PORT" -f "ROOT/client/known_hosts". Only if the new key is right, remove the old one with ssh-keygen -R "[127.0.0.1]:PORT" -f "ROOT/client/known_hosts" and connect again.",
      "input not there": "The file in.jsonl is not in this folder. Nothing was sent.",
      "key file not there": "The key file ROOT/client/nothing cannot be read (ENOENT: no such file or directory, open 'ROOT/client/nothing'). Choose a private key in the settings, one that you may read, or make one with ssh-keygen -t ed25519.",
      "key file without a key": "The key file ROOT/client/nothing cannot be read (Unsupported key format). Choose a private key in the settings, one that you may read, or make one with ssh-keygen -t ed25519.",
      "link there": "Nothing was submitted: tool.py was not sent, because a link or a folder on the machine has its name, or a file that of a folder above it (ROOT/data/group1/researcher/project-HASH/tool.py). Remove or rename that one and try again.",
      "malformed line 17": "in.jsonl, line 17 is not a JSON object: Unexpected end of JSON input. Nothing was sent.",
      "no SFTP": "127.0.0.1 offers no file transfer over SFTP (Unable to start subsystem: sftp). Start-up files there that print something may break it. If they do not, choose another login node or ask the computer centre.",
      "no commands": "127.0.0.1 opens no further channel (Unable to exec). Close other connections of yours to it and try again. If it stays so, ask the computer centre whether your account may run commands there.",
      "only blank lines": "in.jsonl holds no record. Nothing was sent. Write one JSON object on each line.",
      "pjsub missing": "There is no pjsub on the machine (PATH there: ROOT/bin:/usr/bin:/bin). Is the host a login node of Furo Type II?",
      "program not there": "The file gone.py is not in this folder. Nothing was sent.",
      "refused by the site": "pjsub refused the job. It says: [ERR.] PJM 0079 pjsub Your points are used up.",
      "remote folder below a file": "Nothing was submitted: a file on the machine stands where a folder must be, in ROOT/data/group1/researcher/file/furo/project-HASH (mkdir: cannot create directory 'ROOT/data/group1/researcher/file': Not a directory). Rename or remove that file there, or choose another remote folder, and try again.",
      "remote folder of others": "You may not write or read /data/group9/project-HASH/.furo/manifest.json on the machine. Choose another remote folder or change its rights.",
      "settings missing": "Furo Workflows needs these settings first: furo.connection.host, furo.connection.remoteFolder. They belong to your computer, not to the project.",
      "unknown host key": "Not connected: you did not accept the key of 127.0.0.1 (SHA256:X), or the machine hung up before. Nothing was sent. Connect again to be asked once more.",
      "unknown resource group": "pjsub refused the job. It says: [ERR.] PJM 0058 pjsub rscgrp=cx-nowhere does not exist.",
      "wrong host": "There is no machine named no-such-machine.invalid. Check the host in the settings and your network.",
      "wrong key": "127.0.0.1 did not accept the login of researcher. Keys tried: 1; codes and passwords: 0. Check user and key file in the settings; the public key has to be registered in the HPC portal.",
      "wrong port": "127.0.0.1 does not accept connections on port 1. Check host and port in the settings.",
    }
  `);
});
