"""The declared metrics of a comparison: their names, their words and their order."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric with one value a pair or a prompt; of every metric, higher is better."""

    name: str
    title: str
    short: str
    meaning: str


_TAU = "Kendall τ of reward against gold score per prompt, mean over prompts: "

METRICS = (
    Metric(
        "accuracy_in_domain",
        "In-domain accuracy",
        "accuracy",
        "share of held-out pairs of training prompts and response sources ranked right",
    ),
    Metric(
        "accuracy_similar",
        "Accuracy on similar pairs",
        "similar",
        "share of pairs of nearly equal responses ranked right",
    ),
    Metric(
        "tau_in_domain", "τ in-domain", "τ in-dom.", _TAU + "training prompts and response sources"
    ),
    Metric("tau_prompt_disjoint", "τ prompt-disjoint", "τ prompt", _TAU + "new prompts"),
    Metric(
        "tau_response_disjoint",
        "τ response-disjoint",
        "τ response",
        _TAU + "new response sources",
    ),
    Metric(
        "tau_mutual_disjoint",
        "τ mutual-disjoint",
        "τ mutual",
        _TAU + "new prompts and new response sources",
    ),
)
"""In the order in which tables show them."""


def metric(name: str) -> Metric:
    """The declared metric of that name, or one that uses the name as its words."""
    for declared in METRICS:
        if declared.name == name:
            return declared
    words = name.replace("_", " ").replace("tau ", "τ ")
    return Metric(name, words, words, words)


def in_order(names: Iterable[str]) -> list[str]:
    """Metric names without repeats: declared ones first, in their order, then the others."""
    given = list(dict.fromkeys(names))
    declared = [m.name for m in METRICS]
    return [n for n in declared if n in given] + [n for n in given if n not in declared]
