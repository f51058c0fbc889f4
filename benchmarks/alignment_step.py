"""Seconds of an RLOO step with `Scorer` as the reward, and with TRL's own reward-model path.

    python benchmarks/alignment_step.py --device cpu

Two `trl.RLOOTrainer`s with the same policy, reward model, prompts and seeds take turns: one is
given the reward model itself, the other `reward_function(Scorer(model))`. The reward part is what
TRL spends in `_calculate_rewards`: text, token ids, rewards. The policy has random weights, so
every completion is as long as it may be, and TRL pads the prompts only.
"""

import argparse
import copy
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
import trl
from common import alternate, ratio_summary, write
from datasets import Dataset
from transformers import AutoModelForCausalLM, PrinterCallback, Qwen2Config
from transformers.utils import logging as hf_logging
from workloads import texts, workload

from trueward.alignment import reward_function
from trueward.scorer import Scorer


class Candidate:
    """A trainer that takes one optimizer step at each call, with other prompts each time."""

    def __init__(self, policy: str, tokenizer: Any, rewards: dict[str, Any], args: Any) -> None:
        self.calls, self.reward_seconds, self.rewards = 0, [], []
        config = trl.RLOOConfig(
            tempfile.mkdtemp(),
            per_device_train_batch_size=args.prompts * args.generations,
            num_generations=args.generations,
            max_completion_length=args.completion,
            max_steps=1,
            learning_rate=0.0,
            gradient_checkpointing=False,
            use_cpu=args.device == "cpu",
            bf16=args.device != "cpu",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        self.trainer = trl.RLOOTrainer(
            model=policy,
            args=config,
            train_dataset=prompts(args),
            processing_class=copy.deepcopy(tokenizer),
            **rewards,
        )
        self.trainer.remove_callback(PrinterCallback)
        self._rewards = self.trainer._calculate_rewards
        self.trainer._calculate_rewards = self._timed

    def _timed(self, *inputs: Any) -> torch.Tensor:
        start = perf_counter()
        found = self._rewards(*inputs)
        self.rewards.append(found[:, 0].cpu())
        self.reward_seconds.append(perf_counter() - start)
        return found

    def __call__(self) -> None:
        torch.manual_seed(self.calls)  # so that both draw the same completions
        self.trainer.train()
        self.calls += 1


def prompts(args: argparse.Namespace) -> Dataset:
    """Transcripts of several turns up to the answer, those of a moderate length."""
    starts = [
        chosen.rpartition("Assistant:")[0] + "Assistant: " for chosen, _ in texts("chat", 2000)
    ]
    fitting = [start for start in starts if 200 <= len(start) <= args.characters]
    return Dataset.from_dict({"prompt": fitting[: args.prompts * (args.rounds + 1)]})


def policy_like(reward_model: Any) -> str:
    """The folder of a policy of random weights in the reward model's shape."""
    shape = reward_model.config.to_dict()
    for name in ("architectures", "num_labels", "id2label", "label2id", "use_cache"):
        shape.pop(name, None)
    torch.manual_seed(1)
    config = Qwen2Config(**shape, use_cache=True)
    folder = tempfile.mkdtemp()
    AutoModelForCausalLM.from_config(config, dtype=reward_model.dtype).save_pretrained(folder)
    return folder


def measure(args: argparse.Namespace) -> dict[str, Any]:
    model, tokenizer = workload(args.model, "chat", args.device)
    model.to(args.device).eval()
    policy = policy_like(model)
    scorer = Scorer(copy.deepcopy(model), copy.deepcopy(tokenizer), max_length=4096)
    scorer.encoder.tokenizer.eos_token = None  # TRL scores the bare text
    own = {"reward_funcs": reward_function(scorer)}
    theirs = {"reward_funcs": model, "reward_processing_classes": copy.deepcopy(tokenizer)}
    sides = {
        "trl": Candidate(policy, tokenizer, theirs, args),
        "trueward": Candidate(policy, tokenizer, own, args),
    }
    seconds = alternate(sides, args.rounds)
    parts = {name: side.reward_seconds[1:] for name, side in sides.items()}
    rewards = [torch.cat(side.rewards) for side in sides.values()]
    return {
        "model": args.model,
        "prompts": args.prompts,
        "generations": args.generations,
        "completion": args.completion,
        "seconds": {name: median(of) for name, of in seconds.items()},
        "reward_seconds": {name: median(of) for name, of in parts.items()},
        "ratio": ratio_summary(seconds["trl"], seconds["trueward"]),
        "reward_ratio": ratio_summary(parts["trl"], parts["trueward"]),
        "largest_difference": float((rewards[0] - rewards[1]).abs().max()),
        "rounds": {"seconds": seconds, "reward_seconds": parts},
    }


def rows(result: dict[str, Any]) -> list[list[str]]:
    found = []
    for part, prefix in (("whole step", ""), ("reward part", "reward_")):
        seconds, ratio = result[f"{prefix}seconds"], result[f"{prefix}ratio"]
        found.append(
            [
                part,
                f"{seconds['trl']:.2f} → {seconds['trueward']:.2f}",
                f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]",
                f"{result['largest_difference']:.0e}",
            ]
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="decoder-17m")
    parser.add_argument("--prompts", type=int, default=2, help="prompts a step")
    parser.add_argument("--generations", type=int, default=8, help="responses a prompt")
    parser.add_argument("--completion", type=int, default=64, help="tokens of a response")
    parser.add_argument("--characters", type=int, default=2000, help="of the longest prompt")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    hf_logging.set_verbosity_error()
    result = measure(args)
    header = ["part", "TRL → ours, seconds", "ratio", "largest difference of a reward"]
    write(args.out, {"benchmark": "alignment_step", "results": [result]}, header, rows(result))


if __name__ == "__main__":
    main()
