// Fills the simulated machine's folders: the user's home, the work area, the model cache. Starts nothing.
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { renderConda } from './condaText';
import type { Folders } from './folders';

export interface HomeOptions {
  readonly folders: Folders;
  /** Python of the environment that `conda activate furo` gives. */
  readonly python: string | undefined;
  /** Hub name, for example `Qwen/Qwen3-8B`, to a local model folder. */
  readonly models: Readonly<Record<string, string>>;
  /** Public keys that may log in. */
  readonly authorizedKeys: string;
}

/** Name of the conda environment that is there from the start. */
const environmentName = 'furo';

/** Makes what is missing and renews what the simulator owns; the user's own files stay as they are. */
export function furnishHome(options: HomeOptions): void {
  const { folders, python } = options;
  const { home, work, bin, etc, local, spool, state } = folders;
  for (const folder of [home, work, bin, etc, local, spool, state, ...folders.visible]) {
    mkdirSync(folder, { recursive: true });
  }
  const ssh = join(home, '.ssh');
  mkdirSync(ssh, { recursive: true, mode: 0o700 });
  keepFile(join(ssh, 'authorized_keys'), options.authorizedKeys, 0o600);
  keepFile(join(home, '.bash_profile'), renderProfile(folders), 0o644);
  keepFile(join(home, '.bashrc'), renderRc(folders), 0o644);
  furnishConda(folders, python);
  for (const [name, folder] of Object.entries(options.models)) linkModel(home, name, folder);
}

function furnishConda({ root, home }: Folders, python: string | undefined): void {
  const base = join(home, 'miniconda3');
  mkdirSync(join(base, 'bin'), { recursive: true });
  mkdirSync(join(base, 'envs'), { recursive: true });
  const environment = join(base, 'envs', environmentName);
  // One that the user made in the meantime, in a folder or behind a link into this machine, stays.
  if (!isOfUser(environment, root)) {
    rmSync(environment, { force: true });
    if (python !== undefined) symlinkSync(dirname(dirname(python)), environment);
  }
  writeFileSync(join(base, 'bin', 'conda'), renderConda(base, python), { mode: 0o755 });
}

function isOfUser(environment: string, root: string): boolean {
  const entry = lstatSync(environment, { throwIfNoEntry: false });
  if (!entry?.isSymbolicLink()) return entry !== undefined;
  const made = join(root, 'data') + sep;
  return readlinkSync(environment).startsWith(made) && existsSync(environment);
}

/** Links a model folder into the home as a snapshot of the hub's cache (huggingface_hub, "manage your cache"). */
function linkModel(home: string, name: string, folder: string): void {
  const cache = join(home, '.cache', 'huggingface', 'hub', `models--${name.replaceAll('/', '--')}`);
  // A revision is a git commit; one that follows from the path stays the same between starts.
  const revision = createHash('sha1').update(folder).digest('hex');
  mkdirSync(join(cache, 'refs'), { recursive: true });
  mkdirSync(join(cache, 'snapshots'), { recursive: true });
  writeFileSync(join(cache, 'refs', 'main'), revision);
  const snapshot = join(cache, 'snapshots', revision);
  if (lstatSync(snapshot, { throwIfNoEntry: false }) === undefined) symlinkSync(folder, snapshot);
}

function renderProfile({ bin }: Folders): string {
  return `# Debian's /etc/profile sets PATH anew; the site's commands come first again.
export PATH="${bin}:/usr/bin:/bin"
[ -r ~/.bashrc ] && . ~/.bashrc
`;
}

function renderRc({ etc }: Folders): string {
  return `. "${join(etc, 'modules.bash')}"
[ -n "$PJM_JOBID" ] && PS1='[$USER@\\h \\W]\\$ ' || PS1='[$USER@flow-cx02 \\W]\\$ '
`;
}

function keepFile(path: string, text: string, mode: number): void {
  if (!existsSync(path)) writeFileSync(path, text, { mode });
}
