// The files of a job before anything is sent: each way in which one cannot be used, and what a person reads then.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../../src/base/failure';
import { checkWork } from '../../../src/jobs/checkWork';
import type { Work } from '../../../src/workflow/workflow';
import { failureText } from '../../../src/words/failureText';
import { english } from '../../../src/words/translate';
import { inferenceOf } from './bench';

let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'furo-work-'));
  folder = join(root, 'project');
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, text = '{"prompt":"x"}\n'): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const scriptOf = (script: string): Work => ({ kind: 'script', script });

function withFunction(input: string, promptFunction: string): Work {
  const work = inferenceOf(input);
  if (work.kind !== 'inference') throw new Error('no inference');
  return { kind: 'inference', inference: { ...work.inference, promptFunction } };
}

async function refusal(work: Work): Promise<Failure> {
  return checkWork(work, folder).then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => error as Failure,
  );
}

describe('a file that cannot be used is named with its reason', () => {
  it.each([
    ['.furo/run.sh', '.furo'],
    ['a/.git/hooks/run.sh', '.git'],
    ['.furo-tmp-1.sh', '.furo-tmp-1.sh'],
  ])('%s is never sent, because of %s', async (path, name) => {
    put(path);
    const failure = await refusal(scriptOf(path));
    expect(failure).toMatchObject({ reason: 'inputNeverSent', values: { path, name } });
    expect(failureText(failure, english).message).toContain(`${name} is never sent`);
  });

  it.each([
    ['data/Q.jsonl', 'Data/q.jsonl'],
    ['Data/Q.JSONL', 'Data/q.jsonl'],
  ])('%s is spelled %s there', async (path, found) => {
    put(found);
    const failure = await refusal(inferenceOf(path));
    expect(failure).toMatchObject({ reason: 'inputSpelledOtherwise', values: { path, found } });
    expect(failureText(failure, english).message).toContain(`but there is ${found}.`);
  });

  it('a link or a path leads out of the folder, or nowhere', async () => {
    writeFileSync(join(root, 'in.jsonl'), '{"prompt":"x"}\n');
    symlinkSync('../in.jsonl', join(folder, 'out.jsonl'));
    symlinkSync('..', join(folder, 'up'));
    symlinkSync('nowhere', join(folder, 'dead.jsonl'));
    for (const path of ['out.jsonl', 'up/in.jsonl', 'dead.jsonl', '../in.jsonl', 'a\\in.jsonl'])
      expect(await refusal(inferenceOf(path))).toMatchObject({
        reason: 'inputOutside',
        values: { path },
      });
  });

  it('the file of a prompt function is not there, or is no file', async () => {
    put('in.jsonl');
    const path = 'lib/prompts.py';
    const work = withFunction('in.jsonl', `${path}:build`);
    expect(await refusal(work)).toMatchObject({ reason: 'inputNotFound', values: { path } });
    mkdirSync(join(folder, path), { recursive: true });
    expect(await refusal(work)).toMatchObject({ reason: 'inputNotFound', values: { path } });
  });
});

it('takes files of any kind of place that the sync sends', async () => {
  put('real/in.jsonl');
  put('furo-results/a.1/results.jsonl');
  put('入力/質問.jsonl');
  put('Same.jsonl');
  put('same.jsonl');
  put('prompts.py');
  symlinkSync('real', join(folder, 'data'));
  for (const path of [
    'data/in.jsonl',
    'furo-results/a.1/results.jsonl',
    '入力/質問.jsonl',
    'same.jsonl',
  ])
    // prettier-ignore
    await checkWork(withFunction(path, 'prompts.py:build'), folder);
});
