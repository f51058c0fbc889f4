"""Over-optimization: how far may a reward be optimised before the gold score falls?

    d = √KL from the starting policy      R = gold − gold of the starting policy
    best-of-n:  R = d(α − βd)             peak at d = α/2β,        R = α²/4β
    RL:         R = d(α − β log d)        peak at d = exp(α/β − 1), R = βd

Both peaks are for β > 0; in RL's form there always is one then, if only between the start and the
first step measured. With β ≤ 0 gold does not peak inside: it is best at d = 0, or rises for good,
maybe after a fall. Which of the two is decided by the fitted gain at the largest measured d.

How to read it: α is what optimisation brings at first, β how fast that is eaten up. Healthy: β near
0, or a peak beyond the d that will be used. A larger peak gain beats a later peak. A peak far
outside the measured d is a guess; an R² below about 0.9 says that the curve has another form, and
then the points are to be believed, not the fit. Only fits to the same gold score compare.
Source: Gao, Schulman & Hilton (2023), Scaling Laws for Reward Model Overoptimization.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import xlogy

from trueward.diagnostics.best_of_n import best_of_n_kl, samples_for_kl
from trueward.diagnostics.columns import column, columns
from trueward.errors import DataError

ROUNDING = 1e-12
"""Relative to the largest gold score: differences up to that are none."""


@dataclass(frozen=True)
class Fit:
    """Least-squares coefficients and how well they fit."""

    alpha: float
    beta: float
    r_squared: float
    """1 − Σ(R − fit)²/Σ(R − mean R)²; NaN with fewer than three points, or all R equal."""
    rmse: float
    """Root mean squared residual, in units of gold."""
    points: int
    """Those with d > 0: at d = 0 both forms are 0 whatever the coefficients."""
    reach: float
    """The largest measured d."""

    def gain(self, d: float | ndarray) -> ndarray:
        """Fitted gold above the starting policy at these d."""
        raise NotImplementedError

    def _outer_peak(self) -> float:
        """Where β ≤ 0 leaves no inner peak: inf if gold has gained at the largest measured d."""
        return math.inf if self.gain(self.reach) > 0 else 0.0


@dataclass(frozen=True)
class BestOfNFit(Fit):
    """R = d(α − βd)."""

    def gain(self, d: float | ndarray) -> ndarray:
        """Fitted gold above the starting policy at these d."""
        at = np.asarray(d, dtype=np.float64)
        return np.asarray(at * (self.alpha - self.beta * at))

    @property
    def peak_d(self) -> float:
        """D where gold peaks; inf where it rises in the end, 0 where it is best at the start."""
        if self.beta > 0:
            return max(self.alpha, 0.0) / (2 * self.beta)
        return self._outer_peak()

    @property
    def peak_gain(self) -> float:
        """Gold above the starting policy there."""
        return float(self.gain(self.peak_d)) if math.isfinite(self.peak_d) else math.inf

    @property
    def peak_n(self) -> float:
        """N there, not rounded."""
        return samples_for_kl(self.peak_d**2)


@dataclass(frozen=True)
class RLFit(Fit):
    """R = d(α − β log d)."""

    def gain(self, d: float | ndarray) -> ndarray:
        """Fitted gold above the starting policy at these d."""
        at = np.asarray(d, dtype=np.float64)
        return np.asarray(self.alpha * at - self.beta * xlogy(at, at))

    @property
    def peak_d(self) -> float:
        """D where gold peaks; inf where it rises in the end, 0 where it is best at the start."""
        if self.beta > 0:
            with np.errstate(over="ignore"):
                return float(np.exp(self.alpha / self.beta - 1))
        return self._outer_peak()

    @property
    def peak_gain(self) -> float:
        """Gold above the starting policy there."""
        return self.beta * self.peak_d if math.isfinite(self.peak_d) else math.inf


def fit_best_of_n(ns: ArrayLike, gold: ArrayLike, *, start: float) -> BestOfNFit:
    """Fit best-of-n's form to mean gold scores.

    Args:
        ns: sizes.
        gold: mean gold score at each, such as `best_of_n(...).mean(axis=0)`.
        start: mean gold score of the policy that wrote the samples, R_1.

    Raises:
        DataError: if lengths differ, a number is not finite, or there are not two sizes above 1.
        InputError: if a size is below 1.
    """
    return BestOfNFit(*_fit(np.sqrt(best_of_n_kl(ns)), gold, start, lambda d: d**2))


def fit_rl(kl: ArrayLike, gold: ArrayLike, *, start: float) -> RLFit:
    """Fit RL's form to gold scores along a run.

    Args:
        kl: from the starting policy, in nats, at each step that was measured.
        gold: mean gold score there.
        start: mean gold score of the starting policy.

    Raises:
        DataError: if lengths differ, a number is not finite, a KL is below 0, or there are not two
            different KL above 0.
    """
    given, _ = columns("over-optimization", {"KL values": kl, "gold scores": gold})
    if given.min() < 0:
        raise DataError(
            f"over-optimization: KL is never below 0, got {given.min():g} in row "
            f"{given.argmin()}; estimate it so that it is not"
        )
    return RLFit(*_fit(np.sqrt(given), gold, start, lambda d: xlogy(d, d)))


def gains_above(gold: ndarray, start: ArrayLike) -> ndarray:
    """Gold above the starting policy; 0 where the difference is rounding alone."""
    gains = gold - np.asarray(start)
    return np.where(np.abs(gains) <= dust(gold, start), 0.0, gains)


def dust(*gold: ArrayLike) -> float:
    """The largest difference between such gold scores that rounding may have made."""
    return ROUNDING * max(float(np.abs(scores).max()) for scores in gold)


def _fit(
    distances: ndarray, gold: ArrayLike, start: float, lost: Callable[[ndarray], ndarray]
) -> tuple[float, float, float, float, int, float]:
    d, scores = columns("over-optimization", {"distances": distances, "gold scores": gold})
    (origin,) = column("over-optimization", "gold scores of the starting policy", [start])
    moved = d > 0
    d, gains = d[moved], gains_above(scores[moved], origin)
    if np.unique(d).size < 2:
        raise DataError(
            f"over-optimization: two coefficients need gold at two or more different distances "
            f"above 0, got {np.unique(d).size}; measure more n or more steps"
        )
    design = np.stack([d, -lost(d)], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(design, gains, rcond=None)
    residual = float(np.sum((gains - design @ (alpha, beta)) ** 2))
    spread = float(np.sum((gains - gains.mean()) ** 2))
    r_squared = 1 - residual / spread if d.size > 2 and spread > 0 else math.nan
    rmse = math.sqrt(residual / d.size)
    return float(alpha), float(beta), r_squared, rmse, d.size, float(d.max())
