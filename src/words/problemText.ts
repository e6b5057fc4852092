// Every Problem in words, for diagnostics. A code without an entry does not compile.
import type { Problem } from '../base/problem';
import { renderElapse } from '../pjm/elapse';
import type { JobProblemCode } from '../pjm/validate';
import type { WorkflowProblemCode } from '../workflow/yamlReader';
import type { Translate } from './translate';

export type ProblemCode = JobProblemCode | WorkflowProblemCode;
type ProblemWords = (t: Translate, v: (key: string) => string) => string;

const suggested = (t: Translate, v: (key: string) => string) =>
  v('suggestion') === '' ? '' : ` ${t('Did you mean {0}?', v('suggestion'))}`;

const words: Readonly<Record<ProblemCode, ProblemWords>> = {
  directiveIgnored: (t) =>
    t('PJM ignores this line: #PJM lines count only before the first command. Move it to the top.'),
  unknownOption: (t, v) => t('pjsub has no option {0}.', v('flag')),
  optionNotForScript: (t, v) =>
    t('{0} works only on the command line of pjsub; in a script it is ignored.', v('flag')),
  optionValueMissing: (t, v) => t('{0} needs a value.', v('flag')),
  optionValueUnexpected: (t, v) => t('{0} takes no value.', v('flag')),
  strayWord: (t, v) => t('"{0}" belongs to no option; pjsub would refuse it.', v('word')),
  resourceFlagMissing: (t, v) => t('-L is missing: write #PJM -L {0}', v('word')),
  quoteUnbalanced: (t) => t('A quotation mark is not closed.'),
  prefixMisspelled: (t, v) =>
    t('PJM takes "{0}" for a comment; directives begin with #PJM.', v('prefix')),
  windowsLineEnds: (t) =>
    t(
      'This script has Windows line ends (CRLF); bash on the machine stumbles over them. Save it with LF.',
    ),
  // Fifteen names would hide the one that was meant.
  resourceGroupUnknown: (t, v) =>
    t('There is no resource group {0}.', v('name')) +
    (suggested(t, v) || ` ${t('There are: {0}', v('known'))}`),
  resourceGroupMissing: (t) =>
    t('No resource group is named; write for example #PJM -L rscgrp=cx-share'),
  tooFewNodes: (t, v) =>
    t('{0} takes jobs from {2} nodes on, not {1}.', v('group'), v('asked'), v('limit')),
  tooManyNodes: (t, v) =>
    t('{0} takes jobs up to {2} nodes, not {1}.', v('group'), v('asked'), v('limit')),
  elapseTooLong: (t, v) =>
    t('{0} allows at most {2}, not {1}.', v('group'), time(v('asked')), time(v('limit'))),
  tooManyGpus: (t, v) =>
    t('{0} gives at most {2} GPUs, not {1}.', v('group'), v('asked'), v('limit')),
  interactiveOnly: (t, v) => t('{0} takes only interactive jobs (pjsub --interact).', v('group')),
  elapseUnreadable: (t, v) =>
    t('"{0}" is no time limit. Write H:MM:SS, for example 1:00:00.', v('value')),
  elapseLooksShort: (t, v) =>
    t('{0} means minutes and seconds. Hours are written 1:00:00.', v('value')),
  resourceUnknown: (t, v) => t('PJM on Furo knows no resource {0}.', v('key')),
  resourceNotANumber: (t, v) => t('{0} needs a whole number, not "{1}".', v('key'), v('value')),
  nodesInSharedGroup: (t, v) =>
    t('{0} gives a quarter of a node; node= does not belong there. Write gpu=1.', v('group')),
  optionsExclude: (t, v) => t('{0} cannot be used together with {1}.', v('flag'), v('other')),
  jobNameInvalid: (t, v) =>
    t('"{0}" is no job name: a letter first, no slash, at most 63 bytes.', v('name')),
  yamlInvalid: (t, v) => t('This is not valid YAML: {0}', v('detail')),
  keyUnknown: (t, v) =>
    t('There is no key {0} here.', v('key')) +
    suggested(t, v) +
    ` ${t('There are: {0}', v('known'))}`,
  valueWrong: (t, v) =>
    t('{0} needs another kind of value: {1}.', v('key'), kindText(v('expected'), t)),
  keyMissing: (t, v) => t('The key {0} is missing.', v('key')),
  versionUnsupported: (t, v) => t('This version reads furo.yaml version 1, not {0}.', v('found')),
  workMissing: (t, v) =>
    t('The job {0} says nothing to run: give it inference, python or script.', v('job')),
  workTwice: (t, v) =>
    t('The job {0} has both {1} and {2}; only one can run.', v('job'), v('first'), v('second')),
  promptTwice: (t) =>
    t('promptTemplate and promptFunction both make the prompt; only one of them can stand here.'),
  jobNameUnusable: (t, v) =>
    t(
      '"{0}" cannot be a job name: letters, digits, dot, dash and underscore, a letter first.',
      v('job'),
    ),
  pathOutside: (t, v) =>
    t(
      '{1} leads out of this folder; {0} has to be a relative path inside it.',
      v('key'),
      v('path'),
    ),
  noJobs: (t) => t('A furo.yaml names at least one job under "jobs:".'),
};

/** The codes that have words, for the test that every sentence is translated. */
export const problemCodes = Object.keys(words) as readonly ProblemCode[];

export function problemText(problem: Pick<Problem, 'code' | 'values'>, t: Translate): string {
  const entry = (words as Readonly<Record<string, ProblemWords | undefined>>)[problem.code];
  return entry ? entry(t, (key) => String(problem.values[key] ?? '')) : problem.code;
}

/** What kind of value is expected, for settings and furo.yaml alike. */
export function kindText(kind: string, t: Translate): string {
  const kinds: Readonly<Record<string, string>> = {
    text: t('a text'),
    wholeNumber: t('a whole number'),
    count: t('a whole number of at least 1'),
    number: t('a number'),
    atLeastZero: t('a number of at least 0'),
    share: t('a number from 0 to 1'),
    textList: t('a list of texts'),
    textMap: t('names with texts'),
    elapse: t('a time such as "1:00:00"'),
    dtype: t('auto, float16, bfloat16 or float32'),
    backend: t('auto, own, transformers, lmdeploy, vllm or echo'),
    policy: t('auto, balanced, balanced_low_0 or sequential'),
    layout: t('replicas, stages and tensorParallel, each a whole number of at least 1'),
    pythonFunction: t('a function of a Python file, such as prompts.py:build'),
    json: t('keys with values'),
    map: t('keys with values'),
  };
  return kinds[kind] ?? kind;
}

function time(seconds: string): string {
  const value = Number(seconds);
  return Number.isFinite(value) ? renderElapse(value) : 'unlimited';
}
