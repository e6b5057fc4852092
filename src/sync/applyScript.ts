// The one command that turns a staged change into the project: unpack, check, rename. Text only; runs nothing.
import { saysFull, toFileFailure } from '../ssh/sftpSession';
import { sshFailure } from '../ssh/failures';
import type { RemotePath } from '../ssh/remote';
import { decoded, scriptText } from '../ssh/remoteScript';
import { syncFailure } from './failures';
import { MANIFEST_PATH } from './manifest';
import { STAGING_FOLDER } from './remoteListing';

/**
 * Reads a tar stream. Arguments: project folder, name of the staging folder, digest of the manifest that the plan was
 * made from or `-`, `gzip` or `plain`. Answers the step that failed, or `done`, and what the machine said.
 *
 * A cut line is an end of input: then nothing was renamed yet, or everything is renamed to the end. `stale` means
 * that somebody changed the manifest or one of the files since the plan was made; nothing was done.
 */
export const APPLY = scriptText(
  'export LC_ALL=C; umask 077; trap "" HUP PIPE;',
  decoded('r', 2),
  `s=${STAGING_FOLDER}/\${3#_}; M=${MANIFEST_PATH};`,
  'z=cat; [ "$5" = _gzip ] && z="gzip -dc";',
  `k=folder; if m=$(mkdir -p "$r/${STAGING_FOLDER}" 2>&1) && m=$(cd "$r" 2>&1 && mkdir $s 2>&1); then`,
  'cd "$r"; trap "rm -rf $s" EXIT; trap "exit 1" TERM INT;',
  'k=unpack; if m=$({ $z | tar -xpof - -C $s; } 2>&1); then',
  'k=verify; if m=$({ cd $s && sha256sum -c --quiet sums; } 2>&1); then',
  'k=stale; b=-; [ -e $M ] && b=$(sha256sum <$M) && b=${b%% *};',
  'if [ "$b" = "${4#_}" ] &&',
  '[ "$(xargs -0 -r stat -c "%s %Y" -- <$s/seen 2>/dev/null)" = "$(cat $s/facts)" ] &&',
  '[ -z "$(xargs -0 -r ls -d -- <$s/absent 2>/dev/null)" ]; then',
  'k=apply; if m=$({ mv -f $s/pending $M && /bin/sh $s/moves && mv -f $s/after $M; } 2>&1); then k=done;',
  'fi; fi; fi; fi; fi; printf "%s\\0%.4000s" "$k" "$m";',
);

/** Throws the Failure that an answer stands for, `remoteBusy` for `stale`. `nameOf` tells whose part a name in the staging folder is. */
export function readAnswer(
  answer: Buffer | undefined,
  root: RemotePath,
  nameOf: (part: string) => string | undefined,
): void {
  const [step = '', said = ''] = (answer?.toString('utf8') ?? '').split('\0');
  if (step === 'done') return;
  const reasons = reasonsIn(said);
  const detail = said.trim().replaceAll('\n', '; ') || `no answer to ${step || 'the command'}`;
  if (saysFull(reasons)) throw sshFailure('diskFull', { path: root, detail });
  if (step === 'stale' || isLate(step, reasons)) throw syncFailure('remoteBusy', { path: root });
  const [, file, part] =
    /^\\?(?:f\/(.*)|\.\.\/(part-.*)): FAILED$/m.exec(step === 'verify' ? said : '') ?? [];
  const changed = file ?? (part === undefined ? undefined : nameOf(part));
  if (changed !== undefined) throw sshFailure('localFileChanged', { path: changed });
  if (/permission denied|read-only|not permitted/i.test(reasons))
    throw syncFailure('remoteNotWritable', { path: root, detail });
  if (/not a directory|non-directory|file exists/i.test(reasons))
    throw syncFailure('remoteInTheWay', { path: root, detail });
  throw toFileFailure(new Error(detail), root, 'write');
}

/** What each line says is wrong, without the names in it: any word may be part of a name. */
function reasonsIn(said: string): string {
  const withoutNames = said.replace(/[`'].*'/g, '');
  return withoutNames.replace(/^.*: (?=.)/gm, '');
}

/**
 * Another window made the same folder or took one away between our look and our renames, or it has swept or taken what
 * waited in the staging folder. What was renamed by then is in the manifest.
 */
function isLate(step: string, reasons: string): boolean {
  if (step === 'folder') return false;
  const isRenamed = /directory not empty|^target +is not a directory/im.test(reasons);
  return (step === 'apply' && isRenamed) || /no such file|can't cd to/i.test(reasons);
}

/** A line for `sha256sum -c`, in its own way of writing backslashes. */
export function sumLine(sha256: string, path: string): string {
  const escaped = path.replaceAll('\\', '\\\\');
  return `${escaped === path ? '' : '\\'}${sha256}  ${escaped}\n`;
}
