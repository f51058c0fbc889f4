"""Norms and effective rank of hidden states: do they grow, spread, or fold into few directions?

A reward is r = ‖W‖‖h‖cos ψ, so a model can win pairs by growing ‖h‖ instead of turning it, and what
it grew on training inputs spreads on unseen ones. Where the backbone ends in an RMSNorm or
LayerNorm, ‖h‖ after it is pinned near √hidden: read the norms before it.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import entropy

from trueward.errors import DataError
from trueward.results import MomentsBlock, NormBlock, SplitNorms

BINS = 40


@dataclass(frozen=True)
class Histogram:
    """Counts between edges; one edge more than counts."""

    edges: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True)
class NormStatistics:
    """Mean, population standard deviation, std/mean and distribution of ‖h‖."""

    mean: float
    std: float
    cv: float
    histogram: Histogram


@dataclass(frozen=True)
class Moments:
    """Mean and population standard deviation."""

    mean: float
    std: float

    @property
    def cv(self) -> float:
        """Coefficient of variation, std/mean; NaN where the mean is 0."""
        return self.std / self.mean if self.mean > 0 else math.nan


@dataclass(frozen=True)
class NormShift:
    """Difference of a split's norms from the train split's: split minus train."""

    mean: float
    std: float
    cv: float
    relative_mean: float
    """Shift of the mean, as a share of the train split's mean."""


@dataclass(frozen=True)
class RankShift:
    """Effective rank of training and unseen inputs, taken over equally many rows of each."""

    train: float
    unseen: float
    difference: float
    """unseen − train; above 0 where new inputs leave the directions that training folded into."""
    rows: int
    """Rows of each side: those of the smaller one."""


def norm_statistics(hidden: Float[ndarray, "rows hidden"], bins: int = BINS) -> NormStatistics:
    """Summarise ‖h‖₂ over the rows, in float64.

    Raises:
        DataError: if there are no rows or a value is not finite.
    """
    norms = _norms(hidden)
    counts, edges = np.histogram(norms, bins=bins)
    found = Moments(float(norms.mean()), float(norms.std()))
    histogram = Histogram(edges.tolist(), counts.tolist())
    return NormStatistics(found.mean, found.std, found.cv, histogram)


def difference_statistics(
    chosen: Float[ndarray, "_ _"], rejected: Float[ndarray, "_ _"]
) -> Moments:
    """Summarise ‖h⁺ − h⁻‖₂ over pairs; both sides of shape (pairs, hidden).

    Raises:
        DataError: if there are no pairs, the sides differ in shape or a value is not finite.
    """
    plus, minus = np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
    if plus.shape != minus.shape:
        raise DataError(
            f"norms: got chosen states {plus.shape} and rejected ones {minus.shape}; "
            "give both sides of every pair"
        )
    norms = _norms(plus - minus)
    return Moments(float(norms.mean()), float(norms.std()))


def norm_shift(split: NormStatistics | Moments, train: NormStatistics | Moments) -> NormShift:
    """Return the shift of a split's norms, ‖h‖ or ‖h⁺ − h⁻‖, from the train split's."""
    return NormShift(
        mean=split.mean - train.mean,
        std=split.std - train.std,
        cv=split.cv - train.cv,
        relative_mean=split.mean / train.mean - 1 if train.mean > 0 else math.nan,
    )


def effective_rank(hidden: Float[ndarray, "rows hidden"]) -> float:
    """Return exp(−Σ p log p), p = σ/Σσ over the singular values of the matrix, not centred.

    From 1, where all rows are multiples of one vector, to min(rows, hidden), where all directions
    weigh alike; NaN for a matrix of zeros.
    Source: Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality.

    Raises:
        DataError: if there are no rows or a value is not finite.
    """
    states = np.asarray(hidden, dtype=np.float64)
    if states.ndim != 2 or not states.size or not np.isfinite(states).all():
        raise DataError(
            f"effective rank: expected finite hidden states of shape (rows, hidden), got shape "
            f"{states.shape}; check that the model did not diverge and the split is not empty"
        )
    singular = np.linalg.svd(states, compute_uv=False)
    return float(np.exp(entropy(singular))) if singular[0] > 0 else math.nan


def effective_rank_shift(
    train: Float[ndarray, "_ _"], unseen: Float[ndarray, "_ _"], *, seed: int = 0
) -> RankShift:
    """Compare the effective rank of training and unseen inputs, each of shape (rows, hidden).

    More rows raise the rank, so the larger side is cut to as many rows as the smaller one has,
    drawn by `seed` without replacement.

    Raises:
        DataError: if a side has no rows, a value is not finite, or hidden sizes differ.
    """
    sides = np.asarray(train, dtype=np.float64), np.asarray(unseen, dtype=np.float64)
    if sides[0].shape[1:] != sides[1].shape[1:] or sides[0].ndim != 2:
        raise DataError(
            f"effective rank: got shapes {sides[0].shape} and {sides[1].shape}; "
            "compare states of the same model, shape (rows, hidden)"
        )
    rows, rng = min(map(len, sides)), np.random.default_rng(seed)
    ranks = [effective_rank(rng.permutation(side)[:rows]) for side in sides]
    return RankShift(ranks[0], ranks[1], ranks[1] - ranks[0], rows)


def split_norms(
    hidden: Float[ndarray, "rows hidden"],
    *,
    pre_norm: Float[ndarray, "rows hidden"] | None = None,
    chosen: Float[ndarray, "pairs hidden"] | None = None,
    rejected: Float[ndarray, "pairs hidden"] | None = None,
) -> SplitNorms:
    """Return one split's block of a run's `norms`: plain containers, ready for JSON.

    Args:
        hidden: hidden states at the read-out, the head's input.
        pre_norm: the same before the backbone's final norm, where it has one.
        chosen: hidden states of the chosen side of the split's pairs, where it has pairs.
        rejected: those of the rejected side; both or neither.
    """
    difference: MomentsBlock | None = None
    if chosen is not None and rejected is not None:
        moments = difference_statistics(chosen, rejected)
        difference = {"mean": moments.mean, "std": moments.std}
    return {
        "hidden": _block(hidden),
        "pre_norm": None if pre_norm is None else _block(pre_norm),
        "difference": difference,
        "effective_rank": effective_rank(hidden),
    }


def _block(hidden: ndarray) -> NormBlock:
    return cast(NormBlock, asdict(norm_statistics(hidden)))


def _norms(hidden: ndarray) -> Float[ndarray, " rows"]:
    states = np.asarray(hidden, dtype=np.float64)
    if states.ndim != 2 or not len(states) or not np.isfinite(states).all():
        raise DataError(
            f"norms: expected finite hidden states of shape (rows, hidden), got shape "
            f"{states.shape} with {np.isnan(states).sum() + np.isinf(states).sum()} not finite; "
            "check that the model did not diverge and the split is not empty"
        )
    return np.asarray(np.linalg.norm(states, axis=1))
