// Which keys a `furo.yaml` may have and what each holds. The JSON schema beside it is checked against this table.

/** Kinds of values; `elapse` also takes seconds as a number. */
export type FieldKind =
  'text' | 'wholeNumber' | 'number' | 'textList' | 'textMap' | 'elapse' | 'dtype';

export const dtypes = ['auto', 'float16', 'bfloat16', 'float32'] as const;

/** Keys of a job (and of `defaults`) beside its work. */
export const jobFields = {
  resourceGroup: 'text',
  nodes: 'wholeNumber',
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
  maxNewTokens: 'wholeNumber',
  temperature: 'number',
  topP: 'number',
  topK: 'wholeNumber',
  seed: 'wholeNumber',
  stop: 'textList',
  batchRows: 'wholeNumber',
  dtype: 'dtype',
} as const satisfies Record<string, FieldKind>;

export const pythonFields = {
  script: 'text',
  arguments: 'textList',
} as const satisfies Record<string, FieldKind>;

/** Exactly one of these says what a job runs. */
export const workKeys = ['inference', 'python', 'script'] as const;
