// The host names that a person has given in the ssh configuration, for a picker. Decides nothing about a connection.
import {
  defaultConfigFiles,
  readConfigFiles,
  type ConfigFiles,
  type ConfigLine,
} from './configFile';
import { isSafeName } from './endpoint';

/**
 * Every concrete name of a `Host` line, `Include` followed, in the order of the files; patterns, negated names and names
 * that could not be connected to are left out. Reads the files of the account, as ssh does, whatever `HOME` says. A
 * configuration that cannot be read gives an empty list: a picker is no place to complain about it.
 */
export async function listHostAliases(
  files: ConfigFiles = defaultConfigFiles(),
): Promise<string[]> {
  try {
    const read = await readConfigFiles(files);
    return [...new Set(read.flatMap(namesIn))];
  } catch {
    return [];
  }
}

function namesIn(lines: readonly ConfigLine[]): string[] {
  return lines.flatMap(({ keyword, args = [], included }) => [
    ...(keyword === 'host' ? args.filter((name) => isConcrete(name, args)) : []),
    ...included.flatMap(namesIn),
  ]);
}

function isConcrete(name: string, all: readonly string[]): boolean {
  return isSafeName(name) && !all.includes(`!${name}`);
}
