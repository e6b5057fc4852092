/**
 * What the operating system has to bring for the tests: installed as root on Debian, named elsewhere.
 * Knows packages; does not know which test needs what.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from './process.mjs';

/** Each program with its Debian package and what it is for. */
const programs = [
  { name: 'sshd', package: 'openssh-server', for: 'tests against a real OpenSSH server' },
  { name: 'ssh', package: 'openssh-client', for: 'tests with the OpenSSH client' },
  { name: 'rsync', package: 'rsync', for: 'the rsync test' },
  { name: 'csh', package: 'tcsh', for: 'the tests of quoting for a csh as login shell' },
  { name: 'mpirun', package: 'openmpi-bin', for: 'MPI jobs over two nodes' },
  { name: 'ip', package: 'iproute2', for: 'compute nodes as network namespaces' },
  { name: 'chromium', package: 'chromium', for: 'browser and workbench tests' },
  { name: 'g++', package: 'g++', for: 'building code-server' },
  { name: 'make', package: 'make', for: 'building code-server' },
  {
    name: 'venv', // which Debian packs by itself
    package: 'python3-venv',
    for: 'the Python environment of the tests',
    isThere: () =>
      !isInstalled('python3') || spawnSync('python3', ['-c', 'import ensurepip']).status === 0,
  },
].map((program) => ({ isThere: () => isInstalled(program.name), ...program }));

/** Only for the eye: no test fails or is skipped without it. */
const fonts = [
  {
    name: 'a Japanese font',
    package: 'fonts-noto-cjk',
    for: 'letters instead of boxes in the Japanese pictures of the workbench tests',
    isThere: hasJapaneseFont,
  },
];

/** Installs what is missing where that is allowed. @returns {Promise<string[]>} what is still missing, in words */
export async function setUpSystem(log) {
  // Apart, as apt installs all that it is asked for or nothing.
  for (const wanted of [programs, fonts]) {
    const packages = missingOf(wanted).map((entry) => entry.package);
    if (packages.length > 0 && (await canInstall())) await install(packages, log);
  }
  return missingOf([...programs, ...fonts]).map(
    (entry) => `${entry.name} (Debian package ${entry.package}), for ${entry.for}`,
  );
}

function missingOf(entries) {
  return entries.filter(({ isThere }) => !isThere());
}

async function install(packages, log) {
  log(`system packages: ${packages.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const words = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  try {
    await run('apt-get', ['update', '-qq'], { env });
    await run('apt-get', words, { env });
  } catch (error) {
    log(`the packages could not be installed: ${error.message}`);
  }
}

export function isInstalled(program) {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return [...folders, '/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, program)));
}

/** Windows and macOS bring one with the system. */
function hasJapaneseFont() {
  if (process.platform !== 'linux') return true;
  const { stdout } = spawnSync('fc-list', [':lang=ja', 'family'], { encoding: 'utf8' });
  return Boolean(stdout?.trim());
}

async function canInstall() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*debian/m.test(release) && isInstalled('apt-get');
}
