// Every problem in words: real texts with each mistake, and the sentence that a person reads.
import { describe, expect, it } from 'vitest';
import japanese from '../../../l10n/bundle.l10n.ja.json';
import { furoGroups } from '../../../src/pjm/furo';
import { validateScript } from '../../../src/pjm/validate';
import { readSettings } from '../../../src/settings';
import { kindText, problemCodes, problemText } from '../../../src/words/problemText';
import { english, fromBundle } from '../../../src/words/translate';
import { loadWorkflow } from '../../../src/workflow/loadWorkflow';

const inJapanese = fromBundle(japanese);

/** A script with one mistake -> its sentence. */
const scripts: readonly (readonly [text: string, sentence: string])[] = [
  ['ls\n#PJM -j', 'PJM ignores this line: #PJM lines count only before the first command. Move it to the top.'], // prettier-ignore
  ['#PJM -L rg=cx-share --foo', 'pjsub has no option --foo.'],
  ['#PJM -L rg=cx-share --verbose', '--verbose works only on the command line of pjsub; in a script it is ignored.'], // prettier-ignore
  ['#PJM -L rg=cx-share -N', '-N needs a value.'],
  ['#PJM -L rg=cx-share --stats=1', '--stats takes no value.'],
  ['#PJM -L rg=cx-share now', '"now" belongs to no option; pjsub would refuse it.'],
  ['#PJM -L rg=cx-share\n#PJM elapse=1:00:00', '-L is missing: write #PJM -L elapse=1:00:00'],
  ['#PJM -L "rg=cx-share', 'A quotation mark is not closed.'],
  ['#pjm -L rg=cx-share', 'PJM takes "#pjm" for a comment; directives begin with #PJM.'],
  ['#PJM -L rg=cx-share\r\n', 'This script has Windows line ends (CRLF); bash on the machine stumbles over them. Save it with LF.'], // prettier-ignore
  ['#PJM -L rg=cx-shar', 'There is no resource group cx-shar. Did you mean cx-share?'],
  ['#PJM -L rg=gpu', `There is no resource group gpu. There are: ${furoGroups.map(({ name }) => name).join(', ')}`], // prettier-ignore
  ['#PJM -j', 'No resource group is named; write for example #PJM -L rscgrp=cx-share'],
  ['#PJM -L rg=cx-large,node=2', 'cx-large takes jobs from 16 nodes on, not 2.'],
  ['#PJM -L rg=cx-small,node=9', 'cx-small takes jobs up to 8 nodes, not 9.'],
  ['#PJM -L rg=cx-debug,elapse=2:00:00', 'cx-debug allows at most 1:00:00, not 2:00:00.'],
  ['#PJM -L rg=cx-debug,elapse=unlimited', 'cx-debug allows at most 1:00:00, not unlimited.'],
  ['#PJM -L rg=cx-share,gpu=4', 'cx-share gives at most 1 GPUs, not 4.'],
  ['#PJM -L rg=cx-interactive', 'cx-interactive takes only interactive jobs (pjsub --interact).'],
  ['#PJM -L rg=cx-share,elapse=1hour', '"1hour" is no time limit. Write H:MM:SS, for example 1:00:00.'], // prettier-ignore
  ['#PJM -L rg=cx-share,elapse=3:00', '3:00 means minutes and seconds. Hours are written 1:00:00.'],
  ['#PJM -L rg=cx-share,nodes=1', 'PJM on Furo knows no resource nodes.'],
  ['#PJM -L rg=cx-small,node=two', 'node needs a whole number, not "two".'],
  ['#PJM -L rg=cx-share,node=1', 'cx-share gives a quarter of a node; node= does not belong there. Write gpu=1.'], // prettier-ignore
  ['#PJM -L rg=cx-share -s -S', '-S cannot be used together with -s.'],
  ['#PJM -L rg=cx-share -N 1', '"1" is no job name: a letter first, no slash, at most 63 bytes.'],
];

