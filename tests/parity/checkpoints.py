"""Small checkpoints, one of each kind that the package reads otherwise, trained by our command."""

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from trueward.cli import main
from trueward.data import DEFAULT_CHAT_TEMPLATE
from trueward.goldworld import WorldConfig, describe

Build = Callable[[Path], str]
SPECIAL = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA = LlamaConfig(**SHAPE, num_key_value_heads=2)
SCALED = {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e4}


def text_pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """Pairs of the gold world, the better answer chosen."""
    rows = []
    for described in describe(WorldConfig(seed=seed), count, 2):
        worse, better = sorted(described.answers, key=lambda answer: answer.gold)
        rows.append({"prompt": described.prompt, "chosen": better.text, "rejected": worse.text})
    return rows


def message_pairs(count: int, seed: int) -> list[dict[str, Any]]:
    """The same as conversations, every third one of three turns."""
    rows = text_pairs(count, seed)
    return [
        {
            "prompt": (_turns(rows[i - 1]["prompt"], rows[i - 1]["chosen"]) if i % 3 == 2 else [])
            + _turns(row["prompt"]),
            "chosen": [{"role": "assistant", "content": row["chosen"]}],
            "rejected": [{"role": "assistant", "content": row["rejected"]}],
        }
        for i, row in enumerate(rows)
    ]


def write_rows(rows: list[dict[str, Any]], file: Path) -> str:
    """One JSON object a line."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


def gold_world(folder: Path) -> str:
    """The embedded base, on text: no chat template."""
    return _train(folder)


def llama(folder: Path) -> str:
    """A chat template that writes BOS, as the tokenizer itself does."""
    return _train(folder, *_chat(folder, LLAMA, frame="<bos> $A"))


def llama_adapter(folder: Path) -> str:
    """LoRA on the same."""
    peft = ["--use_peft", "--lora_r", "4", "--lora_target_modules", "q_proj", "v_proj"]
    return _train(folder, *_chat(folder, LLAMA, frame="<bos> $A"), *peft)


def qwen2_scaled(folder: Path) -> str:
    """Scaled rotary positions, biased attention, no tokens of the tokenizer's own."""
    config = Qwen2Config(**SHAPE, num_key_value_heads=2, rope_parameters=SCALED)
    return _train(folder, *_chat(folder, config))


def gpt2(folder: Path) -> str:
    """Absolute positions, which left padding moves."""
    shape = {"vocab_size": 400, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 1024}
    config = GPT2Config(**shape, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    return _train(folder, *_chat(folder, config))


def bert(folder: Path) -> str:
    """An encoder, read at its first token, which left padding moves."""
    return _train(folder, *_chat(folder, BertConfig(**SHAPE), frame="<bos> $A <eos>"))


def _train(folder: Path, *flags: str) -> str:
    out = folder / "trained"
    quick = ["--max_steps", "6", "--learning_rate", "3e-3", "--gradient_checkpointing", "false"]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(["train", "--output_dir", str(out), *quick, *flags])
    if code != 0:
        sys.stderr.write(said.getvalue())
        raise SystemExit(code)
    return str(out)


def _chat(folder: Path, config: PreTrainedConfig, frame: str | None = None) -> list[str]:
    rows = message_pairs(60, seed=1)
    torch.manual_seed(1)
    model = AutoModel.from_config(config)
    with torch.no_grad():  # sharpen: fresh weights of .02 make every text alike
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.save_pretrained(folder / "base")
    _tokenizer(rows, frame).save_pretrained(folder / "base")
    data = write_rows(rows, folder / "train.jsonl")
    return ["--model_name_or_path", str(folder / "base"), "--dataset_name", data]


def _tokenizer(rows: list[dict[str, Any]], frame: str | None) -> PreTrainedTokenizerFast:
    inner = ByteLevelBPETokenizer()
    texts = [row["chosen"][0]["content"] for row in rows]
    special = list(SPECIAL.values())
    inner.train_from_iterator(texts, vocab_size=400, special_tokens=special, show_progress=False)
    if frame is not None:
        ends = [("<bos>", 1), ("<eos>", 2)]
        inner.post_processor = TemplateProcessing(single=frame, special_tokens=ends)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner._tokenizer, **SPECIAL)
    tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    return tokenizer


def _turns(user: str, assistant: str | None = None) -> list[dict[str, str]]:
    turns = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return [turn for turn in turns if turn["content"] is not None]
