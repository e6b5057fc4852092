// Answers of PJM commands. Texts: Command Reference (CR), End-user's Guide (EU), or recordings, as noted.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDeleteReply, parseMessages, parseSubmitReply } from '../../../src/pjm/pjmReply';

describe('parseMessages', () => {
  it.each([
    // Recorded on Furo (public GROMACS scripts): a step job.
    ['[INFO] PJM 0000 pjsub Job 932267_1 submitted.', 'INFO', '0000'],
    // Recorded on Fugaku.
    ['[INFO] PJM 0100 pjdel Accepted job 6291500.', 'INFO', '0100'],
    ['[ERR.] PJM 0211 pjstat Invalid jobid: r1.', 'ERR', '0211'],
    // Recorded: node=1 against a lower limit; elapse over the limit; a group that may not submit.
    ['[ERR.] PJM 0054 pjsub node=1 is less than the lower limit (385).', 'ERR', '0054'],
    ['[ERR.] PJM 0057 pjsub elapse=18000 is greater than the upper limit (14400).', 'ERR', '0057'],
    ['[ERR.] PJM 0071 pjsub Group not authorized to submit a job: group(59999)', 'ERR', '0071'],
    // Recorded on Wisteria.
    ['[ERR.] PJM 0070 pjsub No execute permission: pjsub-bulk.', 'ERR', '0070'],
    // CR: warnings, notes, messages inside a job's output, and one without a command word.
    ['[WARN] PJM 0024 pjsub Too many arguments in script file.', 'WARN', '0024'],
    ['[NOTE] PJM 0500 pjalter Job 1 is accepted elapse.', 'NOTE', '0500'],
    ['[ERR.] PJM 7004 Job 1 was canceled. The job exceeded its elapse time limit.', 'ERR', '7004'],
    ['[INFO] PJM 0081 .connected.', 'INFO', '0081'],
    // The Fugaku guide prints a dot here as well.
    ['[INFO.] PJM 0000 pjsub Job 1 submitted.', 'INFO', '0000'],
  ])('%s', (line, level, code) => {
    expect(parseMessages(line)).toEqual([
      { level, code, text: line.slice(line.indexOf(code) + 5) },
    ]);
  });

  it('skips the lines of a site, and keeps the order', () => {
    const output = [
      '*** Notice: maintenance on 30 Nov ***\r',
      '[WARN] PJM 0029 pjsub The option is ignored in the use environment: -X.\r',
      'Try `pjsub --help` for more information.\r',
      '[INFO] PJM 0000 pjsub Job 1 submitted.\r',
      'remaining points: 1234.5\r',
    ].join('\n');
    expect(parseMessages(output).map(({ code }) => code)).toEqual(['0029', '0000']);
  });

  it.each([
    '',
    'PJM 0000 pjsub Job 1 submitted.',
    ' [INFO] PJM 0000 pjsub Job 1 submitted.',
    '[INFO] PJM 00 pjsub Job 1 submitted.',
    '[FATAL] PJM 0000 pjsub Job 1 submitted.',
    // Wisteria's own wrapper and Genkai's.
    'pjsub: ERROR: SIM4309: Any job is not accepted on /home directory',
    'GENKAI2009 something',
  ])('finds none in %j', (output) => {
    expect(parseMessages(output)).toEqual([]);
  });
});

