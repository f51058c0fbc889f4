"""Effective rank: in how many directions do the hidden states really vary?

How to read it: 1 means that all rows are multiples of one vector, min(rows, hidden) that all
directions weigh alike. Compare splits and objectives at the same number of rows, since more rows
raise it. Healthy: of the same size on train and on unseen splits. A train value well below the
unseen one says that training folded its own inputs into few directions that new inputs leave.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import entropy

from trueward.errors import DataError


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
