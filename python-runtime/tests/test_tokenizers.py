"""A tokenizer that belongs to another model ends the run before anything is loaded or answered."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Place
from tokenizers import Tokenizer, models, pre_tokenizers

from furo_infer._errors import ModelError
from furo_infer._job import Job
from furo_infer.engines._tokens import Tokens


@pytest.fixture
def model(tmp_path: Path, tiny_model: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def opened(model: Path) -> Tokens:
    return Tokens(Job(str(model), Path("i"), Path("o")))


def change_config(model: Path, **changes: Any) -> None:
    for name in ("config.json", "generation_config.json"):
        path = model / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def give_tokenizer(model: Path, tokens: int, *, end: int) -> None:
    """One of another family: as many words, of which `end` ends a text, and no others are special."""
    vocabulary = {f"word{number}": number for number in range(tokens - 1)} | {"</s>": tokens - 1}
    swapped = {"</s>": end, f"word{end}": tokens - 1} if end < tokens - 1 else {}
    tokenizer = Tokenizer(models.WordLevel(vocabulary | swapped, unk_token="word0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(model / "tokenizer.json"))
    path = model / "tokenizer_config.json"
    kept = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    path.write_text(json.dumps(kept))


def test_more_tokens_than_the_model_knows(model: Path) -> None:
    give_tokenizer(model, 5000, end=1)
    with pytest.raises(ModelError, match="it has 5000 tokens, and the model knows 4") as raised:
        opened(model)
    assert raised.value.reason == "modelUnreadable"


def test_another_family_with_fewer_tokens(model: Path) -> None:
    """No token is beyond the vocabulary, so that no single prompt shows it."""
    give_tokenizer(model, 300, end=299)
    with pytest.raises(ModelError, match="token 1, which ends the model's answers, is none of its special tokens"):
        opened(model)


def test_the_run_ends_with_a_model_error_and_no_answer(place: Place, model: Path) -> None:
    give_tokenizer(model, 300, end=299)
    place.write_input([{"id": "a", "question": "word7 word8"}])
    place.write_job(model=str(model), backend="auto")
    code, _, error = place.run()
    assert code == 3
    assert "belongs to another model" in error
    assert "Traceback" not in error
    last = place.events()[-1]
    assert (last["event"], last["reason"]) == ("failed", "modelUnreadable")
    assert "model_loading" not in [event["event"] for event in place.events()]
    assert place.results() == {}


def test_sound_pairs_are_taken(model: Path) -> None:
    assert opened(model).end_tokens == {1}
    # The end token is one that only the tokenizer knows; the numbers agree.
    change_config(model, eos_token_id=77)
    assert opened(model).end_tokens == {1, 77}
    # Rows that fill up the embedding.
    change_config(model, eos_token_id=1, vocab_size=opened(model).vocabulary + 64)
    assert opened(model).end_tokens == {1}


def test_tokens_that_were_added_to_a_tokenizer_do_not_count(model: Path) -> None:
    """Gemma 3 has one for images, and many chat models one for padding, which the model itself is never given."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.save_pretrained(model)
    tokens = opened(model)
    assert len(tokens.tokenizer) == tokens.vocabulary + 1
    assert tokens.pad_token == 1


def test_a_model_that_says_no_end_is_taken(endless_model: Path) -> None:
    assert opened(endless_model).end_tokens == frozenset()
