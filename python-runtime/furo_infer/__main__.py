"""The command line, `python -m furo_infer VERB ...`: one table of verbs, each with a module of its own.

Knows exit codes and stderr; does not know how a verb works. Never imports torch.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from . import __version__, _inspect, _plan_command, _preflight, _results_commands, _run_command
from ._errors import FuroInferError

Adder = Callable[[argparse.ArgumentParser], None]
Runner = Callable[[argparse.Namespace], int]

VERBS: dict[str, tuple[str, Adder, Runner]] = {
    "plan": ("say what a job needs and where it fits", _plan_command.add_arguments, _plan_command.run),
    "inspect": ("show how a model would lie on GPUs", _inspect.add_arguments, _inspect.run),
    "check": ("say what each process sees, and what would stop a run", _preflight.add_arguments, _preflight.run),
    "run": ("run a job file", _run_command.add_arguments, _run_command.run),
    "merge": (
        "bring the shards of a run into one file in the order of the input",
        _results_commands.add_merge_arguments,
        _results_commands.run_merge,
    ),
    "retry-errors": (
        "set failed records aside, so that the next run does them again",
        _results_commands.add_retry_errors_arguments,
        _results_commands.run_retry_errors,
    ),
    "stats": ("say how a run went", _results_commands.add_stats_arguments, _results_commands.run_stats),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code. An expected failure is one line on stderr; a defect goes through with its traceback."""
    parser = argparse.ArgumentParser(prog="furo_infer", description="Batch LLM inference over a JSONL file.")
    parser.add_argument("--version", action="version", version=f"furo_infer {__version__}")
    commands = parser.add_subparsers(dest="verb", required=True)
    for name, (text, add_arguments, _) in VERBS.items():
        add_arguments(commands.add_parser(name, help=text))
    chosen = parser.parse_args(arguments)
    try:
        return VERBS[chosen.verb][2](chosen)
    except FuroInferError as error:
        print(f"furo_infer: error: {error.message}", file=sys.stderr, flush=True)
        return error.exit_code


def console() -> NoReturn:
    """`main`, and the end of the process: at once where torch is loaded. A thread of gloo may still hold the last
    tensor that it moved or wait for a peer, and Python, once it is ending, aborts the process when such a thread asks
    for it: exit code 134 after a good run."""
    code = main()
    with contextlib.suppress(OSError):  # nobody reads any more
        sys.stdout.flush()
        sys.stderr.flush()
    if "torch" in sys.modules:
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    console()
