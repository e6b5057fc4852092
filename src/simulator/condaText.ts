// Texts of the simulated site's software: conda as far as jobs and the set-up of an environment use it, and Environment
// Modules in their classic form. The module list is what public Furo scripts load (pjm.md 6.6); what a module sets is a guess but for
// openmpi_cuda, whose two variables are recorded.

/**
 * `conda env create`: a virtual environment that sees the packages of the simulated machine's Python, whatever versions
 * the file asks for, because nothing is fetched here. Its words are conda's as remembered, not recorded.
 */
const createProgram = `create() {
  local prefix='' file=environment.yml
  while [ $# -gt 0 ]; do
    case $1 in
      -p | --prefix) prefix=$2; shift 2 ;;
      -n | --name) prefix="$base/envs/$2"; shift 2 ;;
      -f | --file) file=$2; shift 2 ;;
      *) echo "conda: error: unrecognized arguments: $1" >&2; return 2 ;;
    esac
  done
  if [ ! -r "$file" ]; then printf "\\nEnvironmentFileNotFound: '%s' file not found\\n\\n" "$file" >&2; return 1; fi
  : "\${prefix:=$base/envs/$(sed -n 's/^name: *//p' "$file")}"
  if [ -e "$prefix" ]; then printf '\\nCondaValueError: prefix already exists: %s\\n\\n' "$prefix" >&2; return 1; fi
  if [ -z "$python" ]; then echo 'conda: the simulated Furo was started without a Python' >&2; return 1; fi
  echo 'Preparing transaction: done'
  "$python" -m venv --without-pip "$prefix" || return
  "$python" -c 'import site; print(*site.getsitepackages(), sep="\\n")' > "$(echo "$prefix"/lib/python3*/site-packages)/simulated.pth" || return
  mkdir -p "$prefix/conda-meta" && : > "$prefix/conda-meta/history"
  echo 'Executing transaction: done'
  echo "The simulated conda installs nothing: the environment shows the packages of $python"
}
`;

/** Body of the conda executable; `$base` and `$python` are set before it. What follows `#HOOK` is what the hook prints. */
const condaProgram = `case \${1-}/\${2-} in env/create) shift 2; create "$@"; exit ;; esac
case \${1-} in
  shell.bash | shell.posix) echo "FURO_CONDA_BASE='$base'"; sed '1,/^#HOOK$/d' "$0" ;;
  --version | -V) echo 'conda 23.11.0' ;;
  info | env)
    echo '# conda environments:'
    echo '#'
    echo "base                     $base"
    for folder in "$base"/envs/*/; do
      [ -d "$folder" ] && printf '%-24s %s\\n' "$(basename "$folder")" "\${folder%/}"
    done
    echo
    ;;
  activate | deactivate)
    echo >&2
    echo "CondaError: Run 'conda init' before 'conda $1'" >&2
    echo >&2
    exit 1
    ;;
  *)
    echo "conda: only shell.bash, info, env [create], activate and deactivate exist on the simulated Furo" >&2
    exit 2
    ;;
esac
exit 0
#HOOK
export CONDA_EXE="$FURO_CONDA_BASE/bin/conda"
export CONDA_SHLVL="\${CONDA_SHLVL:-0}"
conda() {
  local base="$FURO_CONDA_BASE" name folder
  case "\${1-}" in
    activate)
      name="\${2:-base}"
      folder="$base/envs/$name"
      [ "$name" = base ] && folder="$base"
      case "$name" in */*) folder="$name" ;; esac
      if [ ! -d "$folder/bin" ]; then
        printf '\\nEnvironmentNameNotFound: Could not find conda environment: %s\\nYou can list all discoverable environments with \`conda info --envs\`.\\n\\n' "$name" >&2
        return 1
      fi
      if [ -n "\${CONDA_PREFIX-}" ]; then PATH="\${PATH#"$CONDA_PREFIX/bin:"}"; fi
      export CONDA_PREFIX="$folder" CONDA_DEFAULT_ENV="$name" CONDA_SHLVL=1
      export PATH="$folder/bin:$PATH"
      hash -r
      ;;
    deactivate)
      if [ -n "\${CONDA_PREFIX-}" ]; then PATH="\${PATH#"$CONDA_PREFIX/bin:"}"; fi
      unset CONDA_PREFIX CONDA_DEFAULT_ENV
      CONDA_SHLVL=0
      hash -r
      ;;
    *) "$CONDA_EXE" "$@" ;;
  esac
}
`;

