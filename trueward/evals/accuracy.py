"""Pair accuracy: is the chosen response of each pair scored higher?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueward.errors import DataError


def pair_accuracy(chosen: ArrayLike, rejected: ArrayLike) -> NDArray[np.float64]:
    """1 for each pair with r⁺ > r⁻, else 0; a tie is wrong.

    Args:
        chosen: rewards of the chosen responses in logits, shape (pairs,).
        rejected: rewards of the rejected ones, same shape.

    Returns:
        Zeros and ones, shape (pairs,); NaN where either reward is NaN.

    Raises:
        DataError: if the shapes differ.
    """
    plus, minus = np.asarray(chosen, dtype=np.float64), np.asarray(rejected, dtype=np.float64)
    if plus.ndim != 1 or plus.shape != minus.shape:
        raise DataError(
            f"pair accuracy: expected two equally long lists of rewards, got shapes {plus.shape} "
            f"and {minus.shape}; give one chosen and one rejected reward a pair"
        )
    return np.where(np.isnan(plus) | np.isnan(minus), np.nan, plus > minus)
