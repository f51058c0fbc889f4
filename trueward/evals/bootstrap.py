"""Bootstrap over prompts and seeds: weighted means, resampled."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.errors import DataError

DRAWS = 2000
CONFIDENCE = 0.95
_CHUNK = 4_000_000
"""Most resampling weights held at once."""


@dataclass(frozen=True)
class Estimate:
    """A number with its percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Totals:
    """Per prompt, objective and seed: the sum of the defined values, and how many they are."""

    sums: Float[ndarray, "prompts objectives seeds"]
    counts: Float[ndarray, "prompts objectives seeds"]


def totals_of(values: Sequence[float], slots: Sequence[int], prompts: int) -> tuple[ndarray, ...]:
    """Sum and number of the defined (not NaN) values that fall on each of the prompts."""
    given = np.asarray(values, dtype=np.float64)
    defined = ~np.isnan(given)
    sums = np.bincount(slots, weights=np.where(defined, given, 0.0), minlength=prompts)
    return sums, np.bincount(slots, weights=defined, minlength=prompts)


def weighted_means(
    totals: Totals,
    prompt_weights: Float[ndarray, "draws prompts"],
    seed_weights: Float[ndarray, "draws seeds"],
) -> Float[ndarray, "draws objectives"]:
    """Mean over seeds of the mean over values, under each draw's weights; NaN where undefined."""
    top = np.tensordot(prompt_weights, totals.sums, axes=1)
    bottom = np.tensordot(prompt_weights, totals.counts, axes=1)
    per_seed = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    weights = seed_weights[:, None, :] * (bottom > 0)
    weight = weights.sum(axis=-1)
    mean = (weights * per_seed).sum(axis=-1)
    return np.divide(mean, weight, out=np.full_like(mean, math.nan), where=weight > 0)


def plain_means(totals: Totals) -> Float[ndarray, " objectives"]:
    """The means of the data as they are: every weight one."""
    prompts, _, seeds = totals.sums.shape
    return weighted_means(totals, np.ones((1, prompts)), np.ones((1, seeds)))[0]


def resampled_means(
    totals: Totals, *, draws: int = DRAWS, seed: int = 0
) -> Float[ndarray, "draws objectives"]:
    """The means under `draws` resamplings of prompts and, independently, of seeds.

    A prompt moves with all its values, and a draw is the same for every objective, so columns
    have a `difference`. With one seed only the prompts are resampled.
    """
    prompts, _, seeds = totals.sums.shape
    rng = np.random.default_rng(seed)
    parts = [
        weighted_means(totals, _counts(rng, size, prompts), _counts(rng, size, seeds))
        for size in _sizes(draws, prompts)
    ]
    return np.concatenate(parts)


def _sizes(draws: int, prompts: int) -> Iterator[int]:
    chunk = max(1, _CHUNK // prompts)
    for start in range(0, draws, chunk):
        yield min(chunk, draws - start)


def _counts(rng: np.random.Generator, draws: int, units: int) -> Float[ndarray, "draws units"]:
    """How often each unit is drawn when as many units are drawn with replacement."""
    drawn = rng.integers(units, size=(draws, units)) + units * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * units)
    return counts.reshape(draws, units).astype(np.float64)


def difference(a: Float[ndarray, "*#any"], b: Float[ndarray, "*#any"]) -> Float[ndarray, "*#any"]:
    """Zero where a − b is rounding alone: BLAS may round equal columns in different ways."""
    gap = a - b
    return np.where(np.abs(gap) <= 1e-12 * np.maximum(np.abs(a), np.abs(b)), 0.0, gap)


def estimate(
    value: float, draws: Float[ndarray, " draws"], confidence: float = CONFIDENCE
) -> Estimate:
    """The value with the percentile interval of its draws; undefined draws are left out."""
    defined = draws[~np.isnan(draws)]
    if math.isnan(value) or defined.size == 0:
        return Estimate(value, math.nan, math.nan)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def bootstrap_mean(
    values: Sequence[float],
    units: Sequence[str],
    *,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Estimate:
    """Mean of the values with a percentile interval, units resampled whole; NaN is skipped.

    Args:
        values: one number an item.
        units: the unit (the prompt) each item belongs to.
        draws: number of resamplings.
        confidence: coverage of the interval.
        seed: of the resampling.

    Raises:
        DataError: if there is no value, or not one unit for each.
    """
    if len(values) != len(units) or not values:
        raise DataError(
            f"bootstrap: got {len(values)} values and {len(units)} units; "
            "give at least one value, and one unit for each"
        )
    index = {unit: slot for slot, unit in enumerate(dict.fromkeys(units))}
    sums, counts = totals_of(values, [index[unit] for unit in units], len(index))
    totals = Totals(sums[:, None, None], counts[:, None, None])
    means = resampled_means(totals, draws=draws, seed=seed)[:, 0]
    return estimate(float(plain_means(totals)[0]), means, confidence)
