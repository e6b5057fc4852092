// What an administrator would have installed: the executables every shell finds first, and the variables
// it starts with. Starts nothing.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderClient, renderExecutable } from './commandClient';
import { renderModulecmd, renderModuleFunction } from './condaText';
import type { Folders } from './folders';
import { renderPjrsh } from './nodes';
import { pjmPrograms } from './pjmCommand';
import { daemonErrorCodes } from './pjmText';
import { machineMarker } from './processes';

/** Writes all executables anew; they run in `python` and lead to the socket of this start. */
export function installExecutables(folders: Folders, socketPath: string, python: string): void {
  const { bin, etc, home } = folders;
  mkdirSync(bin, { recursive: true });
  const client = join(etc, 'client.py');
  writeFileSync(client, renderClient(socketPath, daemonErrorCodes));
  const install = (name: string, text: string): void => {
    writeFileSync(join(bin, name), text, { mode: 0o755 });
  };
  for (const program of pjmPrograms) {
    install(program, renderExecutable(python, client, program));
  }
  install('pjrsh', renderPjrsh(etc));
  install('modulecmd', renderModulecmd(bin));
  install('module', `#!/bin/bash\n. '${join(etc, 'modules.bash')}'\nmodule "$@"\n`);
  install('conda', `#!/bin/bash\nexec '${join(home, 'miniconda3/bin/conda')}' "$@"\n`);
  writeFileSync(join(etc, 'modules.bash'), renderModuleFunction(bin));
}

/** What sshd would give to each command of the user. */
export function shellEnvironment(
  { bin, etc, home }: Folders,
  user: string,
  instance: string,
): Readonly<Record<string, string>> {
  return {
    HOME: home,
    USER: user,
    LOGNAME: user,
    SHELL: '/bin/bash',
    PATH: `${bin}:/usr/bin:/bin`,
    MAIL: `/var/spool/mail/${user}`,
    LANG: 'C.UTF-8',
    // Furo's clocks show Japanese time; this form needs no time zone files.
    TZ: 'JST-9',
    // Defines `module` in shells that read no start-up file, as batch scripts find it on Furo.
    BASH_ENV: join(etc, 'modules.bash'),
    [machineMarker]: instance,
  };
}

/** A Python 3 of this host: it opens terminals and watches over jobs. Throws when there is none. */
export function findPython(): string {
  for (const candidate of ['/usr/bin/python3', 'python3']) {
    try {
      const program = 'import sys; print(sys.executable)';
      return execFileSync(candidate, ['-I', '-S', '-c', program], { encoding: 'utf8' }).trim();
    } catch {
      // Not this one.
    }
  }
  throw new Error('the simulated Furo needs a Python 3 (python3) on this host');
}
