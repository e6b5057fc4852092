"""The back end "transformers": generate() over batches padded on the left, for every model that transformers can run.

The model lies on one device, or in parts on all GPUs of this process as accelerate places it (`device_map`). Knows
torch, transformers (4.52 to 5.x) and accelerate; does not know files of records, events or signals.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import transformers
from transformers import GenerationConfig

from .._allocation import Allocation
from .._errors import DeviceError
from .._job import Job
from .._measures import Measures
from .._placement import layer_classes
from .._records import Record
from .._results import Answer
from ._devices import peak_bytes
from ._dispatch import Dispatched, load_dispatched, own_gpus
from ._grammar import Grammar
from ._leader import NOT_FINITE, REDONE
from ._rows import Chance, Row, failed
from ._steps import Choice, Ending
from ._tokens import Tokens, short
from ._wide import in_float32, pieces
from .base import Loaded, Request, Watch, Work

__all__ = ["GenerateEngine"]

CPU_ROWS = 8
MOST_ROWS = 128


class GenerateEngine:
    """Any causal LM that transformers knows, on one device or spread over the GPUs of a node, in static batches."""

    leads = True

    def __init__(self, job: Job, allocation: Allocation) -> None:
        self.replica = allocation.rank
        self._job = job
        self._allocation = allocation
        self._tokens: Tokens | None = None
        self._grammar: Grammar
        self._placed: Dispatched | None = None
        self._half = False
        self._rows_that_fit = job.batch.rows or MOST_ROWS

    def open(self) -> None:
        self._tokens = Tokens(self._job)
        self._grammar = Grammar(self._tokens)

    def prepare(self, record: Record) -> Request:
        self._grammar.matcher(record.response_format)  # refuses what cannot be kept before a weight is loaded
        return self._opened.prepare(record)

    def load(self) -> Loaded:
        placed = self._placed = load_dispatched(self._job, self._allocation, self._opened)
        # What the job file says is all that counts: generate() would else take the rest from the model's own file.
        placed.model.generation_config = GenerationConfig()
        self._half = placed.dtype != torch.float32
        notes = list(placed.notes)
        notes += self._opened.notes(self._job)
        return Loaded(placed.device_words, str(placed.dtype).removeprefix("torch."), tuple(notes))

    @torch.inference_mode()
    def run(self, work: Work, watch: Watch) -> None:
        while not watch.stopped() and (batch := self._take(work)):
            answers = self.answer(batch, watch)
            for request, answer in zip(batch, answers, strict=True):
                if answer is not None:
                    work.tell(request, answer)

    def peak_bytes(self) -> int:
        """Of the fullest of its GPUs, where it has several."""
        device = self._loaded.input_device
        if device.type == "cpu":
            return peak_bytes(device)
        gpus = own_gpus(self._allocation, torch.cuda.device_count())
        return max(peak_bytes(torch.device("cuda", gpu)) for gpu in gpus)

    def measure(self) -> Measures:
        return Measures(self.peak_bytes())

    def answer(self, batch: Sequence[Request], watch: Watch) -> list[Answer | None]:
        """One answer for each request in its order; None where `watch` stopped it before its end."""
        answers: list[Answer | None] = []
        while len(answers) < len(batch):
            part = batch[len(answers) : len(answers) + self._rows_that_fit]
            try:
                answers.extend(self._generate(part, watch))
                continue
            except torch.cuda.OutOfMemoryError as error:
                code, why = "out_of_memory", short(error)
            except (RuntimeError, ValueError, IndexError) as error:
                if "CUDA error" in str(error):
                    raise DeviceError("deviceFailed", f"The GPU failed: {short(error)} Run the job again.") from error
                code, why = "generation_failed", short(error)
            # One row alone decides whose fault it was; the traceback that holds the tensors is gone by now.
            if len(part) == 1:
                answers.append(failed(part[0], code, why))
            elif code == "out_of_memory":
                self._rows_that_fit = max(1, len(part) // 2)
            else:
                answers.extend(answer for request in part for answer in self.answer([request], watch))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return answers

    @property
    def _opened(self) -> Tokens:
        assert self._tokens is not None
        return self._tokens

    @property
    def _loaded(self) -> Dispatched:
        assert self._placed is not None
        return self._placed

    def _take(self, work: Work) -> list[Request]:
        """As many as fit beside the longest prompt, which comes first."""
        batch = work.take(1)
        if not batch:
            return []
        rows = self._rows_that_fit
        if self._job.batch.rows is None:
            longest = batch[0].tokens + self._opened.limit(batch[0])
            room = self._loaded.room_tokens
            rows = min(rows, CPU_ROWS if room is None else max(1, room // longest))
        return batch + work.take(rows - 1) if rows > 1 else batch

    def _chance_of(self, record: Record) -> Chance:
        return Chance(record.id, record.generation, self._grammar.matcher(record.response_format))

    def _generate(self, part: Sequence[Request], watch: Watch) -> list[Answer | None]:
        """One batch from beginning to end. Raises what torch raises."""
        tokens, placed = self._opened, self._loaded
        rows = [Row(request, tokens) for request in part]
        choice = Choice(rows, [self._chance_of(one.record) for one in part], tokens.pad_token)
        width = max(request.tokens for request in part)
        ids = torch.full((len(part), width), tokens.pad_token, dtype=torch.long)
        mask = torch.zeros((len(part), width), dtype=torch.long)
        for index, request in enumerate(part):  # padding on the left: the last column is every row's last token
            ids[index, width - request.tokens :] = torch.tensor(request.ids)
            mask[index, width - request.tokens :] = 1
        placed.model.generate(
            input_ids=ids.to(placed.input_device),
            attention_mask=mask.to(placed.input_device),
            generation_config=GenerationConfig(
                do_sample=False,  # `choice` has drawn already where a record wants sampling
                max_new_tokens=max(tokens.limit(request) for request in part),
                pad_token_id=tokens.pad_token,
                use_cache=True,
            ),
            logits_processor=transformers.LogitsProcessorList([choice]),
            stopping_criteria=transformers.StoppingCriteriaList([Ending(choice, rows, watch)]),
        )
        return [
            self._again(row.request, watch) if choice.is_broken(index) else row.answer() if row.reason else None
            for index, row in enumerate(rows)
        ]

    def _again(self, request: Request, watch: Watch) -> Answer | None:
        """The answer of one request whose numbers were not finite, computed in float32 and marked as such."""
        if not self._half or watch.stopped():
            return None if watch.stopped() else failed(request, "not_finite", NOT_FINITE)
        with self._widened():
            [answer] = self.answer([request], watch)
        if answer is None or answer.error is not None:
            return answer
        return dataclasses.replace(answer, notes=(*answer.notes, REDONE))

    @contextmanager
    def _widened(self) -> Iterator[None]:
        model = self._loaded.model
        self._half = False
        try:
            with in_float32(pieces(model, layer_classes(model))):
                yield
        finally:
            self._half = True
