// Batch scripts as PJM sees them. Rules: Command Reference and End-user's Guide, pjsub; scripts: public Furo scripts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseScript, readOptionValue, readResources, toJobRequest } from '../../../src/pjm/script';

const examples = join(import.meta.dirname, '../../../examples/scripts');

// The one-GPU script of yu1349/llm_on_supercomp (run on Furo on 19 June 2025).
const oneGpu = `#!/bin/bash -x
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=1:00:00  # REWRITE ME!!!!!
#PJM -j
#PJM -S

module load gcc/11.3.0
echo done
`;

function found(text: string) {
  return parseScript(text).problems.map(({ code, severity, range, values }) => ({
    code,
    severity,
    line: range.startLine,
    part: text.split(/\r?\n/)[range.startLine]?.slice(range.startColumn, range.endColumn),
    values,
  }));
}

describe('parseScript', () => {
  it('reads a script that ran on Furo', () => {
    const { value, problems } = parseScript(oneGpu);
    expect(problems).toEqual([]);
    expect(value).toMatchObject({ hasDirectives: true, bodyStartLine: 7 });
    expect(value.body).toBe('module load gcc/11.3.0\necho done\n');
    expect(toJobRequest(value)).toEqual({
      resourceGroup: 'cx-share',
      gpus: 1,
      elapseSeconds: 3600,
      joinOutput: true,
      statistics: 'nodes',
    });
  });

  it.each(['one_gpu.sh', 'four_gpus.sh', 'two_nodes_mpi.sh'])(
    'finds nothing wrong in %s',
    (name) => {
      const { value, problems } = parseScript(readFileSync(join(examples, name), 'utf8'));
      expect(problems).toEqual([]);
      expect(value.hasDirectives).toBe(true);
    },
  );

  it('lets comments and empty lines stand between directives', () => {
    const { value, problems } = parseScript(
      '#!/bin/sh\n\n# a note\n#PJM -j\n\n# x\n#PJM -S\necho\n',
    );
    expect(problems).toEqual([]);
    expect(value.directives.map(({ flag }) => flag)).toEqual(['-j', '-S']);
  });

  it('takes directives after the first command for comments, as the manual shows', () => {
    const text = '#PJM -L node=1\nexport A=1\n#PJM -L "elapse=86400"\n';
    expect(readResources(parseScript(text).value.directives).has('elapse')).toBe(false);
    expect(found(text)).toEqual([
      {
        code: 'directiveIgnored',
        severity: 'warning',
        line: 2,
        part: '#PJM -L "elapse=86400"',
        values: {},
      },
    ]);
  });

  it.each([
    // Seen in a public Furo repository: the -L is missing.
    ['#PJM elapse=24:00:00', 'resourceFlagMissing', 'elapse=24:00:00', { word: 'elapse=24:00:00' }],
    ['#PJM rg=cx-share', 'resourceFlagMissing', 'rg=cx-share', { word: 'rg=cx-share' }],
    ['#PJM -j yes', 'strayWord', 'yes', { word: 'yes' }],
    ['#PJM --no-check-directory', 'unknownOption', '--no-check-directory', { flag: '--no-check-directory' }], // prettier-ignore
    ['#PJM --partition=gpu', 'unknownOption', '--partition=gpu', { flag: '--partition' }],
    ['#PJM -N', 'optionValueMissing', '-N', { flag: '-N' }],
    ['#PJM --name=', 'optionValueMissing', '--name=', { flag: '--name' }],
    ['#PJM -L ""', 'optionValueMissing', '-L ""', { flag: '-L' }],
    ['#PJM --stats=yes', 'optionValueUnexpected', '--stats=yes', { flag: '--stats' }],
    ['#PJM -L "node=1', 'quoteUnbalanced', '#PJM -L "node=1', {}],
  ])('%s: %s', (line, code, part, values) => {
    expect(found(`#!/bin/bash\n${line}\n`)).toEqual([
      { code, severity: 'error', line: 1, part, values },
    ]);
  });

  it.each([
    ['#PJM --verbose', 'optionNotForScript', '--verbose', { flag: '--verbose' }],
    ['#PJM -C "#X"', 'optionNotForScript', '-C "#X"', { flag: '-C' }],
    ['#PJM --script-delimiter ;', 'optionNotForScript', '--script-delimiter ;', { flag: '--script-delimiter' }], // prettier-ignore
    ['#pjm -L node=1', 'prefixMisspelled', '#pjm -L node=1', { prefix: '#pjm' }],
    ['# PJM -j', 'prefixMisspelled', '# PJM -j', { prefix: '# PJM' }],
    ['  #PJM -j', 'prefixMisspelled', '  #PJM -j', { prefix: '#PJM' }],
  ])('%s: %s', (line, code, part, values) => {
    expect(found(`#!/bin/bash\n${line}\n`)).toEqual([
      { code, severity: 'warning', line: 1, part, values },
    ]);
  });

  it.each(['# PJM jobs are described below', '# ask PJM - or somebody', '#PJMore'])(
    'takes %j for prose',
    (line) => {
      expect(found(`${line}\n`)).toEqual([]);
    },
  );

  it('reads Windows line ends, and says so once', () => {
    const text = oneGpu.replaceAll('\n', '\r\n');
    const { value } = parseScript(text);
    expect(toJobRequest(value)).toEqual(toJobRequest(parseScript(oneGpu).value));
    expect(found(text).map(({ code }) => code)).toEqual(['windowsLineEnds']);
  });

  it.each(['', '\n', '#!/bin/bash', 'echo'])('finds no directives in %j', (text) => {
    const { value, problems } = parseScript(text);
    expect(value).toMatchObject({ directives: [], hasDirectives: false });
    expect(problems).toEqual([]);
  });

  it('never throws, whatever the text', () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((text) => `#PJM ${text}`),
      fc.constantFrom('#PJM -L "', '#PJM -L node=1,,=,', "#PJM '", '\r', '\0', '#!/bin/bash'),
    );
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom('\n', '\r\n'), (lines, end) => {
        const { value } = parseScript(lines.join(end));
        expect(toJobRequest(value).elapseSeconds).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('readResources', () => {
  const resources = (text: string) =>
    [...readResources(parseScript(text).value.directives)].map(([key, { value }]) => [key, value]);

  it('merges lines, the last one of a key wins, short names become long ones', () => {
    expect(
      resources(
        '#PJM -L rg=cx-share,node=1\n#PJM --rsc-list "node=2, elapse=60"\n#PJM -L custom=3',
      ),
    ).toEqual([
      ['rscgrp', 'cx-share'],
      ['node', '2'],
      ['elapse', '60'],
      ['custom', '3'],
    ]);
  });
});

describe('readOptionValue', () => {
  const { directives } = parseScript('#PJM -N a\n#PJM --name b -j').value;

  it('takes the last one under any of its names', () => {
    expect(readOptionValue(directives, 'name')).toBe('b');
    expect(readOptionValue(directives, 'j')).toBe('');
    expect(readOptionValue(directives, 'comment')).toBeUndefined();
  });
});

describe('toJobRequest', () => {
  it('reads every field', () => {
    const text = [
      '#PJM -L rscgrp=cx-small,node=2,elapse=12:30:00,jobenv=singularity',
      '#PJM --mpi "proc=8,max-proc-per-node=4" -g jhpcn1234',
      '#PJM --name=train --comment "a, b" -s',
    ].join('\n');
    expect(toJobRequest(parseScript(text).value)).toEqual({
      name: 'train',
      resourceGroup: 'cx-small',
      nodes: 2,
      elapseSeconds: 45_000,
      mpiProcesses: 8,
      jobEnvironment: 'singularity',
      projectGroup: 'jhpcn1234',
      joinOutput: false,
      statistics: 'job',
      comment: 'a, b',
    });
  });

  it.each(['#PJM -L node=two', '#PJM -L node=', '#PJM -L node=1.5', '#PJM -L node=-1'])(
    'leaves unreadable numbers out: %s',
    (text) => {
      expect(toJobRequest(parseScript(text).value)).not.toHaveProperty('nodes');
    },
  );
});
