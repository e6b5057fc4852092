"""Judges what the ranks saw, and writes the page: every problem with its cure. Pure text and values, never torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ._allocation import ALONE, Allocation
from ._job import Job
from ._preflight_probe import RankReport

__all__ = ["Finding", "judge", "render", "to_json"]

GIB = 1 << 30
LEAST_FREE_BYTES = 100 << 20
LITTLE_FREE_BYTES = GIB
# Variables that lead a rank astray in silence when they do not reach it.
MUST_MATCH = ("NCCL_", "GLOO_", "HF_", "FURO_", "MASTER_ADDR", "PYTHONPATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Finding:
    """`exit_code` is of `_errors`; 0 makes it a note, which stops nothing. Ranks that have the same are in one."""

    exit_code: int
    reason: str
    what: str
    cure: str
    ranks: tuple[int, ...] = ()


def judge(given: Allocation, reports: Sequence[RankReport], job: Job | None) -> list[Finding]:
    """Problems first, in the order in which they should be cured. `reports` are those that came."""
    found: dict[tuple[int, str, str, str], list[int]] = defaultdict(list)
    for finding, ranks in _all(given, reports, job):
        found[(finding.exit_code, finding.reason, finding.what, finding.cure)] += ranks
    findings = [Finding(*words, tuple(sorted(set(ranks)))) for words, ranks in found.items()]
    return sorted(findings, key=lambda finding: finding.exit_code == 0)


Found = Iterator[tuple[Finding, list[int]]]


def _all(given: Allocation, reports: Sequence[RankReport], job: Job | None) -> Found:
    came = {report.rank for report in reports}
    for rank in sorted(set(range(given.processes)) - came):
        what = f"rank {rank} of {given.processes} never came"
        cure = (
            "Look for its message above. Where it stopped without one, its node has no Python at the path of rank 0, "
            'or does not reach rank 0: start with an absolute path, -x MASTER_ADDR and MASTER_ADDR="$(head -n 1 '
            '"$PJM_O_NODEINF")".'
        )
        yield Finding(6, "rankAbsent", what, cure), []
    yield from _placement(given, reports)
    for report in reports:
        own = [report.rank]
        for finding in (*_device(report, job), *_libraries(report), *_network(report, reports), *_files(report, job)):
            yield finding, own
    yield from _environment(reports)


def _placement(given: Allocation, reports: Sequence[RankReport]) -> Found:
    """Where the ranks are. Without slots in the machine file Open MPI fills the first node up to its 40 cores."""
    if given.processes == 1:
        return
    here: dict[str, list[int]] = defaultdict(list)
    gpus: dict[tuple[str, str], list[int]] = defaultdict(list)
    for report in reports:
        here[report.host].append(report.rank)
        if report.gpu_id is not None:
            gpus[(report.host, report.gpu_id)].append(report.rank)
    each = max(1, given.processes // len(given.nodes))
    cure = f"Give mpirun --map-by ppr:{each}:node, which puts {each} on each node."
    if len(given.nodes) > 1 and len(here) < len(given.nodes) and len(reports) == given.processes:
        what = f"{given.processes} ranks are on {_plural(len(here), 'node')}, but the job has {len(given.nodes)}"
        yield Finding(6, "nodesUnused", what, cure), [report.rank for report in reports]
    elif len({len(ranks) for ranks in here.values()}) > 1 and len(reports) == given.processes:
        counts = ", ".join(f"{len(ranks)} on {host}" for host, ranks in here.items())
        yield Finding(6, "ranksUneven", f"the nodes have different numbers of ranks ({counts})", cure), []
    for (host, _), ranks in gpus.items():
        if len(ranks) > 1:
            what = f"{len(ranks)} ranks share one GPU of {host}"
            yield Finding(6, "gpuShared", what, f"Start one rank for each GPU. {cure}"), ranks


def _device(report: RankReport, job: Job | None) -> Iterator[Finding]:
    if report.gpus and report.local_rank >= report.gpus:
        what = f"local rank {report.local_rank} has no GPU of its own: its node shows {_plural(report.gpus, 'GPU')}"
        yield Finding(6, "gpuTooFew", what, "Start as many ranks on a node as it has GPUs; on cx-share that is one.")
    if job is not None and job.device == "cuda" and report.gpus == 0 and report.kernel:
        cure = "Run it in a resource group with GPUs, with a build of torch for CUDA, or set device to auto."
        yield Finding(6, "cudaAbsent", "the job asks for CUDA, but torch finds no GPU", cure)
    elif report.gpus == 0 and report.versions.get("driver"):
        what = f"this node has an NVIDIA driver, but torch {report.versions.get('torch', '')} sees no GPU"
        yield Finding(6, "cudaUnused", what, "Install torch as environment-furo.yml says, a build for CUDA 12.4.")
    if report.capability is not None and not has_kernels(report.capability, report.kernels):
        name = f"sm_{report.capability[0]}{report.capability[1]}"
        what = f"torch {report.versions.get('torch', '')} has no code for {report.gpu} ({name})"
        cure = "Builds for CUDA 13 have none for V100. Install torch 2.6.0+cu124 as environment-furo.yml says."
        yield Finding(6, "kernelsAbsent", what, cure)
    elif report.kernel not in ("", "ok"):
        what = f"a multiplication in {report.dtype} on {report.gpu or 'the CPU'} failed: {report.kernel}"
        yield Finding(
            6, "kernelFailed", what, "Compare the driver with the CUDA version of torch, or try another node."
        )
    if report.dtype == "bfloat16" and report.capability is not None and report.capability[0] < 8:
        what = f"{report.gpu} has no bfloat16 in hardware: it is computed through float32, slowly"
        yield Finding(0, "dtypeSlow", what, "Set dtype to auto or float16.")


def has_kernels(capability: Sequence[int], kernels: Sequence[str]) -> bool:
    """Code for sm_XY runs on devices of the same X with at least Y; compute_XY (PTX) also on all later ones."""
    for name in kernels:
        kind, _, digits = name.rstrip("af").partition("_")
        if not digits.isdigit():
            continue
        major, minor = int(digits[:-1]), int(digits[-1])
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= tuple(capability):
            return True
    return not kernels


def _libraries(report: RankReport) -> Iterator[Finding]:
    if report.nccl_in_path:
        what = f"{report.nccl_in_path[0]} in LD_LIBRARY_PATH comes before the NCCL that torch brings"
        cure = "Take the nccl module out of the modules of the job (furo.job.modules, or modules in furo.yaml)."
        yield Finding(6 if report.gpus else 0, "ncclTwice", what, cure)


def _network(report: RankReport, reports: Sequence[RankReport]) -> Iterator[Finding]:
    if len({other.host for other in reports}) > 1:
        for name in ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME"):
            wanted = report.environment.get(name)
            cure = f"export {name}=ib0 and pass it on with mpirun -x {name}."
            if not wanted:
                yield Finding(6, "interfaceUnset", f"{name} is not set, so any network may be taken", cure)
            elif not interfaces_of(wanted, report.interfaces, exact=name.startswith("GLOO")):
                there = ", ".join(report.interfaces)
                yield Finding(6, "interfaceAbsent", f"{name} is {wanted}, but {report.host} has {there}", cure)
        if "NET/Socket" in report.transport and "NET/IB" not in report.transport:
            cure = "See that the node has InfiniBand (ibstat) and that NCCL_IB_DISABLE is not set."
            yield Finding(6, "transportSlow", "NCCL sends between the nodes over plain sockets (NET/Socket)", cure)
    if report.exchange not in ("", "ok"):
        what = f"the first exchange between the ranks failed: {report.exchange}"
        cure = "Cure what is said above; where there is nothing else, try other nodes."
        yield Finding(6, "exchangeFailed", what, cure)


def interfaces_of(wanted: str, present: dict[str, str], *, exact: bool) -> list[str]:
    """The interfaces that the value of *_SOCKET_IFNAME picks. NCCL takes prefixes, "=" for whole names and "^" for
    all but these (NCCL's documentation, "NCCL_SOCKET_IFNAME"); gloo takes whole names."""
    excludes = wanted.startswith("^")
    exact = exact or "=" in wanted[:2]
    names = wanted.lstrip("^=").split(",")
    picked = [one for one in present if any(one == name if exact else one.startswith(name) for name in names)]
    return [one for one in present if one not in picked] if excludes else picked


def _files(report: RankReport, job: Job | None) -> Iterator[Finding]:
    cures = {
        3: "Download it on the login node first, into a folder that all nodes see.",
        5: "Choose another output folder, or make room there.",
        6: "Create the environment from environment-furo.yml, and name it as condaEnvironment.",
    }
    for code, reason, message in report.failures:
        yield Finding(int(code), str(reason), str(message), cures.get(int(code), ""))
    if report.free_bytes is not None and report.free_bytes < LITTLE_FREE_BYTES:
        code = 5 if report.free_bytes < LEAST_FREE_BYTES else 0
        yield Finding(code, "spaceLow", f"only {report.free_bytes >> 20} MiB are free for {report.output}", cures[5])
    needed = report.model_bytes * report.local_processes
    if job is not None and job.backend == "transformers" and 0 < report.host_bytes < needed:
        what = (
            f"{report.local_processes} ranks on {report.host} would each load the whole model, {needed / GIB:.0f} GiB "
            f"together, but {report.host_bytes / GIB:.0f} GiB are free"
        )
        yield Finding(6, "hostMemoryLow", what, "Choose backend own, where each rank loads only its own layers.")


def _environment(reports: Sequence[RankReport]) -> Found:
    """What rank 0 has must have come to all: Open MPI passes only OMPI_* on by itself."""
    first = next((report for report in reports if report.rank == 0), None)
    if first is None:
        return
    for report in reports:
        own = [report.rank]
        if report.executable != first.executable:
            what = f"its Python is {report.executable}, that of rank 0 is {first.executable}"
            yield (
                Finding(2, "pythonDiffers", what, "Start with the absolute path of the Python, as rank 0 has it."),
                own,
            )
        for package in ("torch", "transformers"):
            theirs, ours = report.versions.get(package, ""), first.versions.get(package, "")
            if theirs != ours:
                cure = "Let all nodes use one environment, and pass PYTHONPATH on (mpirun -x PYTHONPATH)."
                yield Finding(2, "versionsDiffer", f"{package} is {theirs or 'absent'}, at rank 0 {ours}", cure), own
        for name in sorted({*report.environment, *first.environment}):
            theirs, ours = report.environment.get(name, ""), first.environment.get(name, "")
            if not _came(name, theirs, ours):
                what = f"{name} is {_shown(theirs)}, at rank 0 {_shown(ours)}"
                code = 2 if name.startswith(MUST_MATCH) else 0
                yield Finding(code, "environmentDiffers", what, f"Pass it on: mpirun -x {name}."), own
        if report.local_processes > 1 and not report.environment.get("OMP_NUM_THREADS"):
            what = f"OMP_NUM_THREADS is not set, so each of {report.local_processes} ranks starts a thread on each core"
            yield Finding(0, "threadsUnset", what, "export OMP_NUM_THREADS=10 and pass it on with mpirun -x."), own


def _came(name: str, theirs: str, ours: str) -> bool:
    """Whether a value is the one of rank 0. Open MPI puts folders of its own before those of a path."""
    if name.endswith("PATH"):
        return set(filter(None, ours.split(":"))) <= set(theirs.split(":"))
    return theirs == ours


def _shown(value: str) -> str:
    return "not set" if value == "" else value if len(value) <= 60 else value[:57] + "..."


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def render(given: Allocation, reports: Sequence[RankReport], findings: Sequence[Finding]) -> str:
    """The page for people."""
    by = "" if given.launcher == ALONE else f", started by {given.launcher}"
    job = "" if given.job_id is None else f", job {given.job_id}"
    hosts = len({report.host for report in reports})
    lines = [f"furo_infer check: {given.processes} process(es) on {_plural(hosts, 'node')}{by}{job}", ""]
    lines += [_rank_line(report) for report in reports]
    first = reports[0]
    versions = ", ".join(f"{name} {version}" for name, version in first.versions.items() if version)
    lines += ["", f"Python       {first.executable}", f"Versions     {versions or 'not looked at'}"]
    chosen = first.environment.get("NCCL_SOCKET_IFNAME") or first.environment.get("GLOO_SOCKET_IFNAME") or "any"
    lines.append(f"Network      interface {chosen}; {_exchange_words(reports)}")
    lines.append(f"Passed on    {' '.join(first.environment) or 'nothing'}")
    if first.model is not None:
        lines.append(f"Model        {first.model} ({first.model_bytes / GIB:.1f} GiB)")
    if first.free_bytes is not None:
        lines.append(f"Output       {first.output} ({first.free_bytes / GIB:.0f} GiB free)")
    lines += [f"Hub token    {'yes' if first.token else 'no'}", ""]
    problems = [finding for finding in findings if finding.exit_code]
    for title, chosen_findings in (("Problems", problems), ("Notes", findings[len(problems) :])):
        if chosen_findings:
            lines.append(f"{title}:")
            lines += [f"- {_ranks(finding.ranks)}{finding.what}.\n  {finding.cure}" for finding in chosen_findings]
    return "\n".join([*lines, "No problem was found." if not problems else f"{_plural(len(problems), 'problem')}."])


def _rank_line(report: RankReport) -> str:
    gpu = "CPU" if report.gpu is None else f"{report.gpu} ({report.gpu_bytes / GIB:.0f} GiB)"
    capability = "" if report.capability is None else ", sm_" + "".join(map(str, report.capability))
    kernel = f"{report.dtype} kernel ran" if report.kernel == "ok" else f"{report.dtype} kernel failed"
    ran = kernel if report.kernel else "no kernel tried"
    place = f"{report.host} {report.address}, local {report.local_rank} of {report.local_processes}"
    return f"rank {report.rank}  {place}, {gpu}{capability}, {ran}"


def _exchange_words(reports: Sequence[RankReport]) -> str:
    done = [report for report in reports if report.exchange == "ok"]
    if not any(report.exchange for report in reports):
        return "no exchange with one process" if len(reports) == 1 else "no exchange was tried"
    used = sorted({name for report in reports for name in report.transport})
    return f"first exchange: {len(done)} of {len(reports)} ranks" + (f", NCCL over {', '.join(used)}" if used else "")


def _ranks(ranks: Sequence[int]) -> str:
    """ "ranks 0-3, 6: " for 0 1 2 3 6."""
    if not ranks:
        return ""
    parts: list[list[int]] = []
    for rank in ranks:
        if parts and parts[-1][-1] == rank - 1:
            parts[-1].append(rank)
        else:
            parts.append([rank])
    shown = ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
    return f"rank{'s' if len(ranks) > 1 else ''} {shown}: "


def to_json(given: Allocation, reports: Sequence[RankReport], findings: Sequence[Finding]) -> dict[str, Any]:
    """The page for programs; version 1 of its form."""
    return {
        "version": 1,
        "allocation": asdict(given),
        "ranks": [asdict(report) for report in reports],
        "problems": [asdict(finding) for finding in findings if finding.exit_code],
        "notes": [asdict(finding) for finding in findings if not finding.exit_code],
    }
