"""Kendall's τ per prompt: do the rewards order a prompt's responses as the gold scores do?"""

import math
from collections.abc import Sequence

from scipy.stats import kendalltau

from trueward.errors import DataError


def kendall_per_prompt(
    rewards: Sequence[Sequence[float]], gold: Sequence[Sequence[float]]
) -> list[float]:
    """Kendall's τ-b between rewards and gold scores, one value a prompt.

    τ is undefined, and NaN here, where a side of the prompt holds fewer than two distinct values
    or a NaN; means skip and count such prompts.

    Args:
        rewards: for each prompt the rewards of its responses, in logits.
        gold: for each prompt the gold scores of the same responses.

    Raises:
        DataError: if the prompts, or the responses of one prompt, differ in number.
    """
    if len(rewards) != len(gold):
        raise DataError(
            f"Kendall τ: got rewards for {len(rewards)} prompts and gold scores for {len(gold)}; "
            "give both for every prompt"
        )
    return [_tau(row, a, b) for row, (a, b) in enumerate(zip(rewards, gold, strict=True))]


def _tau(row: int, rewards: Sequence[float], gold: Sequence[float]) -> float:
    if len(rewards) != len(gold):
        raise DataError(
            f"Kendall τ: prompt {row} has {len(rewards)} rewards and {len(gold)} gold scores; "
            "give one of each a response"
        )
    if any(map(math.isnan, (*rewards, *gold))) or min(len(set(rewards)), len(set(gold))) < 2:
        return math.nan
    return float(kendalltau(rewards, gold).statistic)
