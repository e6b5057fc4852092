/**
 * What the operating system has to bring for the tests: installed as root on Debian, named elsewhere.
 * Knows packages; does not know which test needs what.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from './process.mjs';

/** Each program with its Debian package and what is tested with it. */
const needed = [
  { program: 'sshd', package: 'openssh-server', for: 'tests against a real OpenSSH server' },
  { program: 'ssh', package: 'openssh-client', for: 'tests with the OpenSSH client' },
  { program: 'rsync', package: 'rsync', for: 'the rsync test' },
  { program: 'csh', package: 'tcsh', for: 'the tests of quoting for a csh as login shell' },
  { program: 'mpirun', package: 'openmpi-bin', for: 'MPI jobs over two nodes' },
  { program: 'ip', package: 'iproute2', for: 'compute nodes as network namespaces' },
  { program: 'chromium', package: 'chromium', for: 'browser and workbench tests' },
  { program: 'g++', package: 'g++', for: 'building code-server' },
  { program: 'make', package: 'make', for: 'building code-server' },
];

/** Installs what is missing where that is allowed. @returns {Promise<string[]>} what is still missing, in words */
export async function setUpSystem(log) {
  let missing = needed.filter(({ program }) => !isInstalled(program));
  if (missing.length > 0 && (await canInstall())) {
    const packages = missing.map((entry) => entry.package);
    log(`system packages: ${packages.join(' ')}`);
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    try {
      await run('apt-get', ['update', '-qq'], { env });
      await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
        env,
      });
    } catch (error) {
      log(`the packages could not be installed: ${error.message}`);
    }
    missing = needed.filter(({ program }) => !isInstalled(program));
  }
  return missing.map((entry) => `${entry.program} (Debian package ${entry.package}): ${entry.for}`);
}

export function isInstalled(program) {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return [...folders, '/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, program)));
}

async function canInstall() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*debian/m.test(release) && isInstalled('apt-get');
}
