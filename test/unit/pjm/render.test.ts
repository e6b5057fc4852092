// A JobRequest written as a script and read back.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { furoGroups } from '../../../src/pjm/furo';
import type { JobRequest } from '../../../src/pjm/jobRequest';
import { renderDirectives, renderScript, toJobName } from '../../../src/pjm/render';
import { parseScript, toJobRequest } from '../../../src/pjm/script';
import { validateScript } from '../../../src/pjm/validate';

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const oneLine = fc
  .string({ unit: 'grapheme', maxLength: 60 })
  .filter((text) => !/[\r\n]|^-/.test(text));
const word = fc.stringMatching(/^[A-Za-z][\w.-]{0,20}$/);

const requests: fc.Arbitrary<JobRequest> = fc
  .record({
    name: optional(word),
    resourceGroup: fc.constantFrom(...furoGroups.map(({ name }) => name)),
    nodes: optional(fc.integer({ min: 1, max: 221 })),
    gpus: optional(fc.integer({ min: 1, max: 4 })),
    elapseSeconds: fc.integer({ min: 1, max: 2_000_000 }),
    mpiProcesses: optional(fc.integer({ min: 1, max: 1000 })),
    jobEnvironment: optional(word),
    projectGroup: optional(word),
    joinOutput: fc.boolean(),
    statistics: fc.constantFrom('none' as const, 'job' as const, 'nodes' as const),
    comment: optional(oneLine),
  })
  .map(
    (all) =>
      Object.fromEntries(
        Object.entries(all).filter(([, value]) => value !== undefined),
      ) as unknown as JobRequest,
  );

describe('renderScript', () => {
  it('gives back the same request, and the body as it was', () => {
    fc.assert(
      fc.property(requests, fc.array(word), (request, body) => {
        const { value, problems } = parseScript(renderScript(request, body));
        expect(problems).toEqual(
          request.comment === '' ? [expect.objectContaining({ code: 'optionValueMissing' })] : [],
        );
        expect(toJobRequest(value)).toEqual(request);
        if (body.length > 0) expect(value.body).toBe(`${body.join('\n')}\n`);
      }),
    );
  });

  it('writes lines in the order that people expect', () => {
    const request: JobRequest = {
      name: 'answer',
      resourceGroup: 'cx-small',
      nodes: 2,
      elapseSeconds: 3600,
      mpiProcesses: 8,
      projectGroup: 'jhpcn1',
      joinOutput: true,
      statistics: 'nodes',
      comment: 'two words',
    };
    expect(renderScript(request, ['set -e', 'hostname']).split('\n')).toEqual([
      '#!/bin/bash',
      '#PJM -L rscgrp=cx-small',
      '#PJM -L node=2',
      '#PJM -L elapse=1:00:00',
      '#PJM --mpi proc=8',
      '#PJM -g jhpcn1',
      '#PJM -N answer',
      '#PJM --comment "two words"',
      '#PJM -j',
      '#PJM -S',
      '',
      'set -e',
      'hostname',
      '',
    ]);
    expect(validateScript(renderScript(request, []), furoGroups)).toEqual([]);
  });

  it('lets no value begin a line of its own', () => {
    const comment = 'harmless\nrm -rf "$HOME"\r\n#PJM -L node=221';
    const lines = renderDirectives({
      resourceGroup: 'cx-share',
      elapseSeconds: 60,
      joinOutput: false,
      statistics: 'none',
      comment,
    });
    expect(lines.filter((line) => !line.startsWith('#PJM '))).toEqual([]);
    expect(lines.join('\n').split(/[\r\n]/)).toHaveLength(lines.length);
  });
});

describe('toJobName', () => {
  it.each([
    ['questions', 'questions'],
    ['my questions (2)', 'my-questions-2-'],
    ['2024_run', 'run'],
    ['-x', 'x'],
    ['a/b', 'a-b'],
    ['質問', 'job'],
    ['質問A', 'A'],
    ['', 'job'],
    ['a'.repeat(100), 'a'.repeat(63)],
  ])('%j', (text, expected) => {
    expect(toJobName(text)).toBe(expected);
  });

  it('gives names that PJM takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(toJobName(text)).toMatch(/^[A-Za-z][\w.-]{0,62}$/);
      }),
    );
  });
});