/** `~/miniconda3/bin/conda`: only what batch scripts and the set-up of an environment use of conda. */
export function renderConda(base: string, python: string | undefined): string {
  const title = '# conda of the simulated Furo: shell hook, list of environments, and new ones.';
  const values = [`base='${base}'`, `python='${python ?? ''}'`];
  return ['#!/bin/bash', title, ...values, createProgram + condaProgram].join('\n');
}

const modules: readonly string[] = [
  'cuda/10.2.89_440.33.01',
  'cuda/11.4.2',
  'cuda/11.6.2',
  'cuda/12.1.1',
  'cuda/12.4.1',
  'cudnn/8.2.1',
  'gcc/8.4.0',
  'gcc/10.3.0',
  'gcc/11.3.0',
  'hpc_sdk/23.1',
  'jupyterlab/3.0.9',
  'nccl/2.7.3',
  'nccl/2.12.7',
  'nccl/2.19.3',
  'oneapi/2023.2',
  'openmpi/4.1.5',
  'openmpi_cuda/4.0.5',
  'openmpi_cuda/4.1.2',
  'python/3.9.2',
  'singularity',
];

/** The bash function that `/etc/profile.d/modules.sh` defines; as with the classic command its status is 0. */
export function renderModuleFunction(bin: string): string {
  return `module() { eval "$('${bin}/modulecmd' bash "$@")"; }\n`;
}

/** Body of modulecmd; `$known` (names, one a line) and `$bin` are set before it. */
const modulecmdProgram = `shift
command=\${1-}
shift
IFS=: read -ra loaded <<< "\${LOADEDMODULES-}"
status=0
export_loaded() {
  local joined
  joined=$(IFS=:; echo "\${loaded[*]}")
  if [[ -n $joined ]]; then echo "LOADEDMODULES=$joined ;export LOADEDMODULES;"; else echo 'unset LOADEDMODULES;'; fi
}
load() {
  local name=$1 found
  found=$(grep -xF -- "$name" <<< "$known") || found=$(grep -E -- "^$name/" <<< "$known" | tail -n 1)
  if [[ -z $found ]]; then
    echo "ModuleCmd_Load.c(213):ERROR:105: Unable to locate a modulefile for '$name'" >&2
    status=1
    return
  fi
  for other in "\${loaded[@]}"; do [[ $other == "$found" ]] && return; done
  loaded+=("$found")
  case $found in
    openmpi_cuda/*) echo "OMPI_MCA_plm_rsh_agent='$bin/pjrsh' ;export OMPI_MCA_plm_rsh_agent; OMPI_MCA_btl='^openib,uct' ;export OMPI_MCA_btl;" ;;
  esac
}
unload() {
  local kept=() other
  for other in "\${loaded[@]}"; do
    if [[ $other == "$1" || $other == "$1"/* ]]; then
      case $other in openmpi_cuda/*) echo 'unset OMPI_MCA_plm_rsh_agent OMPI_MCA_btl;' ;; esac
    else
      kept+=("$other")
    fi
  done
  loaded=("\${kept[@]}")
}
case $command in
  load | add) for name; do load "$name"; done; export_loaded ;;
  unload | rm | remove) for name; do unload "$name"; done; export_loaded ;;
  switch | swap) unload "$1"; load "\${2-$1}"; export_loaded ;;
  purge) for name in "\${loaded[@]}"; do unload "$name"; done; export_loaded ;;
  list)
    if ((\${#loaded[@]} == 0)); then
      echo 'No Modulefiles Currently Loaded.' >&2
    else
      echo 'Currently Loaded Modulefiles:' >&2
      number=1
      for name in "\${loaded[@]}"; do printf '  %d) %s\\n' $((number++)) "$name" >&2; done
    fi
    ;;
  avail | av)
    echo '----------------------------- /usr/share/Modules/modulefiles -----------------------------' >&2
    grep -- "^\${1-}" <<< "$known" >&2
    ;;
  *)
    echo "ModuleCmd.c(0):ERROR:99: '$command' is not known to the simulated modulecmd" >&2
    status=1
    ;;
esac
exit $status
`;

/** `modulecmd bash COMMAND...`: prints shell code on standard output and talks on standard error. */
export function renderModulecmd(bin: string): string {
  const title =
    '# modulecmd of the simulated Furo; the classic one lists and complains on standard error.';
  const values = [`known='${modules.join('\n')}'`, `bin='${bin}'`];
  return ['#!/bin/bash', title, ...values, modulecmdProgram].join('\n');
}
