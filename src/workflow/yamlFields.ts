// Which keys a `furo.yaml` may have and what each holds. The JSON schema beside it is checked against this table.

/**
 * Kinds of values. `count` is a whole number of at least 1, `wholeNumber` of at least 0; `atLeastZero` and `share`
 * (from 0 to 1) are numbers; `elapse` also takes seconds as a number; `json` is any mapping.
 */
export type FieldKind =
  | 'text'
  | 'wholeNumber'
  | 'count'
  | 'atLeastZero'
  | 'share'
  | 'textList'
  | 'textMap'
  | 'elapse'
  | 'pythonFunction'
  | 'layout'
  | 'json'
  | ChoiceKind;

/** Kinds of which a value is one of a few words. */
export type ChoiceKind = keyof typeof choices;

export const dtypes = ['auto', 'float16', 'bfloat16', 'float32'] as const;

/** Each kind's words, as the runtime's job file knows them. */
export const choices = {
  dtype: dtypes,
  backend: ['auto', 'own', 'transformers', 'lmdeploy', 'vllm', 'echo'],
  policy: ['auto', 'balanced', 'balanced_low_0', 'sequential'],
} as const;

export type Dtype = (typeof dtypes)[number];
export type Backend = (typeof choices.backend)[number];
export type Policy = (typeof choices.policy)[number];

/** Keys of a layout; each holds a count. */
export const layoutKeys = ['replicas', 'stages', 'tensorParallel'] as const;

/** A file of the project and a function in it; the same expression stands in the schema. */
export const pythonFunctionPattern = /^[^:]+\.py:[A-Za-z_]\w*$/;

/** Keys of a job (and of `defaults`) beside its work. */
export const jobFields = {
  resourceGroup: 'text',
  nodes: 'count',
  elapse: 'elapse',
  modules: 'textList',
  condaEnvironment: 'text',
  projectGroup: 'text',
  environment: 'textMap',
} as const satisfies Record<string, FieldKind>;

export const inferenceFields = {
  model: 'text',
  revision: 'text',
  input: 'text',
  systemPrompt: 'text',
  promptTemplate: 'text',
  promptFunction: 'pythonFunction',
  maxNewTokens: 'count',
  temperature: 'atLeastZero',
  topP: 'share',
  topK: 'wholeNumber',
  seed: 'wholeNumber',
  stop: 'textList',
  batchRows: 'count',
  dtype: 'dtype',
  backend: 'backend',
  layout: 'layout',
  policy: 'policy',
  responseFormat: 'json',
  chatTemplateKwargs: 'json',
} as const satisfies Record<string, FieldKind>;

export const pythonFields = {
  script: 'text',
  arguments: 'textList',
} as const satisfies Record<string, FieldKind>;

/** Exactly one of these says what a job runs. */
export const workKeys = ['inference', 'python', 'script'] as const;
