// The machines that a person may mean: the names of the ssh configuration, then the usual login node. Opens nothing.
import { isSafeName } from '../ssh/endpoint';
import { listHostAliases } from '../ssh/hostAliases';

/** `typed`: whatever the person entered, when it can be a name. */
export interface HostChoice {
  readonly host: string;
  readonly origin: 'alias' | 'usual' | 'typed';
}

/** Names of the ssh configuration, once each, and the usual login node at the end. */
export async function listHostChoices(usual: string): Promise<readonly HostChoice[]> {
  const aliases = (await listHostAliases()).filter((host) => host !== usual);
  return [
    ...aliases.map((host): HostChoice => ({ host, origin: 'alias' })),
    { host: usual, origin: 'usual' },
  ];
}

/** The choices with what was typed in front, unless it is one of them or cannot be a name of a machine. */
export function withTyped(choices: readonly HostChoice[], text: string): readonly HostChoice[] {
  const host = text.trim();
  if (!isSafeName(host) || choices.some((choice) => choice.host === host)) return choices;
  return [{ host, origin: 'typed' }, ...choices];
}
