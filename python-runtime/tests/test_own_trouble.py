"""What goes wrong in a replica of several processes: memory that is too small, and numbers that overflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import make_model
from rendezvous import RendezvousLinks, Replica
from safetensors.torch import load_file, save_file
from test_own import many, record
from test_own_families import answers_of

from furo_infer._errors import DeviceError
from furo_infer._job import Job
from furo_infer._records import Record
from furo_infer._results import Answer
from furo_infer.engines._commands import Command
from furo_infer.engines._leader import REDONE
from furo_infer.engines._links import Alone
from furo_infer.engines._slab import SlabCache
from furo_infer.engines._tokens import Tokens
from furo_infer.engines._worker import Worker

Lead = Callable[[Command, "torch.Tensor | None"], "torch.Tensor | None"]
LAYOUTS = [(1, 1), (2, 1), (1, 2), (2, 2)]


def run(
    model: Path,
    layout: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    trouble: tuple[tuple[int, int], int] | None = None,
    long: Record | None = None,
    at: int = 0,
    steps: list[int] | None = None,
) -> dict[str, Answer]:
    """A replica of (stages, parts) over the small model of two layers. `trouble`: the (stage, part) that has memory
    for so many cells (rows x columns) of its cache. `long` stands in the place of record `at`. `steps` gets the rows
    of each step of the leader."""
    stages, parts = layout
    tokens = Tokens(Job(str(model), Path("i"), Path("o")))
    records = many(9, max_new_tokens=40, temperature=1.0)
    if long is not None:
        records[at] = long

    def alter(worker: Worker) -> None:
        place = worker._links.place
        if trouble is not None and (place.stage, place.part) == trouble[0]:
            worker._caches = SmallCaches(worker, trouble[1])
        if steps is not None and place.leads:
            worker.lead = counted(worker.lead, steps)  # type: ignore[method-assign]

    def body(links: RendezvousLinks | Alone) -> dict[str, Answer] | None:
        return answers_of(links, model, tokens, records, stages, (0, 1)[:stages], dtype, alter)

    told = body(Alone()) if stages * parts == 1 else Replica(stages, parts).run(body)[0]
    assert told is not None
    return told


class SmallCaches(dict[tuple[int, bool], SlabCache]):
    """The caches of a worker, none of which may have more than `cells`."""

    def __init__(self, worker: Worker, cells: int) -> None:
        super().__init__()
        self._cells = cells

    def __setitem__(self, key: tuple[int, bool], cache: SlabCache) -> None:
        whole = cache.resize

        def resize(rows: int, columns: int, kept: int) -> None:
            if rows * columns > self._cells:
                # Half of the layers have got their new size by then.
                shapes, cache._shapes = cache._shapes, cache._shapes[:1]
                whole(rows, columns, kept)
                cache._shapes, cache.rows, cache.columns = shapes, 0, 0
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            whole(rows, columns, kept)

        cache.resize = resize  # type: ignore[method-assign]
        super().__setitem__(key, cache)


def counted(lead: Lead, steps: list[int]) -> Lead:
    def led(command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
        steps.append(len(command.places))
        return lead(command, tokens)

    return led


def texts(told: dict[str, Answer]) -> dict[str, str | None]:
    return {name: answer.text for name, answer in told.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_cache_that_does_not_fit_is_made_smaller_and_nothing_is_lost(
    endless_model: Path, layout: tuple[int, int]
) -> None:
    expected = run(endless_model, layout)
    last = (layout[0] - 1, layout[1] - 1)
    told = run(endless_model, layout, trouble=(last, 120))  # two rows of the longest fit, three do not
    assert all(answer.error is None for answer in told.values())
    assert texts(told) == texts(expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_long_prompt_that_comes_first_and_alone_is_not_given_up(endless_model: Path, layout: tuple[int, int]) -> None:
    long = record("0", "fox " * 100, max_new_tokens=40)
    expected, last = run(endless_model, layout, long=long), (layout[0] - 1, layout[1] - 1)
    most = expected["0"].prompt_tokens + 40  # a cache for the three rows that may come does not fit
    told = run(endless_model, layout, trouble=(last, most), long=long)
    assert {name: answer.error for name, answer in told.items()} == dict.fromkeys(expected)
    assert texts(told) == texts(expected)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_prompt_that_does_not_fit_alone_takes_no_rows_from_the_others(
    endless_model: Path, layout: tuple[int, int], at: int
) -> None:
    long, steps = record(str(at), "fox " * 210, max_new_tokens=40), list[int]()
    expected, last = run(endless_model, layout, long=long, at=at), (layout[0] - 1, layout[1] - 1)
    told = run(endless_model, layout, trouble=(last, 200), long=long, at=at, steps=steps)
    error = told[str(at)].error
    assert error is not None
    assert error[0] == "out_of_memory"
    assert texts(told) == {**texts(expected), str(at): None}
    assert max(steps[len(steps) // 2 :]) > 1, "the others run side by side as before"


def test_a_prompt_after_one_that_does_not_fit_gets_a_cache_of_its_own_size(endless_model: Path) -> None:
    """With room for one row of it, and no row beside."""
    tokens = Tokens(Job(str(endless_model), Path("i"), Path("o")))
    records = [record("0", "fox " * 140, max_new_tokens=4), record("1", "fox " * 70, max_new_tokens=4)]
    room = tokens.prepare(records[1]).tokens + 4

    def alter(worker: Worker) -> None:
        worker._caches = SmallCaches(worker, room)

    told = answers_of(Alone(), endless_model, tokens, records, 1, (0,), alter=alter)
    assert told is not None
    assert told["0"].error is not None
    assert told["1"].error is None


def test_a_part_that_runs_out_of_memory_inside_a_step_ends_the_job_with_what_to_do(endless_model: Path) -> None:
    tokens = Tokens(Job(str(endless_model), Path("i"), Path("o")))
    records = many(3, max_new_tokens=4)

    def alter(worker: Worker) -> None:
        def forward(*_: object) -> torch.Tensor:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

        worker._stage.forward = forward  # type: ignore[method-assign]

    with pytest.raises(DeviceError, match=r"Set fewer rows \(batch.rows\)"):
        Replica(1, 2).run(lambda links: answers_of(links, endless_model, tokens, records, 1, (0,), alter=alter))


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_numbers_that_overflow_are_redone_in_float32_in_every_layout(
    tmp_path_factory: pytest.TempPathFactory, layout: tuple[int, int]
) -> None:
    model = make_model(tmp_path_factory.mktemp("overflows"))
    path = model / "model.safetensors"
    weights = load_file(path)
    weights["model.layers.1.mlp.down_proj.weight"] *= 3e4
    save_file(weights, path, metadata={"format": "pt"})
    alone, told = run(model, (1, 1), torch.float16), run(model, layout, torch.float16)
    assert any(REDONE in answer.notes for answer in alone.values())
    assert texts(told) == texts(alone)
    assert {name: answer.notes for name, answer in told.items()} == {
        name: answer.notes for name, answer in alone.items()
    }
