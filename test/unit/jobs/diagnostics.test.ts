// Copy Diagnostics: a whole life of a window with canaries in every place, none of which may be in the report.
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { silentLogger } from '../../../src/base/log';
import { diagnosticsText, type DiagnosticsFacts } from '../../../src/jobs/diagnosticsReport';
import { RecentLog } from '../../../src/jobs/recentLog';
import { redactor } from '../../../src/jobs/redact';
import { StateHistory } from '../../../src/jobs/stateHistory';
import { defaultSettings } from '../../../src/settings';
import { Bench, inferenceOf, jobOf, script } from './bench';

const usualHost = defaultSettings.connection.host;
const passphrase = 'canary-passphrase-7421';

function facts(changes: Partial<DiagnosticsFacts>): DiagnosticsFacts {
  return {
    versions: [['Furo Workflows', '1.0.0']],
    settings: defaultSettings,
    usualHost,
    route: undefined,
    folders: [],
    states: [],
    check: undefined,
    jobs: [],
    log: [],
    ...changes,
  };
}

describe('a window that did everything', () => {
  let bench: Bench;

  beforeEach(async () => {
    bench = await Bench.start({ user: 'canaryuser' });
  });

  afterEach(async () => {
    await bench.stop();
  });

  it('leaves no trace of host, user, key, passphrase or project in the report', async () => {
    const keyFile = join(bench.root, 'canary_key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '1', '-N', passphrase, '-f', keyFile]);
    const authorized = join(String(bench.furo.environment['HOME']), '.ssh/authorized_keys');
    appendFileSync(authorized, readFileSync(`${keyFile}.pub`));
    const connection = { ...bench.connection, identityFile: keyFile };
    const window = bench.window({
      connection,
      prompts: { askPassphrase: () => Promise.resolve({ passphrase, isKept: false }) },
    });
    const history = new StateHistory(window.remote.onDidChangeState, systemClock);
    const signal = new AbortController().signal;
    const check = await window.check({ signal });
    expect(check.steps.map(({ state }) => state)).not.toContain('failed');
    bench.write('canary-script.sh', script('echo canary-output'));
    const work = { kind: 'script', script: 'canary-script.sh' } as const;
    const job = await window.submit(jobOf('canary-job', work));
    const ended = await window.ended(job.id);
    const { work: asked } = jobOf('canary', inferenceOf('canary-in.jsonl'));
    if (asked.kind !== 'inference') throw new Error('no inference');
    const inference = { ...asked.inference, promptFunction: 'canary-prompts.py:build' };
    const other = jobOf('canary-job', { kind: 'inference', inference });
    bench.furo.faults.cutConnections();
    const log = new RecentLog(silentLogger);
    for (const line of window.log) log.info(line);
    log.error(new Error(`cannot read ${bench.workspace}/canary-script.sh as ${connection.user}`));
    log.warn('sync: canary-prompts.py: changedRemotely');
    log.warn(`passphrase of ${keyFile} refused`, { file: `${homedir()}/.ssh/canary` });
    const text = diagnosticsText(
      facts({
        settings: { ...defaultSettings, connection },
        route: { host: '127.0.0.1', port: connection.port, user: connection.user },
        folders: [bench.workspace],
        states: history.past,
        check,
        jobs: [...window.store.all, { ...ended, workflow: other }],
        log: log.lines,
      }),
    );
    history.dispose();
    const canaries = ['canary', passphrase, '127.0.0.1', connection.user, keyFile, bench.workspace];
    const places = [
      bench.root,
      homedir(),
      hostname(),
      connection.remoteFolder,
      job.pjmId ?? job.id,
    ];
    const found = [...canaries, ...places].filter((value) => text.includes(value));
    expect(found).toEqual([]);
    expect(text).not.toMatch(/SHA256:/);
    // It still tells what happened.
    for (const part of ['login: ok (loggedIn)', 'finished (succeeded): 2', ' connected', '<user>'])
      expect(text).toContain(part);
    expect(text.length).toBeGreaterThan(800);
  });
});

describe('redactor', () => {
  const redact = redactor([
    { value: 'login1', name: '<host>' },
    { value: 'al', name: '<user>' },
    { value: '/home/al', name: '<home>' },
    { value: '/home/al/My Project', name: '<project>' },
  ]);

  it.each([
    ['al is not part of also or general', '<user> is not part of also or general'],
    ['AL@LOGIN1: refused', '<user>@<host>: refused'],
    ['kim@login1 and al@other refused', '<account>@<host> and <user>@<name> refused'],
    ['in /home/al/My Project/secret/plan.md now', 'in <project>/... now'],
    ['in /home/al/.ssh/id_work', 'in <home>/...'],
    ['"/home/al"', '"<home>"'],
    ['at run (/opt/thing/extension.js:3:14)', 'at run (<path>:3:14)'],
    ['C:\\Users\\kim\\x.py and \\\\server\\share\\y', '<path> and <path>'],
    ['file:///srv/kim/a.txt', '<path>'],
    ['to kim@flow-cx01.cc.nagoya-u.ac.jp:22', 'to <account>:22'],
    ['flow-cx01.cc.nagoya-u.ac.jp has 10.1.2.3 and fe80::1ff:fe23:4567:890a', '<name> has <address> and <address>'], // prettier-ignore
    ['proxy command of login1: ssh -W %h gate', 'proxy command of <host>: <command>'],
    ['key SHA256:AbC+/123= shown', 'key <fingerprint> shown'],
    ['ssh-ed25519 AAAAC3NzaC1lZDI1 me', '<key> me'],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----', '<key>'],
    ['hf_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP', '<token>'],
    ['2026-11-26T04:31:03.123Z elapse 1:00:00', '2026-11-26T04:31:03.123Z elapse 1:00:00'],
    ['reading dist/extension.js, 3/24 done', 'reading dist/extension.js, 3/24 done'],
  ])('%j', (text, redacted) => {
    expect(redact(text)).toBe(redacted);
  });
});

describe('diagnosticsText', () => {
  it('tells which settings are set, and none of their values', () => {
    const text = diagnosticsText(facts({}));
    expect(text).toContain('connection.host: the usual one');
    expect(text).toContain('connection.user: empty');
    expect(text).toContain('## Log\nnone');
  });

  it('names no machine on the way and nobody there', () => {
    const jump = { host: 'gate', port: 22, user: 'kim' };
    const route = { host: 'login1', port: 22, user: 'al', jumps: [jump] };
    const log = ['This is about gate, where kim logs in, on the way to login1 as al.'];
    const text = diagnosticsText(facts({ route, log }));
    expect(text).toContain(
      'about <jump host>, where <user> logs in, on the way to <host> as <user>.',
    );
  });

  it('keeps the last lines of a long log only', () => {
    const log = new RecentLog(silentLogger);
    for (let index = 0; index < 500; index += 1) log.info(`line ${String(index)}`);
    expect(log.lines).toHaveLength(200);
    const text = diagnosticsText(facts({ log: log.lines }));
    expect(text).toContain('line 499');
    expect(text).not.toContain('line 419');
  });
});
