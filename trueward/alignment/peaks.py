"""The n at which gold peaks: by the fit, and as measured; with percentile intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.diagnostics import BestOfNFit, fit_best_of_n
from trueward.diagnostics.over_optimization import dust, gains_above


@dataclass(frozen=True)
class Peak:
    """A size and its interval, NaN where nothing could be resampled; inf where gold rises on."""

    n: float
    low: float
    high: float
    beyond: float
    """Share of draws whose peak lies at or beyond the largest measured size."""


def fitted_peak(
    ns: Sequence[int],
    gold: Float[ndarray, " ns"],
    draws: Float[ndarray, "draws ns"],
    confidence: float,
) -> Peak:
    """The peak of R = d(α − βd), and of the same fit made anew on every draw.

    Args:
        ns: sizes, the first of them 1.
        gold: mean gold at each.
        draws: the same under each resampling, NaN where there is none.
        confidence: coverage of the interval.

    Raises:
        DataError: fewer than two sizes above 1.
    """
    fit = fit_best_of_n(ns, gold, start=float(gold[0]))
    # least squares is linear in gold: the fit of a draw is the sum of those of its parts
    parts = [fit_best_of_n(ns, unit, start=0.0) for unit in np.eye(len(ns))]
    defined = _defined(draws)
    gains = gains_above(defined, defined[:, :1]) if defined.size else defined
    alphas, betas = gains @ [p.alpha for p in parts], gains @ [p.beta for p in parts]
    drawn = [
        BestOfNFit(float(a), float(b), math.nan, math.nan, fit.points, fit.reach).peak_n
        for a, b in zip(alphas, betas, strict=True)
    ]
    return _peak(fit.peak_n, np.array(drawn), max(ns), confidence)


def measured_peak(
    ns: Sequence[int],
    gold: Float[ndarray, " ns"],
    draws: Float[ndarray, "draws ns"],
    confidence: float,
) -> Peak:
    """The measured size whose mean gold is highest, the smallest of several; arguments as above."""
    sizes = np.asarray(ns, dtype=np.float64)
    drawn = sizes[_highest(_defined(draws))]
    return _peak(float(sizes[_highest(gold[None])[0]]), drawn, max(ns), confidence)


def _highest(rows: Float[ndarray, "rows ns"]) -> ndarray:
    """In each row the first place whose value is the highest, up to rounding."""
    if not rows.size:
        return np.zeros(0, dtype=np.int64)
    return np.asarray((rows >= rows.max(axis=1, keepdims=True) - dust(rows)).argmax(axis=1))


def _defined(draws: Float[ndarray, "draws ns"]) -> Float[ndarray, "defined ns"]:
    return draws[~np.isnan(draws).any(axis=1)]


def _peak(value: float, drawn: ndarray, largest: int, confidence: float) -> Peak:
    if not drawn.size:
        return Peak(value, math.nan, math.nan, math.nan)
    tail = (1 - confidence) / 2
    # a draw's own value, since one between a number and infinity is undefined
    low, high = np.quantile(drawn, [tail, 1 - tail], method="inverted_cdf")
    return Peak(value, float(low), float(high), float((drawn >= largest).mean()))
