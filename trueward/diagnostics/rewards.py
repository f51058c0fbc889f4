"""Rewards by source: does the model favour a response model as such?

    per source: n, mean, std, quantiles, counts over bins that all sources share

How to read it: overlapping distributions whose order is that of the sources' known quality.
Compare sources that answered the same prompts, or take each prompt's mean off first. Healthy: a
spread of the same size for every source, and an order of means like that of a gold score. A source
far above all others that is not better, or one whose rewards hardly vary, is scored by its style;
a lone second hump is often one kind of prompt or a format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from trueward.diagnostics.columns import column
from trueward.diagnostics.histogram import Histogram
from trueward.errors import DataError, InputError

BINS = 40
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


def reward_distributions(
    rewards: ArrayLike,
    sources: Sequence[str],
    *,
    levels: Sequence[float] = LEVELS,
    bins: int = BINS,
) -> dict[str, RewardDistribution]:
    """Each source's distribution, in order of first appearance; histograms share their edges.

    Args:
        rewards: in logits, one a response.
        sources: what wrote each response.
        levels: of the quantiles, in [0, 1].
        bins: of the histograms, of equal width from the lowest to the highest reward of all.

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
