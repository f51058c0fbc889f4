"""Rewards by source and similarity: is a response model favoured, are alike responses told apart?

    per source: n, mean, std, quantiles, counts over bins that all sources share
    accuracy per quantile bin of similarity;  slope = Cov(right, similarity)/Var(similarity)

Any similarity will do that no judged model made, such as `trueward.data.bigram_cosine`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from trueward.diagnostics.norms import BINS, Histogram
from trueward.errors import DataError, InputError

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class RewardDistribution:
    """One source's rewards, in logits."""

    n: int
    mean: float
    std: float
    """Population standard deviation."""
    quantiles: Mapping[float, float]
    """By level, linear between order statistics."""
    histogram: Histogram


@dataclass(frozen=True)
class SimilarityBin:
    """The pairs of one range of similarity."""

    low: float
    high: float
    """Lowest and highest similarity in it."""
    n: int
    accuracy: float


@dataclass(frozen=True)
class SimilarPairs:
    """Accuracy as a function of similarity."""

    bins: tuple[SimilarityBin, ...]
    """From the least to the most similar."""
    slope: float
    """NaN where all pairs are equally similar."""
    accuracy: float
    correct: Sequence[float]
    """1 or 0 a pair, in the order given: a tie is wrong."""


def column(where: str, name: str, values: ArrayLike) -> Float[ndarray, " rows"]:
    """Return the values in float64; `where` and `name` (of diagnostic and column) are for messages.

    Raises:
        DataError: if they are not one row of numbers, at least one and all finite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where}: {name} are not all numbers; give one number an item") from None
    if array.ndim != 1 or not array.size:
        raise DataError(
            f"{where}: expected {name} as one row of numbers, at least one; got shape {array.shape}"
        )
    wrong = np.flatnonzero(~np.isfinite(array))
    if wrong.size:
        raise DataError(
            f"{where}: {wrong.size} of {array.size} {name} are not finite, the first in row "
            f"{wrong[0]} ({array[wrong[0]]}); check that the model did not diverge"
        )
    return array


def columns(where: str, values: Mapping[str, ArrayLike]) -> tuple[Float[ndarray, " rows"], ...]:
    """Return each as `column` does, in the order given; DataError too if their lengths differ."""
    arrays = tuple(column(where, name, one) for name, one in values.items())
    if len({array.size for array in arrays}) > 1:
        got = ", ".join(f"{a.size} {name}" for name, a in zip(values, arrays, strict=True))
        raise DataError(f"{where}: got {got}; give one of each for every item")
    return arrays


def reward_distributions(
    rewards: ArrayLike,
    sources: Sequence[str],
    *,
    levels: Sequence[float] = LEVELS,
    bins: int = BINS,
) -> dict[str, RewardDistribution]:
    """Summarise each source's rewards, in order of first appearance; histograms share their edges.

    Rewards are in logits, `levels` of quantiles in [0, 1], and the histograms' `bins` of equal
    width from the lowest to the highest reward of all.

    Raises:
        DataError: if lengths differ or are 0, or a reward is not finite.
        InputError: if a level is outside [0, 1] or there is no bin.
    """
    values = column("reward distribution", "rewards", rewards)
    if values.size != len(sources):
        raise DataError(
            f"reward distribution: got {values.size} rewards and {len(sources)} sources; "
            "give one of each for every item"
        )
    if bins < 1 or not all(0 <= level <= 1 for level in levels):
        raise InputError(
            f"reward distribution: expected levels in [0, 1] and at least one bin, "
            f"got levels {list(levels)} and {bins} bins"
        )
    edges = np.histogram_bin_edges(values, bins=bins)
    names, slots = list(dict.fromkeys(sources)), np.asarray(sources)
    return {name: _distribution(values[slots == name], levels, edges) for name in names}


def _distribution(values: ndarray, levels: Sequence[float], edges: ndarray) -> RewardDistribution:
    counts, _ = np.histogram(values, bins=edges)
    return RewardDistribution(
        n=values.size,
        mean=float(values.mean()),
        std=float(values.std()),
        quantiles={level: float(np.quantile(values, level)) for level in levels},
        histogram=Histogram(edges.tolist(), counts.tolist()),
    )


def similar_pair_accuracy(
    chosen: ArrayLike, rejected: ArrayLike, similarity: ArrayLike, *, bins: int = 5
) -> SimilarPairs:
    """Return the share of pairs ranked right, a tie being wrong, by similarity of the responses.

    Rewards are in logits. Pairs of equal similarity share a quantile bin, so there may be fewer
    bins than asked for, of unequal n.

    Raises:
        DataError: if the three differ in length or are empty, or a number is not finite.
        InputError: if there is no bin.
    """
    plus, minus, alike = columns(
        "similar pairs",
        {"chosen rewards": chosen, "rejected rewards": rejected, "similarities": similarity},
    )
    if bins < 1:
        raise InputError(f"similar pairs: expected at least one bin, got {bins}")
    correct = (plus > minus).astype(np.float64)
    edges = np.quantile(alike, np.linspace(0, 1, bins + 1)[1:-1])
    slots = np.searchsorted(edges, alike, side="left")
    centred = alike - alike.mean()
    return SimilarPairs(
        bins=tuple(_bin(alike[slots == s], correct[slots == s]) for s in np.unique(slots)),
        slope=float(centred @ correct / (centred @ centred)) if np.ptp(alike) else math.nan,
        accuracy=float(correct.mean()),
        correct=correct.tolist(),
    )


def _bin(alike: ndarray, correct: ndarray) -> SimilarityBin:
    return SimilarityBin(float(alike.min()), float(alike.max()), alike.size, float(correct.mean()))
