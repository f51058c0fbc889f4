"""Pairs per second of TRL's `RewardTrainer` and of Trueward's, in turns, on the same batches.

    python benchmarks/training_throughput.py --models decoder-17m minilm --profiles chat long

Each round trains the same few steps with both. `limit` is a dense forward and backward pass over
as many tokens as the batch has different ones, in full rows of the mean length: no trainer can be
faster without changing the model.
"""

import argparse
import copy
import tempfile
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
import trl
from common import alternate, ratio_summary, write
from memory import peak_memory
from transformers import PrinterCallback
from transformers.utils import logging as hf_logging
from workloads import PROFILES, encoded, workload

from trueward.training import RewardConfig, RewardTrainer


class Candidate:
    """One trainer, trained for a few steps at each call; every call takes other batches."""

    def __init__(self, kind: type, config: type, model: Any, tokenizer: Any, data: Any, args: Any):
        self.args, self.rounds, self.tokens, self.losses = args, 0, 0, []
        settings = {
            "per_device_train_batch_size": args.pairs,
            "max_steps": args.steps,
            "max_length": args.max_length,
            "gradient_checkpointing": False,
            "use_cpu": args.device == "cpu",
            "bf16": args.device != "cpu",
            "learning_rate": 1e-5,
            "report_to": "none",
            "logging_steps": 1,
            "save_strategy": "no",
            "disable_tqdm": True,
        }
        folder = tempfile.mkdtemp()
        self.trainer = kind(
            copy.deepcopy(model),
            config(folder, **settings),
            train_dataset=data,
            processing_class=tokenizer,
        )
        self.trainer.remove_callback(PrinterCallback)
        embedding = self.trainer.model.get_input_embeddings()
        embedding.register_forward_pre_hook(self._count)

    def _count(self, _module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        self.tokens += inputs[0].numel()

    def __call__(self) -> None:
        self.trainer.args.seed = self.trainer.args.data_seed = self.rounds
        self.tokens = 0
        self.trainer.train()
        self.rounds += 1
        self.losses += [r["loss"] for r in self.trainer.state.log_history if "loss" in r]


def dense_limit(model: Any, tokens: int, length: int, device: str) -> Any:
    """A forward and backward pass over full rows, as a function to time."""
    model = copy.deepcopy(model).to(device)
    rows = max(1, round(tokens / length))
    ids = torch.randint(10, 1000, (rows, length), device=device)

    def run() -> None:
        model.zero_grad(set_to_none=True)
        model(input_ids=ids).logits.sum().backward()

    return run, rows * length


def measure(name: str, profile: str, args: argparse.Namespace) -> dict[str, Any]:
    model, tokenizer = workload(name, profile, args.device)
    args.max_length = 512 if name == "minilm" else 1024
    data = encoded(tokenizer, profile, args.pairs * args.steps * (args.rounds + 1), args.max_length)
    theirs = Candidate(trl.RewardTrainer, trl.RewardConfig, model, tokenizer, data, args)
    ours = Candidate(RewardTrainer, RewardConfig, model, tokenizer, data, args)
    if args.only:
        {"trl": theirs, "trueward": ours}[args.only]()
        return {}
    seconds = alternate({"trl": theirs, "trueward": ours}, args.rounds)
    sides = data["chosen_ids"][:] + data["rejected_ids"][:]
    per_step = ours.tokens // args.steps
    limit, dense_tokens = dense_limit(
        model, per_step, sum(map(len, sides)) // len(sides), args.device
    )
    dense = median(alternate({"dense": limit}, args.rounds)["dense"]) / dense_tokens
    pairs = args.pairs * args.steps
    worst = max(abs(a - b) / abs(a) for a, b in zip(theirs.losses, ours.losses, strict=True))
    return {
        "model": name,
        "profile": profile,
        "layout": ours.trainer._read.layout,
        "pairs_per_second": {k: pairs / median(v) for k, v in seconds.items()},
        "tokens_per_pair": {"trl": theirs.tokens / pairs, "trueward": ours.tokens / pairs},
        "ratio": ratio_summary(seconds["trl"], seconds["trueward"]),
        "share_of_limit": dense * ours.tokens / median(seconds["trueward"]),
        "largest_relative_loss_difference": worst,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["decoder-17m", "minilm"])
    parser.add_argument("--profiles", nargs="+", default=list(PROFILES), choices=PROFILES)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3, help="optimizer steps a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", choices=["trl", "trueward"], help=argparse.SUPPRESS)
    parser.add_argument(
        "--memory_pairs", type=int, default=8, help="pairs of the peak memory's step"
    )
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    hf_logging.set_verbosity_error()
    results = []
    for model, profile in product(args.models, args.profiles):
        results.append(measure(model, profile, args))
        print(row(results[-1]) if results[-1] else "", flush=True)
    if args.only:
        return
    if not args.no_memory:
        for result in results:
            which = ["--models", result["model"], "--profiles", result["profile"]]
            run = [__file__, *which, "--device", args.device, "--steps", "1", "--rounds", "1"]
            run += ["--pairs", str(args.memory_pairs)]
            kinds = ("trl", "trueward")
            result["peak_mib"] = {k: peak_memory([*run, "--only", k]) for k in kinds}
    header = ["model", "lengths", "TRL → ours, pairs/s", "ratio", "tokens a pair", "limit", "MiB"]
    rows = [row(result) for result in results]
    write(args.out, {"benchmark": "training_throughput", "results": results}, header, rows)
    worst = max(result["largest_relative_loss_difference"] for result in results)
    print(f"largest relative difference of a step's loss: {worst:.1e}")


def row(result: dict[str, Any]) -> list[str]:
    speed, tokens, ratio = (result[k] for k in ("pairs_per_second", "tokens_per_pair", "ratio"))
    peak = result.get("peak_mib", {"trl": 0, "trueward": 0})
    return [
        result["model"],
        f"{result['profile']} ({result['layout']})",
        f"{speed['trl']:.2f} → {speed['trueward']:.2f}",
        f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]",
        f"{tokens['trl']:.0f} → {tokens['trueward']:.0f}",
        f"{result['share_of_limit']:.2f}",
        f"{peak['trl']:.0f} → {peak['trueward']:.0f}",
    ]


if __name__ == "__main__":
    main()
