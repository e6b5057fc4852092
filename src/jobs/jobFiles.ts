// The names of the files that PJM writes for a job. Source: facts of pjsub's -N -o -e -j -s --spath. Touches no file.
import { joinRemote, type RemotePath } from '../ssh/remote';
import type { JobFiles } from './job';

/** What decides the names; the paths are as written in the script, `%j` and `%n` unfilled. */
export interface OutputKind {
  readonly hasStatistics: boolean;
  readonly isJoined: boolean;
  readonly outName?: string;
  readonly errName?: string;
  readonly statisticsName?: string;
}

/** `%j` stands for the id that pjsub will give; {@link withJobId} fills it in. */
export function outputFiles(folder: RemotePath, name: string, kind: OutputKind): JobFiles {
  const stem = `${/^\d/.test(name) ? 'J' : ''}${name}.%j`;
  const at = (given: string | undefined, suffix: string): string => {
    const path = given?.replaceAll('%n', name) ?? `${stem}.${suffix}`;
    return path.startsWith('/') ? path : joinRemote(folder, path);
  };
  return {
    submitFolder: folder,
    stdout: at(kind.outName, 'out'),
    ...(!kind.isJoined && { stderr: at(kind.errName, 'err') }),
    ...(kind.hasStatistics && { statistics: at(kind.statisticsName, 'stats') }),
  };
}

export function withJobId(files: JobFiles, pjmId: string): JobFiles {
  const fill = (path: string) => path.replaceAll('%j', pjmId);
  const { stdout, stderr, statistics, ...rest } = files;
  return {
    ...rest,
    stdout: fill(stdout),
    ...(stderr !== undefined && { stderr: fill(stderr) }),
    ...(statistics !== undefined && { statistics: fill(statistics) }),
  };
}
