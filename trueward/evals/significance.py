"""From resampled differences to p-values, and Holm's correction for several of them."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def bootstrap_p_value(differences: Float[ndarray, " draws"]) -> float:
    """Two-sided p-value of "no difference": twice the smaller share of draws on a side of zero.

    p = min(1, 2·(1 + min(#{d ≤ 0}, #{d ≥ 0})) / (1 + draws)), so never below 2/(1 + draws);
    it inverts the percentile interval. NaN draws are left out; NaN without any draw.
    """
    defined = differences[~np.isnan(differences)]
    if defined.size == 0:
        return math.nan
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + defined.size))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of a family of p-values, in the order given; NaN stays NaN.

    The k-th smallest of m becomes the largest of (m − j + 1)·p₍ⱼ₎ over j ≤ k, at most 1.
    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    order = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    floor = 0.0
    for rank, (p, i) in enumerate(order):
        floor = max(floor, min(1.0, (len(order) - rank) * p))
        adjusted[i] = floor
    return adjusted
