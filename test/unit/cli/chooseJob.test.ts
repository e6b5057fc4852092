// From the words after `furo run` to a job: files, furo.yaml, and every refusal before anything is sent.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseJob } from '../../../src/cli/chooseJob';
import { UsageError } from '../../../src/cli/usage';
import { defaultSettings } from '../../../src/settings';
import { english } from '../../../src/words/translate';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'furo-choose-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const put = (name: string, text: string) => writeFile(join(folder, name), text);

const settings = {
  ...defaultSettings,
  inference: { ...defaultSettings.inference, model: 'org/m' },
};

function choose(wanted: string | undefined, group?: string) {
  return chooseJob({ folder, settings, wanted, group, translate: english });
}

const twoJobs = `version: 1
jobs:
  ask: {resourceGroup: cx-small, inference: {input: q.jsonl}}
  run: {script: run.sh}
`;
const goodScript = '#PJM -L rscgrp=cx-share,elapse=0:10:00\nls\n';

describe('chooseJob', () => {
  it('takes a job of furo.yaml by its name, and the group of the command line', async () => {
    await put('furo.yaml', twoJobs);
    expect(await choose('ask')).toMatchObject({
      name: 'ask',
      settings: { resourceGroup: 'cx-small' },
      work: { kind: 'inference', inference: { input: 'q.jsonl', model: 'org/m' } },
    });
    expect(await choose('ask', 'cx-single')).toMatchObject({
      settings: { resourceGroup: 'cx-single' },
    });
  });

  it('takes the only job without a name', async () => {
    await put('furo.yaml', 'version: 1\njobs: {one: {python: {script: a.py}}}\n');
    expect(await choose(undefined)).toMatchObject({ name: 'one', work: { script: 'a.py' } });
  });

  it.each([undefined, 'nobody'])('names the jobs there are when %s is asked', async (wanted) => {
    await put('furo.yaml', twoJobs);
    await expect(choose(wanted)).rejects.toThrow(new UsageError('name one of the jobs of furo.yaml: ask, run')); // prettier-ignore
  });

  it('takes a file without any furo.yaml', async () => {
    expect(await choose('data/q.jsonl')).toMatchObject({ name: 'q', work: { kind: 'inference' } });
    expect(await choose('a.py')).toMatchObject({ name: 'a', work: { kind: 'python' } });
    await put('run.sh', goodScript);
    expect(await choose('run.sh')).toMatchObject({ work: { kind: 'script', script: 'run.sh' } });
  });

  it.each(['../q.jsonl', '/etc/x.sh', '~/a.py'])('refuses %s, which is outside', async (path) => {
    await expect(choose(path)).rejects.toThrow(UsageError);
  });

  it('tells the place of the first mistake of furo.yaml', async () => {
    await put('furo.yaml', 'version: 1\njobs:\n  a:\n    nods: 2\n    script: a.sh\n');
    await expect(choose('a')).rejects.toMatchObject({
      reason: 'jobInvalid',
      values: { job: 'a', count: 1, first: expect.stringMatching(/^furo\.yaml:4: There is no key nods here\. Did you mean nodes\?/) as string }, // prettier-ignore
    });
  });

  it.each(['run.sh', 'run'])('checks the script behind %s', async (wanted) => {
    await put('furo.yaml', twoJobs);
    await put('run.sh', '#!/bin/bash\n#PJM -L rscgrp=cx-shar\n#PJM -s -S\nls\n');
    await expect(choose(wanted)).rejects.toMatchObject({
      reason: 'jobInvalid',
      values: { job: 'run.sh', count: 2, first: expect.stringMatching(/^run\.sh:2: There is no resource group cx-shar\./) as string }, // prettier-ignore
    });
    await put('run.sh', goodScript);
    expect(await choose(wanted)).toMatchObject({ work: { kind: 'script' } });
  });

  it('lets warnings pass', async () => {
    await put('run.sh', '#PJM -L rscgrp=cx-share,elapse=3:00\nls\n#PJM -j\n');
    expect(await choose('run.sh')).toMatchObject({ work: { kind: 'script' } });
  });

  it.each([
    ['no furo.yaml', 'ask', 'inputNotFound', { path: 'furo.yaml' }],
    ['no such script', 'run.sh', 'inputNotFound', { path: 'run.sh' }],
  ])('%s', async (_, wanted, reason, values) => {
    await expect(choose(wanted)).rejects.toMatchObject({ reason, values });
  });

  it('needs a model', async () => {
    const choice = { folder, settings: defaultSettings, wanted: 'q.jsonl', group: undefined };
    await expect(chooseJob({ ...choice, translate: english })).rejects.toMatchObject({
      reason: 'modelMissing',
      values: { job: 'q' },
    });
  });
});
