// The program that looks at a conda environment from inside, and what it says. It needs no GPU, for login nodes have none.

/** One thing that is wrong with an environment; worded in `words/environmentText.ts`. */
export type EnvironmentProblem =
  /** detail: its own Python could not run the check. */
  | { readonly code: 'pythonBroken'; readonly detail: string }
  | { readonly code: 'packageMissing'; readonly package: string; readonly wanted: string }
  | {
      readonly code: 'packageVersion';
      readonly package: string;
      readonly wanted: string;
      readonly found: string;
    }
  /** The package is there, but Python cannot load it. */
  | { readonly code: 'importFails'; readonly package: string; readonly detail: string }
  /** torch carries no kernels for the GPUs of Furo. */
  | { readonly code: 'kernelsMissing'; readonly architecture: string; readonly found: string }
  /** What `pip check` prints. */
  | { readonly code: 'packagesDisagree'; readonly detail: string };

/** What an environment holds. */
export interface EnvironmentReport {
  readonly python: string;
  /** Version of each package of the environment file, as far as it is there. */
  readonly packages: Readonly<Record<string, string>>;
  /** CUDA version that torch was built for; absent in a CPU build. */
  readonly cuda: string | undefined;
  readonly architectures: readonly string[];
  readonly problems: readonly EnvironmentProblem[];
}

/** Compute capability of the Tesla V100, the only GPU of Furo Type II. */
export const furoArchitecture = 'sm_70';

/**
 * Python 3.6 or newer; arguments: the environment file, then the architectures that torch needs kernels for. Prints one
 * JSON object on a line that begins with `report=`, and exits 1 when there are problems. `torch.cuda.get_arch_list()`
 * is empty without a GPU, so the flags that it reads are asked for (torch 2.6, torch/cuda/__init__.py).
 */
export const checkProgram = `
import importlib, json, re, subprocess, sys
from importlib.metadata import PackageNotFoundError, version
def pins(path):
    for line in open(path, encoding="utf-8"):
        found = re.match(r"\\s+- ([A-Za-z][\\w.-]*)==([^\\s#]+)\\s*$", line)
        if found:
            yield found.group(1), found.group(2)
problems, packages = [], {}
def problem(code, **values):
    problems.append(dict(values, code=code))
def brief(error):
    return (type(error).__name__ + ": " + str(error)).splitlines()[0][:300]
for name, wanted in pins(sys.argv[1]):
    try:
        packages[name] = version(name)
    except PackageNotFoundError:
        problem("packageMissing", package=name, wanted=wanted)
        continue
    if packages[name].split("+")[0] != wanted:
        problem("packageVersion", package=name, wanted=wanted, found=packages[name])
    try:
        importlib.import_module(name)
    except BaseException as error:
        problem("importFails", package=name, detail=brief(error))
cuda, architectures = None, []
torch = sys.modules.get("torch")
if torch is not None:
    cuda = torch.version.cuda
    architectures = (getattr(torch._C, "_cuda_getArchFlags", str)() or "").split()
    for architecture in sys.argv[2:]:
        if architecture not in architectures:
            problem("kernelsMissing", architecture=architecture, found=" ".join(architectures))
pip = subprocess.run([sys.executable, "-I", "-m", "pip", "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
if pip.returncode != 0:
    problem("packagesDisagree", detail="; ".join(pip.stdout.decode("utf-8", "replace").splitlines()[:5]))
report = dict(python=sys.version.split()[0], packages=packages, cuda=cuda, architectures=architectures, problems=problems)
print("report=" + json.dumps(report))
sys.exit(1 if problems else 0)
`;

type PrintedReport = Omit<EnvironmentReport, 'cuda'> & { readonly cuda: string | null };

/** Reads what the check printed; an interpreter that cannot run it is itself the problem. */
export function parseReport(stdout: string, stderr: string): EnvironmentReport {
  const line = /^report=(\{.*\})$/m.exec(stdout)?.[1];
  if (line !== undefined)
    try {
      const { cuda, ...rest } = JSON.parse(line) as PrintedReport;
      return { ...rest, cuda: cuda ?? undefined };
    } catch {
      // Cut in the middle: as good as nothing.
    }
  const detail = stderr.trim().split('\n').at(-1) ?? '';
  const problems = [{ code: 'pythonBroken', detail } as const];
  return { python: '', packages: {}, cuda: undefined, architectures: [], problems };
}