/** A `furo.yaml` with one mistake -> its sentence. */
const workflows: readonly (readonly [text: string, sentence: string | RegExp])[] = [
  ['version: 1\njobs: {a: "', /^This is not valid YAML: .+/],
  ['version: 1\njob: {}\njobs: {a: {script: a.sh}}', 'There is no key job here. Did you mean jobs? There are: version, defaults, jobs'], // prettier-ignore
  ['version: 1\njobs: {a: {script: a.sh, nodes: x}}', 'nodes needs another kind of value: a whole number of at least 1.'], // prettier-ignore
  ['version: 1\njobs: {a: {script: a.sh, modules: x}}', 'modules needs another kind of value: a list of texts.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {topP: 3}}}', 'topP needs another kind of value: a number from 0 to 1.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {temperature: x}}}', 'temperature needs another kind of value: a number of at least 0.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {backend: x}}}', 'backend needs another kind of value: auto, own, transformers, lmdeploy, vllm or echo.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {policy: x}}}', 'policy needs another kind of value: auto, balanced, balanced_low_0 or sequential.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {layout: x}}}', 'layout needs another kind of value: replicas, stages and tensorParallel, each a whole number of at least 1.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {promptFunction: x}}}', 'promptFunction needs another kind of value: a function of a Python file, such as prompts.py:build.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {responseFormat: x}}}', 'responseFormat needs another kind of value: keys with values.'], // prettier-ignore
  ['version: 1\njobs: {a: {inference: {promptFunction: "p.py:f", promptTemplate: x}}}', 'promptTemplate and promptFunction both make the prompt; only one of them can stand here.'], // prettier-ignore
  ['version: 1\njobs: {a: 3}', 'a needs another kind of value: keys with values.'],
  ['jobs: {a: {script: a.sh}}', 'The key version is missing.'],
  ['version: 2\njobs: {a: {script: a.sh}}', 'This version reads furo.yaml version 1, not 2.'],
  [
    'version: 1\njobs: {a: {}}',
    'The job a says nothing to run: give it inference, python or script.',
  ],
  ['version: 1\njobs: {a: {script: a.sh, python: {script: b.py}}}', 'The job a has both python and script; only one can run.'], // prettier-ignore
  ['version: 1\njobs: {1: {script: a.sh}}', '"1" cannot be a job name: letters, digits, dot, dash and underscore, a letter first.'], // prettier-ignore
  ['version: 1\njobs: {a: {script: ../a}}', '../a leads out of this folder; script has to be a relative path inside it.'], // prettier-ignore
  ['version: 1', 'A furo.yaml names at least one job under "jobs:".'],
];

const found = [
  ...scripts.map(([text, sentence]) => ({ problems: validateScript(text, furoGroups), sentence })),
  ...workflows.map(([text, sentence]) => ({ problems: loadWorkflow(text).problems, sentence })),
];

describe('problemText', () => {
  it.each(found)('$sentence', ({ problems, sentence }) => {
    const texts = problems.map((problem) => problemText(problem, english));
    if (typeof sentence === 'string') expect(texts).toContain(sentence);
    else expect(texts[0]).toMatch(sentence);
    for (const problem of problems) {
      const text = problemText(problem, inJapanese);
      expect(text).toMatch(/[぀-ヿ一-鿿]/);
      expect(text).not.toMatch(/\{\d+\}|undefined|NaN/);
    }
  });

  it('is tried here for every code there is', () => {
    const codes = new Set(found.flatMap(({ problems }) => problems.map(({ code }) => code)));
    expect([...problemCodes].filter((code) => !(codes as Set<string>).has(code))).toEqual([]);
  });

  it('shows a code without words as it is', () => {
    expect(problemText({ code: 'fromTheFuture', values: {} }, english)).toBe('fromTheFuture');
  });
});

describe('kindText', () => {
  it('has words for whatever a setting can expect', () => {
    const { problems } = readSettings(() => Symbol('nothing'));
    const kinds = new Set(problems.map(({ expected }) => expected));
    expect([...kinds].sort()).toEqual(
      ['count', 'dtype', 'elapse', 'number', 'text', 'textList', 'textMap', 'wholeNumber'].sort(),
    );
    for (const kind of kinds) {
      expect(kindText(kind, english)).not.toBe(kind);
      expect(kindText(kind, inJapanese)).not.toBe(kindText(kind, english));
    }
  });
});
