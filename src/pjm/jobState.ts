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

/** What a state means for a person who waits: before, during or after the run. */
export type StateMeaning = 'waiting' | 'running' | 'ended' | 'held' | 'error' | 'unknown';

const meanings: Readonly<Record<PjmState, StateMeaning>> = {
  ACC: 'waiting',
  QUE: 'waiting',
  RNA: 'waiting',
  RNP: 'running',
  RUN: 'running',
  RNE: 'running',
  RNO: 'running',
  SPP: 'running',
  SPD: 'running',
  RSM: 'running',
  HLD: 'held',
  ERR: 'error',
  EXT: 'ended',
  CCL: 'ended',
  RJT: 'ended',
};

/** True for a code that this program knows. */
export function isPjmState(text: string): text is PjmState {
  return (pjmStates as readonly string[]).includes(text);
}

/** Meaning of a state code; any other text is `unknown`, never an end. */
export function stateMeaning(state: string): StateMeaning {
  return isPjmState(state) ? meanings[state] : 'unknown';
}

/** True when PJM will not change this job any more. */
export function isFinalState(state: string): boolean {
  return stateMeaning(state) === 'ended';
}
