// The shell text that makes and clears the snapshots of runs on the machine. Text only: knows no connection and no job.
//
// One process handles all files of one kind, because a fork for each of 2,000 files takes seconds. Lists travel in the
// script itself, one path a line with `./` before it, a line end inside a name written as the byte 1; `xargs -0` gets
// them back as they were. Needs GNU coreutils as of CentOS 7 (no `sha256sum -z`).
import type { RemotePath } from '../ssh/remote';
import { shellQuote as quote } from '../ssh/shellQuote';

/** Exit codes of the scripts. */
export const snapshotCodes = { cannotWrite: 73, changed: 74 } as const;

/** Lies in a snapshot: one line for each file and link that we put there. Its time is when the snapshot was whole. */
export const sealName = '.furo-snapshot';

export interface ListedFile {
  /** Below the project folder. */
  readonly path: string;
  /** Undefined for a file whose content on the machine counts, whatever it is. */
  readonly sha256: string | undefined;
  readonly isExecutable: boolean;
}

export interface SnapshotLists {
  /** Copied for this run alone. */
  readonly small: readonly ListedFile[];
  /** Linked from the store. */
  readonly large: readonly (ListedFile & { readonly sha256: string })[];
  /** All folders that hold such files, '' among them. */
  readonly folders: readonly string[];
}

export interface SnapshotPlaces {
  readonly project: RemotePath;
  readonly store: RemotePath;
  readonly run: RemotePath;
}

/** Prints the SHA-256 of the seal. Run again with the same lists it finds what is there and prints the same. */
export function makeScript(
  { project, store, run }: SnapshotPlaces,
  lists: SnapshotLists,
  { token, canLink }: { token: string; canLink: boolean },
): string {
  const { small, large, folders } = lists;
  const exact = small.filter(({ sha256 }) => sha256 !== undefined);
  const edited = small.filter(({ sha256 }) => sha256 === undefined);
  const names = [...exact, ...edited].map(({ path }) => listed(path));
  const hashes = exact.map(({ sha256 }) => sha256 ?? '');
  const objects = large.map(
    ({ path, sha256, isExecutable }) => `${sha256}${isExecutable ? 'x' : ''} ${listed(path)}`,
  );
  return `umask 077
LC_ALL=C; export LC_ALL
project=${quote(project)} store=${quote(store)} run=${quote(run)} can_link=${canLink ? 'yes' : 'no'}
src=$run/src work=$run/.new-${token}
give_up() {
  if [ -f "$src/${sealName}" ]; then sha256sum < "$src/${sealName}" | cut -c1-64; exit 0; fi
  exit "$1"
}
[ -f "$src/${sealName}" ] && give_up 0
mkdir -p "$store" "$work/src" || give_up ${String(snapshotCodes.cannotWrite)}
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM PIPE
${heredoc('small', names, token)}${heredoc('hashes', hashes, token)}${heredoc('large', objects, token)}${heredoc(
    'folders',
    folders.map((folder) => (folder === '' ? '.' : listed(folder))),
    token,
  )}${makeSteps}`;
}

/**
 * Everything is built aside and gets its name by one rename, so that a snapshot is whole or not there. Whoever comes first
 * also removes what killed attempts have left; one that is still at it then finds the finished snapshot.
 */
