"""Tokens per second on one device beside the two ways people use: a pipeline one record at a time, as in the talk this
project comes from, and transformers' generate() over the best static batch.

    python bench/throughput.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import torch
from common import (
    DEMO_MODEL,
    Row,
    answer_all,
    in_turns,
    own_engine,
    print_table,
    random_llama,
    record,
    talk_lengths,
    text_of,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

RECORDS = 32
NEW_TOKENS = 32


def beside_the_pipeline(name: str, model: Path, rounds: int) -> Row:
    """32 records of one length of answer; greedy tokens have to be the same."""
    chosen = random.Random(7)
    records = [record(n, text_of(chosen.randint(4, 40), n), NEW_TOKENS) for n in range(RECORDS)]
    engine = own_engine(model, records, RECORDS)
    prompts = [engine.prepare(one).text for one in records]
    tokenizer = AutoTokenizer.from_pretrained(model)
    peer = pipeline("text-generation", model=AutoModelForCausalLM.from_pretrained(model), tokenizer=tokenizer)
    said: dict[str, list[str]] = {}

    def talk() -> None:
        outputs = peer(
            prompts, max_new_tokens=NEW_TOKENS, do_sample=False, return_full_text=False, add_special_tokens=False
        )
        said["peer"] = [output[0]["generated_text"] for output in outputs]

    def own() -> None:
        answers = answer_all(engine, records)
        said["own"] = [answers[one.id].text or "" for one in records]
        generated.append(sum(answer.completion_tokens for answer in answers.values()))

    generated: list[int] = []
    best = in_turns({"peer": talk, "own": own}, rounds)
    tokens = generated[0]
    same = sum(a == b for a, b in zip(said["peer"], said["own"], strict=True))
    figures = (
        f"{tokens / best['peer']:.0f} -> {tokens / best['own']:.0f} tokens/s; {same} of {RECORDS} answers the same"
    )
    return Row(f"{RECORDS} records, {name}", "pipeline, one record at a time", figures, best["peer"] / best["own"], 8)


def beside_static_batches(name: str, model: Path, rounds: int) -> Row:
    """A quarter of the prompts and answers of the talk's job: prompts of 4 to 60 words, answers of 17 to 128 tokens."""
    chosen = random.Random(11)
    lengths = [length // 4 for length in (*talk_lengths(), 320, 180)]
    records = [record(n, text_of(chosen.randint(4, 60), n), length) for n, length in enumerate(lengths)]
    engine = own_engine(model, records, RECORDS)
    engine._opened.end_tokens = frozenset()  # every answer has its own length, in both ways
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.decode([0])
    peer = AutoModelForCausalLM.from_pretrained(model)
    requests = sorted((engine.prepare(one) for one in records), key=lambda request: -request.tokens)

    def static(rows: int) -> None:
        for start in range(0, len(requests), rows):
            part = requests[start : start + rows]
            width = max(one.tokens for one in part)
            ids = torch.zeros((len(part), width), dtype=torch.long)
            mask = torch.zeros((len(part), width), dtype=torch.long)
            for index, one in enumerate(part):
                ids[index, width - one.tokens :] = torch.tensor(one.ids)
                mask[index, width - one.tokens :] = 1
            # A static batch lasts as long as its longest row.
            most = max(one.record.generation.max_new_tokens for one in part)
            with torch.inference_mode():
                peer.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=most,
                    min_new_tokens=most,
                    do_sample=False,
                    pad_token_id=0,
                )

    sizes = (8, 16, 32)
    ways = {f"static {rows}": lambda rows=rows: static(rows) for rows in sizes}
    best = in_turns({**ways, "own": lambda: answer_all(engine, records)}, rounds)
    name_of_best = min(ways, key=lambda way: best[way])
    tokens = sum(lengths)
    figures = f"{tokens / best[name_of_best]:.0f} -> {tokens / best['own']:.0f} tokens/s ({name_of_best} rows was best)"
    return Row(
        f"{RECORDS} records, {name}, ragged lengths",
        "transformers generate, best static batch",
        figures,
        best[name_of_best] / best["own"],
        1.5,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        random_model = random_llama(Path(folder) / "llama-150m")
        rows = []
        for name, model in (("SmolLM2-135M", DEMO_MODEL), ("Llama of 150M random weights", random_model)):
            rows.append(beside_the_pipeline(name, model, rounds))
            rows.append(beside_static_batches(name, model, rounds))
    print_table(rows)


if __name__ == "__main__":
    main()
