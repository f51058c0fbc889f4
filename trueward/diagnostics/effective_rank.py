"""Effective rank: in how many directions do the hidden states really vary?

How to read it: 1 means that all rows are multiples of one vector, min(rows, hidden) that all
directions weigh alike. Compare splits and objectives at the same number of rows, since more rows
raise it. Healthy: of the same size on train and on unseen splits. A train value well below the
unseen one says that training folded its own inputs into few directions that new inputs leave.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import entropy

from trueward.errors import DataError


@dataclass(frozen=True)
class RankShift:
    """Effective rank of training and unseen inputs, taken over equally many rows of each."""

    train: float
    unseen: float
    difference: float
    """unseen − train; above 0 where new inputs leave the directions that training folded into."""
    rows: int
    """Rows of each side: those of the smaller one."""


def effective_rank(hidden: Float[ndarray, "rows hidden"]) -> float:
    """exp(−Σ p log p) with p = σ/Σσ over the singular values of the matrix as it is, uncentred.

    In [1, min(rows, hidden)]; NaN for a matrix of zeros.
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
    """Effective rank of unseen inputs less that of training inputs, at equal numbers of rows.

    More rows raise the rank, so the larger side is cut to as many, drawn without replacement.

    Args:
        train: hidden states of training inputs, shape (rows, hidden).
        unseen: those of another split, with rows of its own.
        seed: of the draw.

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
