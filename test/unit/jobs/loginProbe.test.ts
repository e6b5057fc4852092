// How the answers of a login shell are read: noise around them, quotas with and without limits.
import { describe, expect, it } from 'vitest';
import { readQuota, readShellAnswer } from '../../../src/jobs/loginProbe';

describe('what is read', () => {
  it.each([
    ['furo-check /bin/tcsh\n', '', { shell: '/bin/tcsh', noise: undefined }],
    ['furo-check\n', '', { shell: '', noise: undefined }],
    ['hi\nfuro-check /bin/sh\n', '', { shell: '/bin/sh', noise: 'hi' }],
    ['furo-check /bin/sh\n', 'stty: no tty\n', { shell: '/bin/sh', noise: 'stty: no tty' }],
    ['This service allows sftp connections only.\n', '', undefined],
  ])('the answer of a shell %j %j', (stdout, stderr, answer) => {
    expect(readShellAnswer(stdout, stderr)).toEqual(answer);
  });

  it.each([
    [undefined, undefined],
    ['', undefined],
    ['/data 100 0 0 - 5 0 0 -', undefined],
    ['/data 100 200 400 - 5 0 0 -', 25],
    ['/data 100 200 0 - 5 0 0 -', 50],
    ['/data 100 0 1000 - 90 0 100 -', 90],
    ['/data 1100* 0 1000 7d 5 0 0 -', 110],
    ['quotas are not enabled', undefined],
  ])('the quota line %j', (line, percent) => {
    expect(readQuota(line)).toBe(percent);
  });
});
