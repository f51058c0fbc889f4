"""Similar pairs: how much accuracy is lost where chosen and rejected are alike?

    accuracy per quantile bin of similarity;  slope = Cov(right, similarity)/Var(similarity)

How to read it: the slope is accuracy gained per unit of similarity, so below 0 where alike pairs
are harder; with a similarity in [0, 1] it is about the accuracy of copies less that of strangers.
Alike pairs are also noisier in their labels, so compare models on the same pairs rather than
with 0. Healthy: well above one half in the most similar bin, and no steeper than the baseline.
Any similarity will do that no judged model made, such as `trueward.data.similarity.bigram_cosine`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike

from trueward.diagnostics.columns import columns
from trueward.errors import InputError

BINS = 5


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


def similar_pair_accuracy(
    chosen: ArrayLike, rejected: ArrayLike, similarity: ArrayLike, *, bins: int = BINS
) -> SimilarPairs:
    """Share of pairs ranked right, a tie being wrong, by how alike their responses are.

    Pairs of equal similarity share a bin, so there may be fewer bins than asked for, of unequal n.

    Args:
        chosen: rewards of the chosen responses, in logits.
        rejected: rewards of the rejected ones.
        similarity: of the two responses of each pair.
        bins: quantile bins to cut into.

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
    return SimilarPairs(
        bins=tuple(_bin(alike[slots == s], correct[slots == s]) for s in np.unique(slots)),
        slope=_slope(alike, correct),
        accuracy=float(correct.mean()),
        correct=correct.tolist(),
    )


def _bin(alike: ndarray, correct: ndarray) -> SimilarityBin:
    return SimilarityBin(float(alike.min()), float(alike.max()), alike.size, float(correct.mean()))


def _slope(alike: ndarray, correct: ndarray) -> float:
    if np.ptp(alike) == 0:
        return math.nan
    centred = alike - alike.mean()
    return float(centred @ correct / (centred @ centred))
