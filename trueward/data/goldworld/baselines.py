"""Judges to stand beside every model: length alone, and the gold itself."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trueward.data.goldworld.gold import score_text, word_count

if TYPE_CHECKING:
    from datasets import Dataset

Judge = Callable[[Sequence[str], Sequence[str]], list[float]]
"""Scores of responses under their prompts: (prompts, responses) -> scores."""


def length_judge(train: "Dataset") -> Judge:
    """Score ±words, with the sign that fits more of the training pairs (+ on a draw)."""
    votes = [
        (word_count(chosen) > word_count(rejected)) - (word_count(chosen) < word_count(rejected))
        for chosen, rejected in zip(train["chosen"], train["rejected"], strict=True)
    ]
    sign = 1.0 if sum(votes) >= 0 else -1.0
    return lambda prompts, responses: [sign * word_count(text) for text in responses]


def oracle_judge(prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
    """Score r* itself: the ceiling of every judge."""
    return [score_text(prompt, text) for prompt, text in zip(prompts, responses, strict=True)]
