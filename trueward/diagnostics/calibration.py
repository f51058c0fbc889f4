"""Calibration: does a margin of m logits win σ(m) of the time?

    p = σ(m/T), both orders of each pair: p with outcome 1, 1 − p with outcome 0
    ECE = Σ_b n_b/n · |wins_b − p̄_b| over equal-width bins b of p
    Brier = mean (1 − p)²        NLL = mean −log p, in nats

How to read it: at T = 1 the numbers say whether rewards may be read as log-odds as they are; after
one temperature, whether they may be after mere rescaling, which changes no ranking. A margin that
says nothing scores Brier 0.25 and NLL 0.693. ECE alone is small for a model that always says one
half, and grows with noise where pairs are few: read it beside Brier and NLL. Healthy: ECE below
about 0.05 after the temperature, T between a half and two, and little left to gain from it. T well
above 1 is overconfidence: what growing norms and label noise leave behind.
Source: Guo et al. (2017), On Calibration of Modern Neural Networks.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import expit

from trueward.diagnostics.columns import column
from trueward.errors import InputError

BINS = 20


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions p in [low, high), the last bin closed; both orders of each pair."""

    low: float
    high: float
    n: int
    confidence: float
    """Mean p; NaN where n is 0."""
    wins: float
    """Share of outcome 1; NaN where n is 0."""


@dataclass(frozen=True)
class Calibration:
    """How far σ(m/T) is from the share of wins."""

    ece: float
    brier: float
    nll: float
    temperature: float
    pairs: int
    table: tuple[ReliabilityBin, ...]


def calibration(margins: ArrayLike, *, temperature: float = 1.0, bins: int = BINS) -> Calibration:
    """ECE, Brier and NLL of pairs at a given temperature, with the table of a reliability plot.

    Args:
        margins: reward of the chosen minus that of the rejected response, in logits.
        temperature: what margins are divided by; inf says one half everywhere.
        bins: of equal width, over [0, 1].

    Raises:
        DataError: if there are no margins or one is not finite.
        InputError: if the temperature is not above 0 or there is no bin.
    """
    given = column("calibration", "margins", margins)
    if not temperature > 0 or bins < 1:
        raise InputError(
            f"calibration: expected a temperature above 0 and at least one bin, "
            f"got {temperature} and {bins}"
        )
    scaled = given / temperature
    table = _reliability(scaled, bins)
    return Calibration(
        ece=sum(b.n * abs(b.wins - b.confidence) for b in table if b.n) / (2 * given.size),
        brier=float(np.mean(expit(-scaled) ** 2)),
        nll=negative_log_likelihood(scaled),
        temperature=temperature,
        pairs=given.size,
        table=table,
    )


def negative_log_likelihood(margins: Float[ndarray, " pairs"]) -> float:
    """Mean −log σ(m), in nats; the same in both orders of a pair."""
    return float(np.logaddexp(0, -margins).mean())


def _reliability(margins: ndarray, bins: int) -> tuple[ReliabilityBin, ...]:
    p = expit(np.concatenate([margins, -margins]))
    won = np.arange(p.size) < margins.size
    slots = np.minimum((p * bins).astype(int), bins - 1)
    n = np.bincount(slots, minlength=bins)
    sums = (np.bincount(slots, weights=w, minlength=bins) for w in (p, won))
    confidence, wins = (
        np.divide(s, n, out=np.full(bins, math.nan), where=n > 0).tolist() for s in sums
    )
    return tuple(
        ReliabilityBin(b / bins, (b + 1) / bins, int(n[b]), confidence[b], wins[b])
        for b in range(bins)
    )