describe('parseSubmitReply', () => {
  it.each([
    ['[INFO] PJM 0000 pjsub Job 1996122 submitted.\n', '', '1996122'],
    ['[INFO] PJM 0000 pjsub Job 932267_1 submitted.\n', '', '932267_1'],
    ['[INFO] PJM 0000 pjsub Job 5 submitted\n', '', '5'],
    ['[INFO] PJM 0000 pjsub Job 5 submitted.\r\n', '', '5'],
    // Site lines around it, a warning on the other stream, or the line on the other stream.
    ['welcome\n[INFO] PJM 0000 pjsub Job 7 submitted.\npoints: 3\n', 'module: note\n', '7'],
    ['[INFO] PJM 0000 pjsub Job 7 submitted.\n', '[WARN] PJM 0024 pjsub Too many arguments\n', '7'],
    ['', '[INFO] PJM 0000 pjsub Job 7 submitted.\n', '7'],
  ])('accepts %j %j', (stdout, stderr, pjmId) => {
    expect(parseSubmitReply(stdout, stderr)).toEqual({ kind: 'accepted', pjmId });
  });

  it.each([
    ['', '[ERR.] PJM 0058 pjsub rscgrp=cx-shar does not exist.\n', '0058'],
    ['', '[ERR.] PJM 0057 pjsub node=32 is greater than the upper limit (24).\n', '0057'],
    ['', '[ERR.] PJM 0090 pjsub PJM daemon is not present.\n', '0090'],
    ['', '[ERR.] PJM 0079 pjsub Computing resources shortage occurred.[group]\n', '0079'],
    ['[ERR.] PJM 0007 pjsub Staging option error (3)\n', '', '0007'],
    ['', '[WARN] PJM 0024 pjsub Too many\n[ERR.] PJM 0025 pjsub Line length too long.\n', '0025'],
  ])('sees the refusal in %j %j', (stdout, stderr, code) => {
    const text = (stderr + stdout).trim();
    expect(parseSubmitReply(stdout, stderr)).toEqual({ kind: 'refused', code, text });
  });

  it('keeps all that pjsub said when it refuses', () => {
    const stderr =
      "[ERR.] PJM 0001 pjsub Unknown option or no option argument: --foo.\nTry `pjsub --help' for more information.\n";
    const reply = parseSubmitReply('site line\n', stderr);
    expect(reply).toMatchObject({ kind: 'refused', code: '0001' });
    expect(reply).toHaveProperty('text', `${stderr.trim()}\nsite line`);
  });

  it.each([
    ['', ''],
    ['bash: pjsub: command not found\n', ''],
    ['pjsub: ERROR: SIM4309: Any job is not accepted on /home directory\n', ''],
    ['[INFO] PJM 0000 pjsub Job submitted.\n', ''],
    ['[INFO] PJM 0081 .\n', ''],
    ['1996122\n', ''],
  ])('calls %j %j unclear', (stdout, stderr) => {
    expect(parseSubmitReply(stdout, stderr)).toEqual({
      kind: 'unclear',
      text: (stdout + stderr).trim(),
    });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (stdout, stderr) => {
        expect(['accepted', 'refused', 'unclear']).toContain(parseSubmitReply(stdout, stderr).kind);
      }),
    );
  });
});

describe('parseDeleteReply', () => {
  it.each([
    ['[INFO] PJM 0100 pjdel Accepted job 6291500.\n', ''],
    // EU prints one example without the final dot; 0119 and 0181 are of CR.
    ['[INFO] PJM 0100 pjdel Accepted job 12\n', ''],
    ['[INFO] PJM 0119 pjdel Already accepted job 12.\n', ''],
    ['[INFO] PJM 0181 pjdel ......done.\n[INFO] PJM 0100 pjdel Accepted job 12.\n', 'site\n'],
  ])('accepts %j', (stdout, stderr) => {
    expect(parseDeleteReply(stdout, stderr)).toEqual({ kind: 'accepted' });
  });

  it('knows a job that is not there any more', () => {
    const stderr = '[ERR.] PJM 0112 pjdel Job 999 does not exist.\n';
    expect(parseDeleteReply('', stderr)).toEqual({ kind: 'gone' });
  });

  it.each([
    ['0113', '[ERR.] PJM 0113 pjdel Job 5 is not in the state that pjdel can be accepted.'],
    ['0171', '[ERR.] PJM 0171 pjdel No permission: 5.'],
    ['0190', '[ERR.] PJM 0190 pjdel PJM daemon is not present.'],
    ['', 'bash: pjdel: command not found'],
    ['', ''],
  ])('refused %s', (code, text) => {
    expect(parseDeleteReply('', `${text}\n`)).toEqual({ kind: 'refused', code, text });
  });
});
