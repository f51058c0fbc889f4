"""Responses per second of `Scorer` and of a plain loop: batches of 8, in order, padded.

    python benchmarks/scoring_throughput.py

The loop is what the `rewardbench` package does with a sequence classifier. `rm-bench` has six
responses a prompt, `best-of-16` sixteen. Both sides tokenize, and give the same scores.
"""

import argparse
import json
import random
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from common import alternate, ratio_summary, write
from datasets import load_dataset
from workloads import DATA, workload

from trueward.scorer import Scorer

Groups = list[tuple[str, list[str]]]


def rm_bench(prompts: int) -> Groups:
    rows = [
        row
        for domain in ("chat", "code", "safety-refuse", "safety-response")
        for row in json.loads((DATA / f"rmbench/{domain}_filtered.json").read_text())
    ]
    random.Random(0).shuffle(rows)
    return [(r["prompt"] + "\n\n", [*r["chosen"], *r["rejected"]]) for r in rows[:prompts]]


def best_of_16(prompts: int) -> Groups:
    path = str(DATA / "alpaca_eval/responses.parquet")
    rows = load_dataset("parquet", data_files=path, split="train")
    answers: dict[str, list[str]] = {}
    for prompt, output in zip(rows["instruction"], rows["output"], strict=True):
        answers.setdefault(prompt, []).append(output)
    rng = random.Random(0)
    chosen = rng.sample(sorted(answers), prompts)
    return [(prompt + "\n\n", rng.sample(answers[prompt], 16)) for prompt in chosen]


WORKLOADS = {"rm-bench": (rm_bench, 20), "best-of-16": (best_of_16, 8)}


def plain_loop(model: Any, tokenizer: Any, texts: list[str], max_length: int) -> list[float]:
    """A batch of eight after another, padded to its longest."""
    scores: list[float] = []
    tokenizer.padding_side = "right"
    with torch.no_grad():
        for start in range(0, len(texts), 8):
            batch = tokenizer(
                texts[start : start + 8],
                padding=True,
                truncation=True,
                max_length=max_length,
                return_tensors="pt",
            ).to(model.device)
            batch.pop("token_type_ids", None)
            scores += model(**batch).logits[:, 0].tolist()
    return scores


def measure(name: str, data: str, args: argparse.Namespace) -> dict[str, Any]:
    model, tokenizer = workload(name, "long", args.device)
    model.to(args.device).eval()
    make, prompts = WORKLOADS[data]
    groups = make(args.prompts or prompts)
    limit = 512 if name == "minilm" else 2048
    tokenizer.eos_token = None  # so that both sides score the bare text
    scorer = Scorer(model, tokenizer, max_length=limit, truncation="truncate_right")
    texts = [prompt + response for prompt, responses in groups for response in responses]
    asked, given = zip(*groups, strict=True)
    results: dict[str, list[float]] = {}
    tokens = {"loop": 0, "trueward": 0}

    def count(who: str) -> Any:
        def add(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            tokens[who] += inputs[0].numel()

        return model.get_input_embeddings().register_forward_pre_hook(add)

    def ours() -> None:
        scores = scorer.score_groups(asked, given)
        results["trueward"] = [score for group in scores for score in group]

    def theirs() -> None:
        results["loop"] = plain_loop(model, tokenizer, texts, limit)

    clock = process_time if args.cpu_time else perf_counter
    seconds = alternate({"loop": theirs, "trueward": ours}, args.rounds, clock)
    for who, run in (("loop", theirs), ("trueward", ours)):
        hook = count(who)
        run()
        hook.remove()
    pairs = zip(results["loop"], results["trueward"], strict=True)
    return {
        "model": name,
        "data": data,
        "responses": len(texts),
        "responses_per_second": {k: len(texts) / median(v) for k, v in seconds.items()},
        "tokens": tokens,
        "ratio": ratio_summary(seconds["loop"], seconds["trueward"]),
        "largest_difference": max(abs(a - b) for a, b in pairs),
        "seconds": seconds,
    }


def row(result: dict[str, Any]) -> list[str]:
    speed, ratio, tokens = (result[k] for k in ("responses_per_second", "ratio", "tokens"))
    return [
        result["model"],
        result["data"],
        f"{speed['loop']:.1f} → {speed['trueward']:.1f}",
        f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]",
        f"{tokens['loop']:,} → {tokens['trueward']:,}",
        f"{result['largest_difference']:.0e}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["decoder-17m", "minilm"])
    parser.add_argument("--data", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--prompts", type=int, help="prompts instead of 20 and 8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cpu-time", action="store_true", help="time the process, not the wall")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = [measure(m, d, args) for m in args.models for d in args.data]
    rows = [row(result) for result in results]
    header = ["model", "data", "loop → ours, responses/s", "ratio", "tokens", "largest difference"]
    write(args.out, {"benchmark": "scoring_throughput", "results": results}, header, rows)


if __name__ == "__main__":
    main()
