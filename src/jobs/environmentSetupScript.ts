// The shell text of an environment set-up: what is asked of the login node, and the program that works there alone.
// POSIX sh with the tools of CentOS 7 (GNU coreutils, util-linux). Never tried on the real Furo.
import { joinRemote, type RemotePath } from '../ssh/remote';
import { shellQuote as quote } from '../ssh/shellQuote';

/** Where one set-up works. Everything lies in a folder of ours, so it may be removed again. */
export interface SetupPlaces {
  /** `<remote folder>/.furo/environments` */
  readonly all: RemotePath;
  /** Folder of this set-up. */
  readonly run: RemotePath;
  /** Link to the folder of the set-up that runs or ran last; making it is the lock. */
  readonly current: RemotePath;
}

export function setupPlaces(remoteFolder: RemotePath, name: string, stamp: string): SetupPlaces {
  const all = joinRemote(remoteFolder, '.furo', 'environments');
  return {
    all,
    run: joinRemote(all, `${name}-${stamp}`),
    current: joinRemote(all, `${name}.current`),
  };
}

/** Seconds after which a set-up that gave no sign of life on another login node counts as dead. */
const silenceSeconds = 120;

/** Shell functions of the scripts below: where the environment is, and whether a set-up still works. */
function functions(name: string): string {
  return `conda="$HOME/miniconda3/bin/conda"
link="$HOME/miniconda3/envs/"${quote(name)}
# A conda that the site installed cannot be written to; then conda itself looks in the home, too.
[ -e "$link" ] || [ -L "$link" ] || [ -w "$HOME/miniconda3/envs" ] ||
  { [ ! -e "$HOME/miniconda3/envs" ] && [ -w "$HOME/miniconda3" ]; } || link="$HOME/.conda/envs/"${quote(name)}
lives() {
  [ -d "$1" ] && [ ! -e "$1/result" ] && [ -e "$1/alive" ] || return 1
  read -r host pid < "$1/owner" 2>/dev/null || return 1
  if [ "$host" = "$(hostname)" ]; then kill -0 "$pid" 2>/dev/null; return; fi
  [ $(($(date +%s) - $(stat -c %Y "$1/alive"))) -lt ${String(silenceSeconds)} ]
}
`;
}

/** Tells in lines `key=value` what is there: conda, the environment, a set-up that runs or was cut off. */
export function lookScript(name: string, places: SetupPlaces): string {
  return `${functions(name)}
if [ -x "$conda" ]; then echo "conda=$conda"; else
  for other in "$CONDA_EXE" "$HOME/miniforge3/bin/conda" "$HOME/anaconda3/bin/conda" "$(command -v conda)" /opt/conda/bin/conda; do
    if [ -x "$other" ]; then echo "elsewhere=$(dirname "$(dirname "$(readlink -f "$other")")")"; break; fi
  done
fi
echo "link=$link"
if [ -L "$link" ]; then echo "target=$(readlink -f "$link")"; elif [ -d "$link" ]; then echo folder=yes; fi
current=$(readlink ${quote(places.current)})
if [ -n "$current" ]; then
  if lives "$current"; then echo "running=$current"
  elif [ -d "$current" ] && [ ! -e "$current/result" ]; then echo "interrupted=$current"; fi
fi
echo "freeKiB=$(df -Pk ${quote(nearest(places))} 2>/dev/null | awk 'NR == 2 { print $4 }')"
`;
}

/** The remote folder itself: the folder of the set-ups may not be there yet. */
function nearest({ all }: SetupPlaces): string {
  return all.replace(/\/\.furo\/environments$/, '') || '/';
}

/** Runs the check inside the environment; its program and file were sent to the run folder. */
export function checkScript(
  name: string,
  run: RemotePath,
  architectures: readonly string[],
): string {
  return `${functions(name)}
PYTHONNOUSERSITE=1 exec "$link/bin/python" -I ${checkWords(run, architectures)} < /dev/null
`;
}

