// The host's disk as the PJM commands use it. Knows no commands.
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isWritable } from './confinement';
import type { Faults } from './faults';
import type { CommandFiles } from './pjmCommand';

/** Real files, with a disk that is full on demand. */
export class HostFiles implements CommandFiles {
  constructor(readonly faults: Faults) {}

  read(path: string): string | undefined {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  }

  write(path: string, text: string, mode: number): boolean {
    if (this.faults.settings.isDiskFull) return false;
    try {
      writeFileSync(path, text, { mode });
      return true;
    } catch {
      return false;
    }
  }

  isFolder(path: string): boolean {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  }

  isWritable(folder: string): boolean {
    return isWritable(folder);
  }

  remove(path: string): void {
    rmSync(path, { force: true });
  }
}
