"""Norms of hidden states: how long they are, how much they spread, how far a split drifts.

How to read it: a reward is r = ‖W‖‖h‖cos ψ, so a model can win pairs by growing ‖h‖ instead of
turning it, and what it grew on training inputs spreads on unseen ones. Healthy: the mean norm
stays within about a tenth of the train split's on every scenario, and the coefficient of
variation stays small and alike across splits. A mean norm that keeps growing during training, or
a spread that is clearly wider off the training distribution, warns of over-optimization. Where
the backbone ends in an RMSNorm or LayerNorm, ‖h‖ after it is pinned near √hidden whatever was
learnt: then read the norms before it.
"""

import math
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.diagnostics.effective_rank import effective_rank
from trueward.diagnostics.histogram import Histogram
from trueward.errors import DataError
from trueward.results import MomentsBlock, NormBlock, SplitNorms

BINS = 40


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
    """How a split's norms differ from the train split's: split minus train."""

    mean: float
    std: float
    cv: float
    relative_mean: float
    """Shift of the mean, as a share of the train split's mean."""


def norm_statistics(hidden: Float[ndarray, "rows hidden"], bins: int = BINS) -> NormStatistics:
    """Statistics of ‖h‖₂ over the rows, in float64.

    Raises:
        DataError: if there are no rows or a value is not finite.
    """
    norms = _norms(hidden)
    counts, edges = np.histogram(norms, bins=bins)
    mean, std = float(norms.mean()), float(norms.std())
    return NormStatistics(
        mean=mean,
        std=std,
        cv=std / mean if mean > 0 else math.nan,
        histogram=Histogram(edges.tolist(), counts.tolist()),
    )


def difference_statistics(
    chosen: Float[ndarray, "_ _"], rejected: Float[ndarray, "_ _"]
) -> Moments:
    """Mean and standard deviation of ‖h⁺ − h⁻‖₂ over pairs; both of shape (pairs, hidden).

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
    """The shift of a split's norms, ‖h‖ or ‖h⁺ − h⁻‖, from the train split's."""
    return NormShift(
        mean=split.mean - train.mean,
        std=split.std - train.std,
        cv=split.cv - train.cv,
        relative_mean=split.mean / train.mean - 1 if train.mean > 0 else math.nan,
    )


def split_norms(
    hidden: Float[ndarray, "rows hidden"],
    *,
    pre_norm: Float[ndarray, "rows hidden"] | None = None,
    chosen: Float[ndarray, "pairs hidden"] | None = None,
    rejected: Float[ndarray, "pairs hidden"] | None = None,
) -> SplitNorms:
    """One split's block of a run's `norms`: plain containers, ready for JSON.

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
    return np.linalg.norm(states, axis=1)
