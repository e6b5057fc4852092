"""Answers a JSONL file of questions with a Hugging Face model, alone or as one of many MPI ranks.

A plain script for the three batch scripts beside it. It shows the least that works on Furo: left padding,
half precision on a V100, every rank on its own share of the records, one output file per rank. For real
work use an inference job of `furo.yaml`, which also resumes, reports progress and keeps partial results.
"""

import argparse
import json
import os
import socket

import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM, AutoTokenizer


def own_address() -> str:
    """The address by which this node reaches the first node of the job."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((os.environ.get("MASTER_ADDR", "127.0.0.1"), 9))
        return probe.getsockname()[0]


def load(model_name: str, device_map: str | None):
    """Tokenizer and model; spread over all GPUs of the node when `device_map` is given and there are any."""
    tokenizer = AutoTokenizer.from_pretrained(model_name, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    has_gpu = torch.cuda.is_available()
    local_rank = int(os.environ.get("OMPI_COMM_WORLD_LOCAL_RANK", "0"))
    model = AutoModelForCausalLM.from_pretrained(
        model_name,
        # V100 has no bfloat16 hardware.
        torch_dtype=torch.float16 if has_gpu else torch.float32,
        device_map=device_map if has_gpu else None,
    )
    if has_gpu and device_map is None:
        model = model.to(f"cuda:{local_rank % torch.cuda.device_count()}")
    return tokenizer, model.eval()


def answer(tokenizer, model, questions: list[str], rows: int = 4) -> list[str]:
    """Greedy answers, `rows` questions at a time; the prompt is not part of an answer."""
    answers: list[str] = []
    for start in range(0, len(questions), rows):
        prompts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
            )
            for question in questions[start : start + rows]
        ]
        batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        batch = batch.to(model.device)
        with torch.inference_mode():
            tokens = model.generate(**batch, max_new_tokens=32, do_sample=False)
        new_tokens = tokens[:, batch["input_ids"].shape[1] :]
        answers += tokenizer.batch_decode(new_tokens, skip_special_tokens=True)
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--device-map", default=None)
    arguments = parser.parse_args()

    rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", "0"))
    world = int(os.environ.get("OMPI_COMM_WORLD_SIZE", "1"))
    if world > 1:
        dist.init_process_group("gloo", rank=rank, world_size=world)
    print(f"rank {rank} of {world} on {own_address()}", flush=True)

    with open(arguments.input, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines if line.strip()][rank::world]
    tokenizer, model = load(arguments.model, arguments.device_map)
    answers = answer(tokenizer, model, [record["question"] for record in records])

    os.makedirs(arguments.output, exist_ok=True)
    with open(os.path.join(arguments.output, f"answers-{rank}.jsonl"), "w", encoding="utf-8") as out:
        for record, text in zip(records, answers):
            out.write(json.dumps({"id": record["id"], "answer": text}, ensure_ascii=False) + "\n")
    if world > 1:
        count = torch.tensor(len(answers))
        dist.all_reduce(count)
        if rank == 0:
            print(f"{int(count)} answers from {world} ranks", flush=True)
        dist.destroy_process_group()
    else:
        print(f"{len(answers)} answers", flush=True)


if __name__ == "__main__":
    main()
