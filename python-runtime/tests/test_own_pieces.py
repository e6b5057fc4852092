"""Prompts longer than what is computed at once: in pieces, with the tokens of generate(), in bounded memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import CONTEXT_TOKENS
from families import CONFIGS, WINDOW, make_family, reference
from rendezvous import RendezvousLinks, Replica
from test_own_families import WORDS, answers_of
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, Phi3Config
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from furo_infer._errors import DeviceError
from furo_infer._footprint import cut_by_bytes, read_footprint
from furo_infer._job import Generation, Job
from furo_infer._plan import PREFILL_TOKENS, TILE_BYTES, TILE_COPIES, Machine, Wish, make_plan
from furo_infer._prompts import conversation_of
from furo_infer._records import Record
from furo_infer._results import Answer
from furo_infer.engines import _few_rows, _slab
from furo_infer.engines._commands import GOES_ON, Command, Kind
from furo_infer.engines._links import Alone
from furo_infer.engines._rotary import turn_rows_apart, turns_with_length
from furo_infer.engines._rows import Chance
from furo_infer.engines._stage import load_stage
from furo_infer.engines._tokens import Tokens
from furo_infer.engines._torch_links import refuse_shared_gpus
from furo_infer.engines._wide import in_float32
from furo_infer.engines._worker import Worker

PIECE = 24  # more than the window, so that a piece pushes all of the one before out of the ring; and no multiple of it
SIZES = (1, 5, 120, 2, 75, 30, 9)  # words: short prompts run together, long ones come alone
# Full attention, windows in all layers and in some, capped scores, fused projections, learned positions.
FAMILIES = ("llama", "mistral", "qwen2", "gemma2", "gemma3", "phi3", "gpt2")
Made = Callable[[str], tuple[Path, Tokens, list[Record], list[str]]]


def _records() -> list[Record]:
    chosen = random.Random(2)
    records = []
    for number, size in enumerate(SIZES):
        conversation = conversation_of(({"role": "user", "content": " ".join(chosen.choices(WORDS, k=size))},), None)
        records.append(Record(str(number), number + 1, conversation, None, Generation(max_new_tokens=6), {}, "00"))
    return records


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    @cache
    def make(family: str) -> tuple[Path, Tokens, list[Record], list[str]]:
        folder = make_family(tmp_path_factory.mktemp(family), family)
        tokens = Tokens(Job(str(folder), Path("i"), Path("o")))
        records = _records()
        prompts = [tokens.prepare(record) for record in records]
        assert 3 <= sum(prompt.tokens > PIECE for prompt in prompts) <= 4, "some come in pieces, and some do not"
        assert PIECE * 4 < max(prompt.tokens for prompt in prompts) < CONTEXT_TOKENS
        said = reference(folder, [(one.ids, 6) for one in prompts])
        return folder, tokens, records, [tokens.decode([t for t in one if t not in tokens.end_tokens]) for one in said]

    return make


class Sizes:
    """The tokens of each step that a worker computes."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.pieces = 0

    def watch(self, worker: Worker) -> None:
        forward, carry_out = worker._stage.forward, worker._carry_out

        def watched(given: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
            self.seen.append(given.shape[0] * given.shape[1])
            return forward(given, positions, cache)

        def counted(command: Command, tokens: torch.Tensor | None) -> torch.Tensor | None:
            self.pieces += command.kind is Kind.PREFILL and command.start > 0
            return carry_out(command, tokens)

        worker._stage.forward = watched  # type: ignore[method-assign]
        worker._carry_out = counted  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("family", "stages", "parts"),
    [*((family, 1, 1) for family in FAMILIES), ("mistral", 2, 2), ("gemma2", 3, 1), ("llama", 1, 2)],
)
def test_pieces_give_the_tokens_of_generate(made: Made, family: str, stages: int, parts: int) -> None:
    folder, tokens, records, expected = made(family)
    cuts = cut_by_bytes(read_footprint(folder, "float32"), stages)
    sizes = Sizes()

    def body(links: RendezvousLinks | Alone) -> dict[str, Answer] | None:
        return answers_of(links, folder, tokens, records, stages, cuts, alter=sizes.watch, prefill_tokens=PIECE)

    answers = body(Alone()) if stages * parts == 1 else Replica(stages, parts).run(body)[0]
    assert answers is not None
    assert [answers[record.id].text for record in records] == expected
    assert max(sizes.seen) <= PIECE
    assert sizes.pieces >= 4 * stages * parts


def test_memory_that_ends_in_the_middle_of_a_prompt_loses_nothing(made: Made) -> None:
    folder, tokens, records, expected = made("mistral")
    failures = [2]  # at the third piece of the first long prompt, while a short row is in use

    def alter(worker: Worker) -> None:
        forward = worker._stage.forward
        steps = 0

        def fragile(given: torch.Tensor, positions: torch.Tensor, cache: Any) -> torch.Tensor:
            nonlocal steps
            steps += cache.start > 0
            if failures and cache.start > 0 and cache.rows > 1 and steps >= failures[0]:
                failures.pop(0)
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            return forward(given, positions, cache)

        worker._stage.forward = fragile  # type: ignore[method-assign]

    held = records[:3]
    answers = answers_of(Alone(), folder, tokens, held, 1, (0,), alter=alter, prefill_tokens=PIECE)
    assert answers is not None
    assert not failures
    assert [answers[record.id].text for record in held] == expected[:3]


