"""Best-of-n curves of several reward models over the same prompts, with intervals.

    R_n by the unbiased estimator, mean over rows; KL(n) = log n − (n − 1)/n, in nats
    fit R = d(α − βd), d = √KL, to gold above R_1

Intervals come from one set of resamplings of prompts, shared by all models, sizes and fits: so
models are compared paired, and a peak's interval is that of the fit made anew on every draw. One
prompt alone cannot be resampled: no intervals then.
Source: Gao, Schulman & Hilton (2023), Scaling Laws for Reward Model Overoptimization.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.alignment.peaks import Peak, fitted_peak, measured_peak
from trueward.alignment.scored_prompts import ScoredPrompts
from trueward.diagnostics import BestOfNFit, best_of_n, best_of_n_kl, fit_best_of_n
from trueward.errors import DataError, InputError
from trueward.stats import (
    CONFIDENCE,
    DRAWS,
    Totals,
    bootstrap_p_value,
    difference,
    estimate,
    holm,
    resampled_means,
)
from trueward.types import Estimate


@dataclass(frozen=True)
class Curve:
    """One reward model: what best-of-n by it seems to bring, and what it brings in gold."""

    label: str
    proxy: tuple[Estimate, ...]
    gold: tuple[Estimate, ...] | None
    fit: BestOfNFit | None
    """None without gold, or with fewer than two sizes above 1."""
    peak: Peak | None
    """Where the fit peaks."""
    best: Peak | None
    """The measured size with the highest gold."""


@dataclass(frozen=True)
class Gap:
    """Gold of one model minus gold of the first, at one size."""

    label: str
    baseline: str
    n: int
    estimate: Estimate
    p_value: float
    p_holm: float
    """Corrected over all sizes above 1 and all models."""


@dataclass(frozen=True)
class BestOfN:
    """Curves side by side."""

    ns: tuple[int, ...]
    kl: tuple[float, ...]
    prompts: int
    rows: int
    samples: tuple[int, int]
    """Fewest and most of a row."""
    curves: tuple[Curve, ...]
    gaps: tuple[Gap, ...]
    draws: int
    confidence: float


def best_of_n_curves(
    scored: ScoredPrompts,
    ns: Sequence[int] | None = None,
    *,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> BestOfN:
    """Curves, fits, peaks and paired differences.

    Args:
        scored: rewards and gold of every row's samples.
        ns: sizes; None for powers of two up to the fewest samples. 1 is always among them.
        draws: resamplings of prompts.
        confidence: coverage of the intervals.
        seed: of the resampling.

    Raises:
        InputError: a size below 1, or above the fewest samples of a row.
        DataError: models whose samples differ in number.
    """
    counts = scored.counts
    sizes = _sizes(ns, counts)
    for label, rows in scored.proxies.items():
        if [len(row) for row in rows] != counts:
            raise DataError(f"best-of-n: {label} has rewards of other responses; score it again")
    columns = _columns(scored, sizes)
    means = {key: values.mean(axis=0) for key, values in columns.items()}
    drawn = _drawn(columns, scored.prompts, draws, seed)
    curves = tuple(_curve(label, sizes, means, drawn, confidence) for label in scored.proxies)
    return BestOfN(
        tuple(sizes),
        tuple(best_of_n_kl(sizes).tolist()),
        len(set(scored.prompts)),
        len(counts),
        (min(counts), max(counts)),
        curves,
        _gaps(list(scored.proxies), sizes, means, drawn, confidence) if scored.gold else (),
        draws,
        confidence,
    )


Key = tuple[str, str]
"""A model, and `proxy` or `gold`."""


def _sizes(ns: Sequence[int] | None, counts: list[int]) -> list[int]:
    fewest = min(counts)
    if ns is None:
        return [2**k for k in range(fewest.bit_length())]
    if not ns or min(ns) < 1 or max(ns) > fewest:
        raise InputError(
            f"--n: expected sizes from 1 to {fewest}, the fewest samples (row "
            f"{counts.index(fewest)}); got {', '.join(map(str, ns)) or 'none'}"
        )
    return sorted({1, *ns})


def _columns(scored: ScoredPrompts, sizes: list[int]) -> dict[Key, Float[ndarray, "rows ns"]]:
    found: dict[Key, ndarray] = {}
    for label, rows in scored.proxies.items():
        found[label, "proxy"] = best_of_n(rows, rows, sizes)
        if scored.gold is not None:
            found[label, "gold"] = best_of_n(rows, scored.gold, sizes)
    return found


def _drawn(
    columns: dict[Key, ndarray], prompts: Sequence[str], draws: int, seed: int
) -> dict[Key, Float[ndarray, "draws ns"]]:
    """Means under each draw, prompts resampled whole; NaN with one prompt, which never varies."""
    index = {name: slot for slot, name in enumerate(dict.fromkeys(prompts))}
    if len(index) == 1:
        return {key: np.full((draws, values.shape[1]), np.nan) for key, values in columns.items()}
    slots = np.array([index[name] for name in prompts])
    wide = np.concatenate(list(columns.values()), axis=1)
    sums = np.zeros((len(index), wide.shape[1]))
    np.add.at(sums, slots, wide)
    rows = np.bincount(slots).astype(np.float64)
    counts = np.broadcast_to(rows[:, None, None], (*sums.shape, 1))
    means = resampled_means(Totals(sums[:, :, None], counts), draws=draws, seed=seed)
    parts = np.split(means, len(columns), axis=1)
    return dict(zip(columns, parts, strict=True))


def _curve(
    label: str,
    sizes: list[int],
    means: dict[Key, ndarray],
    drawn: dict[Key, ndarray],
    confidence: float,
) -> Curve:
    proxy = _estimates(means[label, "proxy"], drawn[label, "proxy"], confidence)
    gold = means.get((label, "gold"))
    if gold is None:
        return Curve(label, proxy, None, None, None, None)
    resampled = drawn[label, "gold"]
    best = measured_peak(sizes, gold, resampled, confidence)
    fits = len(sizes) > 2
    return Curve(
        label,
        proxy,
        _estimates(gold, resampled, confidence),
        fit_best_of_n(sizes, gold, start=float(gold[0])) if fits else None,
        fitted_peak(sizes, gold, resampled, confidence) if fits else None,
        best,
    )


def _estimates(values: ndarray, draws: ndarray, confidence: float) -> tuple[Estimate, ...]:
    return tuple(estimate(float(v), draws[:, i], confidence) for i, v in enumerate(values))


def _gaps(
    labels: list[str],
    sizes: list[int],
    means: dict[Key, ndarray],
    drawn: dict[Key, ndarray],
    confidence: float,
) -> tuple[Gap, ...]:
    first, places = labels[0], [i for i, n in enumerate(sizes) if n > 1]
    found = []
    for label in labels[1:]:
        gap = difference(means[label, "gold"], means[first, "gold"])
        draws = difference(drawn[label, "gold"], drawn[first, "gold"])
        for i in places:
            shown = estimate(float(gap[i]), draws[:, i], confidence)
            found.append((label, sizes[i], shown, bootstrap_p_value(draws[:, i])))
    adjusted = holm([p for *_, p in found])
    return tuple(
        Gap(label, first, n, shown, p, corrected)
        for (label, n, shown, p), corrected in zip(found, adjusted, strict=True)
    )
