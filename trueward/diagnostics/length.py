"""Length bias: does the reward follow the number of tokens?

The raw correlation also contains that some prompts call for longer answers and are scored higher;
within prompts it compares responses to one prompt only, which is what best-of-n and RL exploit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.stats import pearsonr, spearmanr

from trueward.diagnostics.rewards import columns
from trueward.errors import DataError


@dataclass(frozen=True)
class LengthCorrelation:
    """Correlations of reward with token count; NaN where one side is constant."""

    pearson: float
    spearman: float
    pearson_within: float
    """With each prompt's mean reward and mean length taken off first."""
    spearman_within: float


@dataclass(frozen=True)
class ShorterChosen:
    """Accuracy on the pairs whose chosen side has fewer tokens, and the number of these pairs."""

    accuracy: float
    pairs: int


def length_correlation(
    rewards: ArrayLike, lengths: ArrayLike, prompts: Sequence[str]
) -> LengthCorrelation:
    """Return Pearson's and Spearman's correlation of reward and length, raw and within prompts.

    Rewards are in logits, lengths in tokens; `prompts` names the prompt of each response.

    Raises:
        DataError: if the three differ in length or are empty, or a number is not finite.
    """
    reward, length = columns("length correlation", {"rewards": rewards, "lengths": lengths})
    if reward.size != len(prompts):
        raise DataError(
            f"length correlation: got {reward.size} rewards and lengths and {len(prompts)} "
            "prompts; give one of each for every item"
        )
    _, slots = np.unique(np.asarray(prompts), return_inverse=True)
    inner_reward, inner_length = _without_means(reward, slots), _without_means(length, slots)
    return LengthCorrelation(
        pearson=_correlation(reward, length, pearsonr),
        spearman=_correlation(reward, length, spearmanr),
        pearson_within=_correlation(inner_reward, inner_length, pearsonr),
        spearman_within=_correlation(inner_reward, inner_length, spearmanr),
    )


def accuracy_when_shorter_chosen(
    chosen: ArrayLike, rejected: ArrayLike, chosen_lengths: ArrayLike, rejected_lengths: ArrayLike
) -> ShorterChosen:
    """Return the share of pairs ranked right (a tie is wrong) where the chosen side is shorter.

    Rewards are in logits, lengths in tokens. The share is NaN where there is no such pair.

    Raises:
        DataError: if the four differ in length or are empty, or a number is not finite.
    """
    plus, minus, long_plus, long_minus = columns(
        "length accuracy",
        {
            "chosen rewards": chosen,
            "rejected rewards": rejected,
            "chosen lengths": chosen_lengths,
            "rejected lengths": rejected_lengths,
        },
    )
    right = (plus > minus)[long_plus < long_minus]
    return ShorterChosen(float(right.mean()) if right.size else math.nan, int(right.size))


def _without_means(values: ndarray, slots: ndarray) -> ndarray:
    means = np.bincount(slots, weights=values) / np.bincount(slots)
    centred = values - means[slots]
    # what is left of equal values after rounding is not a difference
    return np.where(np.abs(centred) < 1e-12 * np.abs(values), 0.0, centred)


def _correlation(a: ndarray, b: ndarray, kind: Callable[..., Any]) -> float:
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(kind(a, b).statistic)
