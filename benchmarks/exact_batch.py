"""Cost of the exact effective batch: time and peak memory beside micro-batches seen alone.

    python benchmarks/exact_batch.py --out exact_batch.json

Both train the same steps in turns. The exact batch reads all but the first micro-batch of a step
a second time, without gradients; memory is measured in a process of its own for each.
"""

import argparse
import copy
import os
import random
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from common import alternate, ratio_summary, write
from datasets import Dataset
from memory import peak_memory
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Qwen2Config,
)
from transformers.utils import logging as hf_logging
from workloads import DATA, encoded, workload

from trueward.training import RewardConfig, RewardTrainer

MODES = ("micro", "exact")


def synthetic(args: argparse.Namespace, count: int) -> tuple[Any, Any, Dataset]:
    """The same kind of model and lengths drawn at random, where the real texts are absent."""
    config = Qwen2Config(
        vocab_size=16_384,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=7,
        num_attention_heads=6,
        num_key_value_heads=2,
        num_labels=1,
        pad_token_id=0,
        use_cache=False,
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    inner = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "<eos>": 2}, unk_token="<unk>"))
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "<eos>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    rng = random.Random(0)

    def sequence() -> list[int]:
        length = min(args.max_length, max(8, int(rng.lognormvariate(5, 0.7))))
        return [rng.randrange(3, 16_384) for _ in range(length)]

    columns = {name: [sequence() for _ in range(count)] for name in ("chosen_ids", "rejected_ids")}
    return model, tokenizer, Dataset.from_dict(columns)


def trainer(mode: str, model: Any, tokenizer: Any, data: Dataset, args: Any) -> RewardTrainer:
    settings = RewardConfig(
        tempfile.mkdtemp(),
        objective=args.objective,
        batch_objective=mode,
        per_device_train_batch_size=args.pairs,
        gradient_accumulation_steps=args.accumulation,
        max_steps=args.steps,
        max_length=args.max_length,
        packing=args.packing,
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    built = RewardTrainer(
        copy.deepcopy(model), settings, train_dataset=data, processing_class=tokenizer
    )
    built.remove_callback(PrinterCallback)
    return built


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="decoder-17m", help="where the real texts are")
    parser.add_argument("--objective", default="aplot + bsr")
    parser.add_argument("--packing", default="auto", help="how both read a batch")
    parser.add_argument("--pairs", type=int, default=4, help="pairs a micro-batch")
    parser.add_argument("--accumulation", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2, help="optimiser steps a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--max_length", type=int, default=512)
    parser.add_argument("--only", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    hf_logging.set_verbosity_error()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    count = args.pairs * args.accumulation * args.steps
    if DATA.is_dir():
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model, tokenizer = workload(args.model, "chat", device)
        data, lengths = encoded(tokenizer, "chat", count, args.max_length), "hh_rlhf"
    else:
        (model, tokenizer, data), lengths = synthetic(args, count), "synthetic"
    built = {
        mode: trainer(mode, model, tokenizer, data, args)
        for mode in MODES
        if args.only in (None, mode)
    }
    if args.only:
        built[args.only].train()
        return
    seconds = alternate({mode: built[mode].train for mode in MODES}, args.rounds)
    ratio = ratio_summary(seconds["exact"], seconds["micro"])
    names = ("model", "objective", "packing", "pairs", "accumulation", "steps", "max_length")
    again = [word for name in names for word in (f"--{name}", str(getattr(args, name)))]
    memory = {mode: peak_memory([__file__, *again, "--only", mode]) for mode in MODES}
    result = {
        **{name: getattr(args, name) for name in names},
        "lengths": lengths,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": seconds,
        "time_ratio": ratio,
        "peak_mib": memory,
        "memory_ratio": memory["exact"] / memory["micro"],
    }
    rows = [[m, f"{median(seconds[m]):.2f}", f"{memory[m]:.0f}"] for m in MODES]
    spread = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
    rows.append(["exact / micro", spread, f"{result['memory_ratio']:.3f}"])
    header = ["batch_objective", "seconds a round", "peak MiB"]
    write(args.out, {"benchmark": "exact_batch", "result": result}, header, rows)


if __name__ == "__main__":
    main()
