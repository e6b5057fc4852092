// The state codes of PJM, what each means and which are final (Command Reference, pjstat).

/** Codes of current systems; any other text is kept as it is and treated as unknown. */
export const pjmStates = [
  'ACC',
  'QUE',
  'RNA',
  'RNP',
  'RUN',
  'RNE',
  'RNO',
  'SPP',
  'SPD',
  'RSM',
  'HLD',
  'ERR',
  'EXT',
  'CCL',
  'RJT',
] as const;

export type PjmState = (typeof pjmStates)[number];