function checkWords(run: RemotePath, architectures: readonly string[]): string {
  const words = [joinRemote(run, 'check.py'), joinRemote(run, 'environment.yml'), ...architectures];
  return words.map(quote).join(' ');
}

/** Exit status of {@link startScript} when somebody else began at the same moment. */
export const startedElsewhere = 75;

/** Starts the worker so that it outlives the connection, or prints `running=` of the one that works already. */
export function startScript(name: string, { run, current }: SetupPlaces): string {
  return `${functions(name)}
if ! ln -s ${quote(run)} ${quote(current)} 2>/dev/null; then
  if lives "$(readlink ${quote(current)})"; then echo "running=$(readlink ${quote(current)})"; exit 0; fi
  rm -f ${quote(current)}
  ln -s ${quote(run)} ${quote(current)} || exit ${String(startedElsewhere)}
fi
cd ${quote(run)} || exit 73
: > alive
setsid sh ./set-up.sh > log 2>&1 < /dev/null &
echo "$(hostname) $!" > owner.start && mv owner.start owner
echo "running="${quote(run)}
`;
}

/** Set-ups of this environment that are neither this one nor in use. The stamp keeps those of `furo-x` apart from `furo`. */
function removeEarlier(prefix: string, run: RemotePath): string {
  return `inUse=$(readlink -f "$link")
for old in ${quote(prefix)}-${'[0-9a-f]'.repeat(8)}; do
  [ "$old" = ${quote(run)} ] || [ ! -e "$old/set-up.sh" ] && continue
  [ "$(readlink -f "$old/env")" = "$inUse" ] || rm -rf -- "$old"
done`;
}

/**
 * The worker: creates the environment beside the old one, checks it, and only then puts it in the old one's place. The
 * environment is used through a link, because conda writes its own path into what it installs. Earlier set-ups of ours
 * that no environment points to are removed first, so a cut one costs no room. `result` comes last.
 */
export function workerScript(
  name: string,
  { all, run }: SetupPlaces,
  architectures: readonly string[],
): string {
  return `${functions(name)}
cd ${quote(run)} || exit 73
echo "$(hostname) $$" > owner.new && mv owner.new owner # who asks at this moment must read one of them
finish() {
  rm -rf tmp
  [ "$1" = done ] || rm -rf env
  echo "$1" > result.new
  mv result.new result
  exit
}
# A sign of life each second; the file \`stop\` ends everything that this program started, on whatever login node it is.
( trap '' TERM
  while [ ! -e result ]; do
    : > alive
    if [ -e stop ]; then
      kill -TERM -- -$$
      sleep 2
      rm -rf env tmp
      echo stopped > result
      kill -KILL -- -$$
    fi
    sleep 1
  done ) &
mkdir -p tmp ${quote(joinRemote(all, 'packages'))} "$(dirname "$link")" || finish create
export TMPDIR="$PWD/tmp" CONDA_PKGS_DIRS=${quote(joinRemote(all, 'packages'))}
export PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONNOUSERSITE=1
echo create > step
${removeEarlier(joinRemote(all, name), run)}
"$conda" env create -p "$PWD/env" -f environment.yml || finish create
echo check > step
env/bin/python -I ${checkWords(run, architectures)} > check.out 2> check.err || finish check
echo switch > step
if [ -d "$link" ] && [ ! -L "$link" ]; then
  aside="$link-before-$(date +%Y%m%d-%H%M%S)"
  mv "$link" "$aside" || finish switch
  echo "$aside" > aside
fi
rm -f "$link.new"
ln -s "$PWD/env" "$link.new" && mv -T "$link.new" "$link" || finish switch
rm -rf ${quote(joinRemote(all, 'packages'))}
finish done
`;
}

/** Tells in lines `key=value` how a set-up stands. */
export function progressScript(name: string, run: RemotePath): string {
  return `${functions(name)}
if lives ${quote(run)}; then echo lives=yes; fi
cd ${quote(run)} || exit 0
for key in step result aside; do [ -r "$key" ] && echo "$key=$(cat "$key")"; done
exit 0
`;
}
