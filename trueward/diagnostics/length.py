"""Length bias: does the reward follow the number of tokens?

How to read it: correlations near 0 mean that length does not decide, near ±1 that it does. The
raw one also contains that some prompts call for longer answers and are scored higher; with the
prompt effect removed it compares responses to the same prompt only, which is what best-of-n and
RL exploit. Healthy: near the same correlation of the gold score, where there is one; the sign
alone says nothing. Accuracy on pairs whose chosen side is the shorter one is the sharpest check:
a length detector scores 0 there, a fair judge about what it scores on all pairs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.stats import pearsonr, spearmanr

from trueward.diagnostics.columns import columns
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
    """Accuracy on the pairs whose chosen side has fewer tokens, and how many they are."""

    accuracy: float
    pairs: int


def length_correlation(
    rewards: ArrayLike, lengths: ArrayLike, prompts: Sequence[str]
) -> LengthCorrelation:
    """Pearson's and Spearman's correlation of reward and length, raw and within prompts.

    Args:
        rewards: in logits, one a response.
        lengths: in tokens, of the same responses.
        prompts: the prompt each response answers.

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
    """Share of pairs ranked right (a tie is wrong) among those whose chosen side is shorter.

    Args:
        chosen: rewards of the chosen responses, in logits.
        rejected: rewards of the rejected ones.
        chosen_lengths: tokens of the chosen responses.
        rejected_lengths: tokens of the rejected ones.

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
    shorter = long_plus < long_minus
    right = (plus > minus)[shorter]
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
