"""Calibration: does a margin of m logits win σ(m) of the time, and does one temperature help?

    p = σ(m/T), both orders of each pair: p with outcome 1, 1 − p with outcome 0
    ECE = Σ_b n_b/n · |wins_b − p̄_b| over equal-width bins b of p
    Brier = mean (1 − p)²        NLL = mean −log p, in nats
    T = argmin NLL over pairs of other prompts than those judged; convex in 1/T, one minimum

A margin that says nothing scores Brier 0.25 and NLL 0.693. ECE alone is small for a model that
always says one half, and grows with noise where pairs are few.
Source: Guo et al. (2017), On Calibration of Modern Neural Networks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit

from trueward.diagnostics.rewards import column
from trueward.errors import DataError, InputError

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
    """Distance of σ(m/T) from the share of wins."""

    ece: float
    brier: float
    nll: float
    temperature: float
    pairs: int
    table: tuple[ReliabilityBin, ...]


def calibration(margins: ArrayLike, *, temperature: float = 1.0, bins: int = BINS) -> Calibration:
    """Return ECE, Brier and NLL at a given temperature, with the table of a reliability plot.

    Margins are rewards of the chosen minus the rejected response, in logits; temperature inf says
    one half everywhere; bins are of equal width, over [0, 1].

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
        nll=_negative_log_likelihood(scaled),
        temperature=temperature,
        pairs=given.size,
        table=table,
    )


def _negative_log_likelihood(margins: Float[ndarray, " pairs"]) -> float:
    """Return mean −log σ(m), in nats; the same in both orders of a pair."""
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


def fit_temperature(margins: ArrayLike) -> float:
    """Return the T > 0 with the least NLL of σ(m/T); inf where the mean margin is not above 0.

    Raises:
        DataError: if there are no margins, one is not finite, or every pair is ranked right (then
            the smaller T the better, and there is no best one).
    """
    given = column("temperature", "margins", margins)
    if given.mean() <= 0:
        return math.inf
    if given.min() >= 0:
        raise DataError(
            f"temperature: all {given.size} pairs are ranked right, so no temperature is best; "
            "fit it on more or harder pairs"
        )
    unit = np.abs(given).mean()
    best = minimize_scalar(
        lambda log: _negative_log_likelihood(given / unit * math.exp(log)),
        bounds=(-20, 20),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(unit / math.exp(best.x))


def calibration_after_temperature(
    margins: ArrayLike,
    prompts: Sequence[str],
    fit_margins: ArrayLike,
    fit_prompts: Sequence[str],
    *,
    bins: int = BINS,
) -> Calibration:
    """Return the calibration after one temperature, fitted on pairs of other prompts.

    `margins`, in logits, of pairs under `prompts` are judged; `fit_margins` under `fit_prompts`
    give the temperature.

    Raises:
        DataError: as `calibration` and `fit_temperature`, or if lengths differ, or a prompt is on
            both sides.
    """
    for kind, values, units in (("", margins, prompts), ("fit ", fit_margins, fit_prompts)):
        if column("calibration", f"{kind}margins", values).size != len(units):
            raise DataError(
                f"calibration: got {np.size(values)} {kind}margins and {len(units)} {kind}prompts; "
                "give one of each for every pair"
            )
    shared = set(prompts) & set(fit_prompts)
    if shared:
        raise DataError(
            f"calibration: {len(shared)} prompts are both judged and fitted on, such as "
            f"{min(shared)!r}; fit the temperature on pairs of other prompts"
        )
    return calibration(margins, temperature=fit_temperature(fit_margins), bins=bins)
