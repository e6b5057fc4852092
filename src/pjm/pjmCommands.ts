// The command lines sent to PJM, as words; quoting for a shell belongs to whoever sends them.
import { chosenItems, dataDelimiter } from './pjstat';

/** Reads a script from a file of the current folder; prints the acceptance or why not. */
export function pjsubWords(
  scriptName: string,
  variables: Readonly<Record<string, string>> = {},
): readonly string[] {
  // A comma in a value cannot be told from the one between two variables.
  const pairs = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return ['pjsub', ...(pairs.length > 0 ? ['-x', pairs.join(',')] : []), scriptName];
}

/** Asks about several jobs at once; `-H` asks the history of ended ones. */
export function pjstatWords(pjmIds: readonly string[], which: 'live' | 'ended'): readonly string[] {
  const form = ['-v', '--choose', chosenItems.join(','), '--data', '--delimiter', dataDelimiter];
  return ['pjstat', ...(which === 'ended' ? ['-H'] : []), ...form, ...pjmIds];
}

/** The human table, for a site whose pjstat knows no `--data`. */
export function pjstatTableWords(which: 'live' | 'ended'): readonly string[] {
  return ['pjstat', ...(which === 'ended' ? ['-H'] : []), '-v'];
}

export function pjdelWords(pjmId: string): readonly string[] {
  return ['pjdel', pjmId];
}
