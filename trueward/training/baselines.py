"""Scorers that learn nothing, to stand beside every model: length alone, and the gold itself."""

from collections.abc import Mapping, Sequence

import numpy as np
from datasets import Dataset

from trueward.metrics import kendall_per_prompt, pair_accuracy
from trueward.types import Scenarios


def baselines(scenarios: Scenarios) -> dict[str, dict[str, float]]:
    """Means of `length` (± number of words, the sign that fits the training pairs) and `oracle`."""
    sign = _length_sign(scenarios.train)
    pair_sets = {"in_domain": scenarios.in_domain_pairs}
    if scenarios.similar_pairs is not None and len(scenarios.similar_pairs):
        pair_sets["similar"] = scenarios.similar_pairs
    length: dict[str, float] = {}
    oracle: dict[str, float] = {}
    for name, pairs in pair_sets.items():
        words = [[sign * _words(a) for a in pairs[side]] for side in ("chosen", "rejected")]
        length[f"accuracy_{name}"] = float(pair_accuracy(*words).mean())
        gold = (pairs["chosen_score"][:], pairs["rejected_score"][:])
        oracle[f"accuracy_{name}"] = float(pair_accuracy(*gold).mean())
    for name, groups in scenarios.groups().items():
        gold_scores = groups["scores"][:]
        lengths = [[sign * _words(r) for r in group] for group in groups["responses"]]
        length[f"tau_{name}"] = _mean_tau(lengths, gold_scores)
        oracle[f"tau_{name}"] = _mean_tau(gold_scores, gold_scores)
    return {"length": length, "oracle": oracle}


def _length_sign(train: Mapping[str, Sequence[str]] | Dataset) -> float:
    longer = [
        np.sign(_words(chosen) - _words(rejected))
        for chosen, rejected in zip(train["chosen"], train["rejected"], strict=True)
    ]
    return 1.0 if sum(longer) >= 0 else -1.0


def _words(response: str | list[dict[str, str]]) -> int:
    if isinstance(response, str):
        return len(response.split())
    return sum(len(turn["content"].split()) for turn in response)


def _mean_tau(scores: list[list[float]], gold: list[list[float]]) -> float:
    return float(np.nanmean(kendall_per_prompt(scores, gold)))