const makeSteps = `changed() { printf %s "$1" >&2; give_up ${String(snapshotCodes.changed)}; }
refused() { changed "$(printf '%s\\n' "$1" | head -n 1)"; }
zero() { tr '\\n\\001' '\\000\\n' < "$1"; }

cd "$project" || give_up ${String(snapshotCodes.cannotWrite)}
# The words of cp go into a variable: on a full disk a file could not take them.
error=$(zero "$work/small" | xargs -0 -r cp --parents -t "$work/src" -- 2>&1) || refused "$error"
cd "$work/src" || give_up ${String(snapshotCodes.cannotWrite)}
zero ../small | xargs -0 -r sha256sum | sed 's/^\\\\//' | cut -c1-64 > ../got
[ "$(wc -l < ../got)" -eq "$(wc -l < ../small)" ] || changed ''
head -n "$(wc -l < ../hashes)" ../got | cmp -s - ../hashes ||
  changed "$(paste -d ' ' ../hashes ../got ../small | sed -n '/^\\([0-9a-f]*\\) \\1 /!{s/^[0-9a-f]* [0-9a-f]* //p;q;}')"

put_object() {
  mkdir -p "\${object%/*}"
  error=$(cp -- "$project/$path" ../object 2>&1) || refused "$error"
  [ "$(sha256sum < ../object | cut -c1-64)" = "\${key%x}" ] || changed "$path"
  case $key in *x) chmod 500 ../object ;; *) chmod 400 ../object ;; esac
  rm -f "$object.ok"
  mv -f ../object "$object" && : > "$object.ok"
}
while IFS= read -r line; do
  key=\${line%% *} path=\${line#* }
  object=$store/\${key%"\${key#??}"}/\${key#??}
  if [ ! -f "$object" ] || [ ! -f "$object.ok" ] || [ "$object" -nt "$object.ok" ]; then put_object; fi
  mkdir -p "\${path%/*}"
  [ "$can_link" = yes ] && ln "$object" "$path" 2> /dev/null && continue
  error=$(cp -- "$object" "$path" 2>&1) || refused "$error"
done < ../large

cd "$project" || give_up ${String(snapshotCodes.cannotWrite)}
{ cat "$work/small" "$work/folders"; sed 's/^[^ ]* //' "$work/large"; } | sort > "$work/known"
zero "$work/folders" | xargs -0 sh -c 'exec find -H "$@" -mindepth 1 -maxdepth 1 -print0' sh 2> /dev/null |
  tr '\\n\\000' '\\001\\n' | sort | comm -23 - "$work/known" |
  grep -v "^\\./\\.furo\\$\\|/\\.furo-tmp-[^/]*\\$\\|$(printf '\\001')" > "$work/beside"
[ $? -lt 2 ] || give_up ${String(snapshotCodes.cannotWrite)}
link_in() {
  in=$1; shift
  [ $# -eq 0 ] || ln -s -- "$@" "$work/src/$in/" || give_up ${String(snapshotCodes.cannotWrite)}
}
folder=.
set --
while IFS= read -r entry; do
  if [ "\${entry%/*}" != "$folder" ] || [ $# -ge 200 ]; then link_in "$folder" "$@"; set --; folder=\${entry%/*}; fi
  set -- "$@" "$project/\${entry#./}"
done < "$work/beside"
link_in "$folder" "$@"

cd "$work" || give_up ${String(snapshotCodes.cannotWrite)}
{ paste -d ' ' got small && sed 's/^\\([0-9a-f]*\\)x* /\\1 /' large && sed 's/^/link /' beside; } > src/${sealName} || give_up ${String(snapshotCodes.cannotWrite)}
mv -T src "$src" 2> /dev/null && rm -rf "$run"/.new-* 2> /dev/null
give_up ${String(snapshotCodes.cannotWrite)}
`;

/**
 * Clears the snapshots of runs: what the seal lists, is still of that kind and was not touched since. What a job wrote,
 * replaced or changed stays. `find` enters no link, so a list that a job has tampered with, or a folder that it has made
 * into a link, leads nowhere else. Objects of the store that no run has used for so long go as well.
 */
export function clearScript(
  store: RemotePath,
  runs: readonly RemotePath[],
  idleMinutes: number,
): string {
  return `LC_ALL=C; export LC_ALL
clear_run() {
  cd "$1" 2> /dev/null || return
  rm -rf .new-*
  cd src 2> /dev/null || return
  [ -f ${sealName} ] && [ ! -L ${sealName} ] || return
  sed 's/^[^ ]* //' ${sealName} | sort > ../.listed
  find . \\( -type f -o -type l \\) ! -newer ${sealName} -print0 | tr '\\n\\000' '\\001\\n' | sort |
    comm -12 - ../.listed | tr '\\n\\001' '\\000\\n' | xargs -0 -r rm -f --
  rm -f ${sealName} ../.listed
  find . -mindepth 1 -depth -type d -empty -delete
  cd .. && rmdir src 2> /dev/null
  cd .. && rmdir "$1" 2> /dev/null
}
${runs.map((run) => `( clear_run ${quote(run)} )`).join('\n')}
store=${quote(store)}
[ ! -d "$store" ] || find "$store" -type f -links 1 ! -name '*.ok' -cmin +${String(idleMinutes)} -print0 |
  xargs -0 -r sh -c 'for object; do rm -f "$object" "$object.ok"; done' sh
exit 0
`;
}

function listed(path: string): string {
  return `./${path.replaceAll('\n', '\u0001')}`;
}

function heredoc(name: string, lines: readonly string[], token: string): string {
  const text = lines.map((line) => `${line}\n`).join('');
  const orGiveUp = `|| give_up ${String(snapshotCodes.cannotWrite)}`;
  // A list cut short by a full disk would pass for a smaller project.
  return `cat > "$work/${name}" <<'END-${token}' ${orGiveUp}\n${text}END-${token}\n`;
}
