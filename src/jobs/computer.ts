// Which computer this is: a random name in one file of the user, for editor and command line alike.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../base/log';

/** Where settings and state live that belong to no editor: `$FURO_CONFIG`, else the place of the operating system. */
export function configFolder(): string {
  const base = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  return process.env['FURO_CONFIG'] ?? join(base, 'furo-workflows');
}

/**
 * The name that `folder` keeps, made at first use. A host name would not do: on macOS it follows the network. It serves
 * where nothing can be kept.
 */
export function computerName(folder: string, log: Logger): string {
  const file = join(folder, 'computer-id');
  const kept = readName(file);
  if (kept !== undefined) return kept;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Another window may be first; what a full disk left half is written anew.
    const flag = existsSync(file) ? 'w' : 'wx';
    writeFileSync(file, `${randomUUID()}\n`, { mode: 0o600, flag });
  } catch (error) {
    log.warn(`the name of this computer was not written: ${String(error)}`);
  }
  return readName(file) ?? hostname();
}

function readName(file: string): string | undefined {
  try {
    return /^[0-9a-f-]{36}$/m.exec(readFileSync(file, 'utf8'))?.[0];
  } catch {
    return undefined;
  }
}
