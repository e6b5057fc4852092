// Where everything of one simulated Furo lies on disk. Only names; makes nothing.
import { join } from 'node:path';

export interface Folders {
  /** The whole simulated machine. */
  readonly root: string;
  /** Home of the simulated user. */
  readonly home: string;
  /** `/data/group1/<user>` of Furo: the work area that the client is told to use. */
  readonly work: string;
  /** What SFTP may touch. */
  readonly visible: readonly string[];
  /** The executables that every shell finds first. */
  readonly bin: string;
  readonly etc: string;
  /** Parent of the jobs' own folders on the node's disk (`PJM_LOCALDIR`). */
  readonly local: string;
  /** Node lists of running jobs. */
  readonly spool: string;
  readonly keys: string;
  readonly state: string;
}

export function foldersOf(root: string, user: string): Folders {
  const shared = ['home', 'data', 'beegfs'].map((name) => join(root, name));
  return {
    root,
    home: join(root, 'home', user),
    work: join(root, 'data', 'group1', user),
    visible: shared,
    bin: join(root, 'bin'),
    etc: join(root, 'etc'),
    local: join(root, 'local'),
    spool: join(root, 'spool'),
    keys: join(root, 'keys'),
    state: join(root, 'state'),
  };
}
