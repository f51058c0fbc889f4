"""Time that an objective adds to a step of plain Bradley–Terry: same model, same batch, in turns.

    python benchmarks/objective_overhead.py

Times forward, objective, backward; and the objective alone, whose excess over Bradley–Terry's, as
a share of the step, shows what the noise of whole steps hides. Prompt contrast also adds tokens;
its time is to be held against those.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from common import alternate, ratio_summary, write
from workloads import encoded, workload

from trueward.models import ReadOut, attend_over_trees, read_trees
from trueward.objectives import objective
from trueward.training.batch import PairCollator, pair_scores
from trueward.training.order import with_lent_prompts

SPECS = ("bsr", "aplot", "normbt", "aplot + bsr", "triplet + aplot", "bt + contrast")


class Step:
    """Forward, objective and backward of one batch."""

    def __init__(self, model: Any, rows: list[dict[str, Any]], spec: str) -> None:
        self.model, self.objective, self.state = model, objective(spec), {}
        self.foreign = "foreign" in self.objective.needs
        device = next(model.parameters()).device
        rows = list(with_lent_prompts(rows, "benchmark")) if self.foreign else rows
        self.trees = PairCollator(0, trees=True, row_tokens=2048)(rows)["trees"].to(device)

    def __call__(self) -> None:
        self.model.zero_grad(set_to_none=True)
        read = read_trees(self.model, self.trees)
        out = self.objective(pair_scores(read, {}, foreign=self.foreign), self.state)
        self.state = dict(out.state)
        out.loss.backward()


def alone(step: Step) -> Callable[[], None]:
    """The objective's own forward and backward pass, 20 times, on scores that are there."""
    with torch.no_grad():
        read = read_trees(step.model, step.trees)
    leaves = ReadOut(read.rewards.requires_grad_(), read.hidden.requires_grad_())
    scores = pair_scores(leaves, {}, foreign=step.foreign)

    def run() -> None:
        for _ in range(20):
            step.objective(scores, {}).loss.backward(retain_graph=True)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="decoder-17m")
    parser.add_argument("--profile", default="chat")
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cpu-time", action="store_true", help="time the process, not the wall")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    model, tokenizer = workload(args.model, args.profile, args.device)
    model.to(args.device)
    attend_over_trees(model)
    rows = list(encoded(tokenizer, args.profile, args.pairs, 1024))
    steps = {spec: Step(model, rows, spec) for spec in ("bt", *SPECS)}
    clock = process_time if args.cpu_time else perf_counter
    seconds = alternate(steps, args.rounds, clock)
    own = {spec: alone(step) for spec, step in steps.items()}
    alone_seconds = {k: median(v) / 20 for k, v in alternate(own, 15, clock).items()}
    whole = median(seconds["bt"])
    tokens = {spec: step.trees.tokens for spec, step in steps.items()}
    results = [
        {
            "objective": spec,
            "time": ratio_summary(seconds[spec], seconds["bt"]),
            "tokens": tokens[spec] / tokens["bt"],
            "objective_ms": 1e3 * alone_seconds[spec],
            "share_of_step": (alone_seconds[spec] - alone_seconds["bt"]) / whole,
        }
        for spec in SPECS
    ]
    rows_out = [
        [
            r["objective"],
            f"{r['time']['median']:.3f} [{r['time']['min']:.3f}, {r['time']['max']:.3f}]",
            f"{r['tokens']:.3f}",
            f"{r['objective_ms']:.2f}",
            f"{r['share_of_step']:.3%}",
        ]
        for r in results
    ]
    header = ["objective", "time / bt", "tokens / bt", "alone, ms", "of a step"]
    document = {"benchmark": "objective_overhead", "results": results, "seconds": seconds}
    write(args.out, document, header, rows_out)


if __name__ == "__main__":
    main()
