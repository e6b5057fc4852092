// Where things lie, and what PJM's own files are called.
import { describe, expect, it } from 'vitest';
import { outputFiles, withJobId } from '../../../src/jobs/jobFiles';
import {
  localResultsFolder,
  projectPlaces,
  resultsFolder,
  runFolder,
  withSmallDrive,
} from '../../../src/jobs/places';
import { remotePath } from '../../../src/ssh/remote';
import type { Inference } from '../../../src/workflow/workflow';
import { inferenceOf } from './bench';

const remote = remotePath('/data/group1/u/furo');
const places = projectPlaces(remote, '/home/me/my project', 'mine');

function inference(changes: Partial<Inference> = {}): Inference {
  const work = inferenceOf('in.jsonl');
  if (work.kind !== 'inference') throw new Error('no inference');
  return { ...work.inference, ...changes };
}

describe('places', () => {
  it('keeps projects of the same name apart, and finds the same one again', () => {
    expect(places.project).toMatch(/^\/data\/group1\/u\/furo\/my_project-[0-9a-f]{8}$/);
    expect(projectPlaces(remote, '/home/me/my project/', 'mine').project).toBe(places.project);
    expect(projectPlaces(remote, '/home/you/my project', 'mine').project).not.toBe(places.project);
    expect(projectPlaces(remote, '/home/me/推論', 'mine').project).toMatch(/\/_-[0-9a-f]{8}$/);
    expect(projectPlaces(remote, '/', 'mine').project).toMatch(/\/project-[0-9a-f]{8}$/);
    expect(projectPlaces(remote, '/home/me/my project', 'yours').project).not.toBe(places.project);
    expect(['C:\\a', 'c:\\a', '/C:/a'].map(withSmallDrive)).toEqual(['c:\\a', 'c:\\a', '/C:/a']);
  });

  it('puts everything of its own below .furo', () => {
    expect(places.own).toBe(`${places.project}/.furo`);
    expect(places.claims.startsWith(`${places.own}/`)).toBe(true);
    expect(runFolder(places, 'job', '12345678-9')).toBe(`${places.own}/runs/job-12345678`);
    expect(localResultsFolder('/w', 'job', '932267_1')).toBe('/w/furo-results/job.932267_1');
  });

  it('gives the same results folder to the same question only', () => {
    const folder = resultsFolder(places, 'job', inference());
    expect(resultsFolder(places, 'job', inference({ batchRows: 99 }))).toBe(folder);
    const others = [
      resultsFolder(places, 'other', inference()),
      resultsFolder(places, 'job', inference({ model: 'Other/Model' })),
      resultsFolder(places, 'job', inference({ systemPrompt: 'Be brief.' })),
      resultsFolder(places, 'job', inference({ dtype: 'float32' })),
    ];
    expect(new Set([folder, ...others]).size).toBe(5);
  });
});

describe('the names of PJM', () => {
  const folder = remotePath('/p');
  it.each([
    [
      'a.sh',
      { isJoined: true, hasStatistics: true },
      { stdout: '/p/a.sh.7.out', statistics: '/p/a.sh.7.stats' },
    ],
    [
      'a',
      { isJoined: false, hasStatistics: false },
      { stdout: '/p/a.7.out', stderr: '/p/a.7.err' },
    ],
    // A name that begins with a digit gets a J.
    ['1gpu.sh', { isJoined: true, hasStatistics: false }, { stdout: '/p/J1gpu.sh.7.out' }],
    [
      'a',
      {
        isJoined: false,
        hasStatistics: true,
        outName: 'log/%n-%j.txt',
        errName: '/tmp/%j.e',
        statisticsName: 's.%j',
      },
      { stdout: '/p/log/a-7.txt', stderr: '/tmp/7.e', statistics: '/p/s.7' },
    ],
  ])('%s %j', (name, kind, expected) => {
    expect(withJobId(outputFiles(folder, name, kind), '7')).toEqual({
      submitFolder: '/p',
      ...expected,
    });
  });
});