class Largest(TorchDispatchMode):
    """The bytes of the largest tensor that an operation has made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and func in (torch.ops.aten.bmm.default, torch.ops.aten._softmax.default):
            self.bytes = max(self.bytes, made.numel() * made.element_size())
        return made


@pytest.mark.parametrize("window", [None, WINDOW])
@pytest.mark.parametrize("softcap", [None, 5.0])
def test_attention_in_tiles(monkeypatch: pytest.MonkeyPatch, window: int | None, softcap: float | None) -> None:
    rows, heads, kv_heads, tokens, columns, size = 2, 6, 2, 50, 170, 8
    limit = 4 * rows * heads * columns * 7
    monkeypatch.setattr(_slab, "TILE_BYTES", limit)
    torch.manual_seed(0)
    query = torch.randn(rows, heads, tokens, size)
    key, value = (torch.randn(rows, kv_heads, columns, size) for _ in range(2))
    with Largest() as largest:
        tiled = _slab._in_tiles(query, key, value, window, softcap)
    scores = query @ key.repeat_interleave(3, dim=1).transpose(2, 3)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    place, own = torch.arange(columns), torch.arange(columns - tokens, columns)[:, None]
    seen = (place <= own) & (place > own - (window or columns))
    shares = scores.masked_fill(~seen, float("-inf")).softmax(-1)
    torch.testing.assert_close(tiled, shares @ value.repeat_interleave(3, dim=1))
    assert limit / 2 < largest.bytes <= limit


def test_positions_that_turn_with_the_length_keep_a_prompt_whole() -> None:
    factors = {"short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    shape: dict[str, Any] = {"hidden_size": 64, "num_attention_heads": 4, "pad_token_id": None}
    long = Phi3Config(**shape, original_max_position_embeddings=64, rope_scaling={"type": "longrope", **factors})
    dynamic = LlamaConfig(**shape, rope_scaling={"rope_type": "dynamic", "factor": 2.0})
    assert turns_with_length(long)
    assert turns_with_length(dynamic)
    linear = LlamaConfig(**shape, rope_scaling={"rope_type": "linear", "factor": 2.0})
    assert not any(
        turns_with_length(one) for one in (linear, Phi3Config(**shape), CONFIGS["gemma3"]({}), CONFIGS["gpt2"]({}))
    )


def test_positions_that_turn_with_the_length_are_those_of_each_row_alone(tmp_path: Path) -> None:
    factors = {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
    changes = {"original_max_position_embeddings": 100, "rope_scaling": {"type": "longrope", **factors}}
    folder = make_family(tmp_path, "phi3", **changes)
    tokens = Tokens(Job(str(folder), Path("i"), Path("o")))
    records = _records()
    prompts = [tokens.prepare(record) for record in records]
    assert {prompt.tokens > 100 for prompt in prompts} == {True, False}
    said = reference(folder, [(one.ids, 6) for one in prompts])
    answers = answers_of(Alone(), folder, tokens, records, 1, cut_by_bytes(read_footprint(folder, "float32"), 1))
    assert answers is not None
    expected = [tokens.decode([t for t in one if t not in tokens.end_tokens]) for one in said]
    assert [answers[record.id].text for record in records] == expected


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_a_row_that_grows_beyond_the_length_where_positions_turn_is_computed_anew(tmp_path: Path, number: int) -> None:
    sizes = [
        Tokens(Job(str(make_family(tmp_path, "phi3")), Path("i"), Path("o"))).prepare(one).tokens for one in _records()
    ]
    factors = {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
    # After three tokens of this answer; the other rows are longer from the start, shorter, or turn with it.
    changes = {"original_max_position_embeddings": sizes[number] + 2, "rope_scaling": {"type": "longrope", **factors}}
    folder = make_family(tmp_path / "long", "phi3", **changes)
    tokens = Tokens(Job(str(folder), Path("i"), Path("o")))
    records = _records()
    # With its cache, transformers 4.52 masks wrongly from there on; the later ones give the same with and without.
    said = reference(folder, [(tokens.prepare(record).ids, 6) for record in records], caches=False)
    turned: list[int] = []
    begun: list[int] = []
    without_room: list[int] = []

    def watch(worker: Worker, *, fails: bool) -> None:
        carry_out, chance_of, run_layers = worker._carry_out, worker._chance_of, worker._run_layers
        failed: list[Command] = []

        def watched(command: Command, given: torch.Tensor | None) -> torch.Tensor | None:
            turned.extend(record for record in command.records if record == GOES_ON)
            return carry_out(command, given)

        def counted(record: int) -> Chance:
            begun.append(record)
            return chance_of(record)

        def full(command: Command, given: torch.Tensor, cache: Any) -> torch.Tensor:
            # Of a row that is alone the record would fail.
            if fails and not failed and GOES_ON in command.records and command.kept > 1:
                run_layers(command, given, cache)  # what it has written by then is not what the row had before
                failed.append(command)
                without_room.append(number)
                raise torch.cuda.OutOfMemoryError
            return run_layers(command, given, cache)

        worker._carry_out, worker._chance_of, worker._run_layers = watched, counted, full  # type: ignore[method-assign]

    for stages, fails in ((1, False), (2, False), (1, True), (2, True)):
        turned.clear()
        begun.clear()
        cuts = cut_by_bytes(read_footprint(folder, "float32"), stages)

        def body(
            links: Any, cuts: tuple[int, ...] = cuts, stages: int = stages, fails: bool = fails
        ) -> dict[str, Answer] | None:
            return answers_of(links, folder, tokens, records, stages, cuts, alter=partial(watch, fails=fails))

        answers = body(Alone()) if stages == 1 else Replica(stages, 1).run(body)[0]
        assert answers is not None
        expected = [tokens.decode([t for t in one if t not in tokens.end_tokens]) for one in said]
        assert [answers[record.id].text for record in records] == expected
        assert len(turned) >= stages
        if not fails:
            assert sorted(begun) == list(range(len(records))), "the random numbers of a row begin once"
    assert len(without_room) == 2 or number == len(SIZES) - 1, "the last one is alone by then"


def test_positions_of_dynamic_scaling_are_those_of_each_row_alone() -> None:
    scaling = {"rope_type": "dynamic", "factor": 4.0}
    config = LlamaConfig(hidden_size=64, num_attention_heads=4, max_position_embeddings=40, rope_scaling=scaling)
    hidden, places = torch.zeros(4, 1, 64), torch.tensor([[75], [120], [75], [30]])
    alone = [LlamaRotaryEmbedding(config)(hidden[:1], place[None]) for place in places]
    together = LlamaRotaryEmbedding(config)
    turn_rows_apart(torch.nn.Sequential(together))
    for turns, each in zip(together(hidden, places), zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(turns, torch.cat(each))


def test_a_gpu_that_two_processes_have_is_told_before_they_meet_on_it() -> None:
    four = [("cx001", f"GPU-{n}") for n in range(4)]
    refuse_shared_gpus([*four, *[("cx002", gpu) for _, gpu in four]])
    refuse_shared_gpus([None, None])
    with pytest.raises(DeviceError, match=r"processes 1, 2 have the same GPU of cx001. .*ppr:1:node") as raised:
        refuse_shared_gpus([*four[:2], four[1], ("cx002", "GPU-1")])
    assert raised.value.reason == "gpuShared"


class Calls(TorchDispatchMode):
    """Counts products whose left side is a weight of 80 rows."""

    on_the_left = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.on_the_left += func is torch.ops.aten.mm.default and len(args[0]) == 80
        return func(*args, **(kwargs or {}))


def test_a_stage_on_the_cpu_multiplies_few_rows_this_way(made: Made) -> None:
    folder, tokens, _, _ = made("llama")
    config = tokens.config.get_text_config()
    stage = load_stage(folder, config, (0,), Alone(), torch.float32, torch.device("cpu"))
    layers = [module for module in stage.weighted if type(module) is torch.nn.Linear]
    assert layers
    assert all("forward" in vars(module) for module in layers)


@pytest.mark.parametrize("rows", range(1, 7))
@pytest.mark.parametrize("bias", [True, False])
def test_few_rows_are_multiplied_as_many_are(rows: int, bias: bool) -> None:
    torch.manual_seed(rows)
    layer = torch.nn.Linear(48, 80, bias=bias)
    sums: list[tuple[int, ...]] = []
    layer.register_forward_hook(lambda _module, _given, output: sums.append(tuple(output.shape)))
    given = torch.randn(rows, 1, 48)
    expected = layer(given)
    _few_rows.speed_up(torch.nn.Sequential(layer))
    for one in (given, given[:, 0], given[:, 0][None]):
        with Calls() as calls:
            output = layer(one)
        torch.testing.assert_close(output, expected.reshape(*one.shape[:-1], 80))
        assert output.is_contiguous()
        assert calls.on_the_left == (1 if 2 <= rows <= 4 else 0)
    assert len(sums) == 4
    with in_float32([layer.half()]):  # the weight that is in its place when it is asked
        assert layer(given).dtype == torch.float32


def test_the_plan_counts_the_largest_piece_and_not_the_prompt(made: Made) -> None:
    footprint = read_footprint(made("llama")[0])
    short, long, longer = (
        make_plan(footprint, Machine(), Wish(tokens=tokens)).gpu.activations
        for tokens in (PREFILL_TOKENS, 4 * PREFILL_TOKENS, 16 * PREFILL_TOKENS)
    )
    assert long == longer == short + TILE_COPIES * TILE_BYTES
    assert make_plan(footprint, Machine(), Wish(has_longer=True)).gpu.activations == long
    capped = read_footprint(made("gemma2")[0])
    assert make_plan(capped, Machine(), Wish()).gpu.activations > TILE_COPIES * TILE_BYTES
