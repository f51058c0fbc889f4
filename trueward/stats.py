"""Means with bootstrap intervals, paired differences with Holm's correction, studies compared."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.errors import DataError, InputError
from trueward.metrics import in_order
from trueward.results import (
    Comparison,
    Difference,
    Entry,
    PairedDifference,
    RunResult,
    StudyResults,
)
from trueward.types import Estimate

DRAWS = 2000
CONFIDENCE = 0.95
_CHUNK = 4_000_000
"""Most weights of a resampling that are held at once."""


@dataclass(frozen=True)
class Totals:
    """Sum and number of the defined values of every prompt, objective and seed."""

    sums: Float[ndarray, "prompts objectives seeds"]
    counts: Float[ndarray, "prompts objectives seeds"]


def totals_of(values: Sequence[float], slots: Sequence[int], prompts: int) -> tuple[ndarray, ...]:
    """Return sum and number of the defined (not NaN) values that fall on each of the prompts."""
    given = np.asarray(values, dtype=np.float64)
    defined = ~np.isnan(given)
    sums = np.bincount(slots, weights=np.where(defined, given, 0.0), minlength=prompts)
    return sums, np.bincount(slots, weights=defined, minlength=prompts)


def weighted_means(
    totals: Totals,
    prompt_weights: Float[ndarray, "draws prompts"],
    seed_weights: Float[ndarray, "draws seeds"],
) -> Float[ndarray, "draws objectives"]:
    """Return the mean over seeds of the mean over values, under each draw's weights.

    NaN where it is undefined.
    """
    top = np.tensordot(prompt_weights, totals.sums, axes=1)
    bottom = np.tensordot(prompt_weights, totals.counts, axes=1)
    per_seed = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
    weights = seed_weights[:, None, :] * (bottom > 0)
    weight = weights.sum(axis=-1)
    mean = (weights * per_seed).sum(axis=-1)
    return np.asarray(np.divide(mean, weight, out=np.full_like(mean, math.nan), where=weight > 0))


def plain_means(totals: Totals) -> Float[ndarray, " objectives"]:
    """Return the means of the data themselves, every weight one."""
    prompts, _, seeds = totals.sums.shape
    return np.asarray(weighted_means(totals, np.ones((1, prompts)), np.ones((1, seeds)))[0])


def resampled_means(
    totals: Totals, *, draws: int = DRAWS, seed: int = 0
) -> Float[ndarray, "draws objectives"]:
    """Return the means under `draws` resamplings of prompts and, independently, of seeds.

    A prompt moves with all its values, and a draw is the same for every objective, so columns may
    be subtracted (see `difference`). With one seed only the prompts are resampled.
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
    """Draw as many units as there are, with replacement, and count each."""
    drawn = rng.integers(units, size=(draws, units)) + units * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * units)
    return counts.reshape(draws, units).astype(np.float64)


def difference(a: Float[ndarray, "*#any"], b: Float[ndarray, "*#any"]) -> Float[ndarray, "*#any"]:
    """Return a − b, zero where it is rounding alone: BLAS may round equal columns differently."""
    gap = a - b
    return np.where(np.abs(gap) <= 1e-12 * np.maximum(np.abs(a), np.abs(b)), 0.0, gap)


def estimate(
    value: float, draws: Float[ndarray, " draws"], confidence: float = CONFIDENCE
) -> Estimate:
    """Return the value with the percentile interval of its draws; undefined draws are left out."""
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
    """Return the mean of the values with a percentile interval, units resampled whole; skip NaN.

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


def bootstrap_p_value(differences: Float[ndarray, " draws"]) -> float:
    """Return the two-sided p-value of "no difference".

    Twice the smaller share of draws on a side of zero:
    p = min(1, 2·(1 + min(#{d ≤ 0}, #{d ≥ 0})) / (1 + draws)), so never below 2/(1 + draws);
    it inverts the percentile interval. NaN draws are left out; NaN without any draw.
    """
    defined = differences[~np.isnan(differences)]
    if defined.size == 0:
        return math.nan
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, float(2 * (1 + rarer) / (1 + defined.size)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjustment of a family of p-values, in order; NaN stays NaN.

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


def significance(
    differences: Sequence[float],
    draws: Sequence[Float[ndarray, " draws"]],
    confidence: float = CONFIDENCE,
) -> list[PairedDifference]:
    """Test differences against zero as one family: interval, p-value, Holm's correction.

    Args:
        differences: one number a comparison.
        draws: the same under each resampling, for each comparison.
        confidence: coverage of the intervals.
    """
    p_values = [bootstrap_p_value(drawn) for drawn in draws]
    return [
        PairedDifference.tested(estimate(float(value), drawn, confidence), p, p_holm, confidence)
        for value, drawn, p, p_holm in zip(
            differences, draws, p_values, holm(p_values), strict=True
        )
    ]


Grid = list[list[RunResult]]
"""Runs by objective, then by seed."""


def compare(
    runs: Sequence[RunResult],
    baseline: str = "bt",
    *,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Comparison:
    """Return the mean of every metric and objective, and its difference to the baseline.

    A draw resamples the seeds and, independently, the prompts, both with replacement; it is the
    same for all objectives, and a prompt moves with all its pairs and in all seeds. Intervals are
    percentile intervals; Holm's correction runs over the objectives of one metric. A mean is the
    mean over seeds of the mean over a seed's defined values.

    Limits: with one seed only the prompts are resampled, and another seed may differ by more than
    the interval. With two or three seeds the resampling of seeds is coarse, and its variance is
    (seeds − 1)/seeds of the true one: half at two seeds, two thirds at three.

    Args:
        runs: one for every objective and seed, judged on the same prompts.
        baseline: canonical string of the objective the others are compared with.
        draws: number of resamplings.
        confidence: coverage of the intervals.
        seed: of the resampling.

    Raises:
        InputError: if the baseline, a run, a metric of a run or a prompt of a metric is missing.
    """
    objectives = list(dict.fromkeys(run.objective for run in runs))
    seeds = sorted({run.seed for run in runs})
    if baseline not in objectives:
        raise InputError(
            f"comparison: baseline {baseline!r} is not among the objectives "
            f"({', '.join(objectives) or 'none'}); run it too, or name another baseline"
        )
    grid = _grid(runs, objectives, seeds)
    metrics = in_order(name for run in runs for name in run.scores)
    entries = [
        entry
        for metric in metrics
        for entry in _entries(grid, metric, objectives.index(baseline), draws, confidence, seed)
    ]
    return Comparison(
        baseline=baseline,
        objectives=tuple(objectives),
        metrics=tuple(metrics),
        seeds=tuple(seeds),
        resampled="prompts and seeds" if len(seeds) > 1 else "prompts",
        draws=draws,
        confidence=confidence,
        entries=tuple(entries),
    )


def _grid(runs: Sequence[RunResult], objectives: list[str], seeds: list[int]) -> Grid:
    found = {(run.objective, run.seed): run for run in runs}
    if len(found) < len(runs):
        raise InputError("comparison: two runs share objective and seed; give each pair once")
    for objective in objectives:
        for seed in seeds:
            if (objective, seed) not in found:
                raise InputError(
                    f"comparison: objective {objective!r} has no run with seed {seed}; "
                    "finish that run, or leave the seed out of the others"
                )
    return [[found[objective, seed] for seed in seeds] for objective in objectives]


def _entries(
    grid: Grid, metric: str, baseline: int, draws: int, confidence: float, seed: int
) -> list[Entry]:
    """Return the entries of one metric, an objective each."""
    totals = _totals(grid, metric)
    means, resampled = plain_means(totals), resampled_means(totals, draws=draws, seed=seed)
    differences = _differences(totals, resampled, baseline, confidence)
    entries = []
    for i, row in enumerate(grid):
        values = [value for run in row for value in run.scores[metric].values]
        entries.append(
            Entry(
                metric=metric,
                objective=row[0].objective,
                mean=estimate(float(means[i]), resampled[:, i], confidence),
                values=len(values),
                undefined=sum(map(math.isnan, values)),
                difference=differences.get(i),
            )
        )
    return entries


def _differences(
    totals: Totals,
    resampled: Float[ndarray, "draws objectives"],
    baseline: int,
    confidence: float,
) -> dict[int, Difference]:
    """Return the difference of every objective to the baseline, by the objective's place."""
    means = plain_means(totals)
    others = [i for i in range(len(means)) if i != baseline]
    gaps = difference(resampled, resampled[:, [baseline]])
    found = significance(
        difference(means, means[[baseline]])[others].tolist(),
        [gaps[:, i] for i in others],
        confidence,
    )
    return {
        i: Difference(**vars(one), seeds_ahead=_seeds_ahead(totals, i, baseline))
        for i, one in zip(others, found, strict=True)
    }


def _totals(grid: Grid, metric: str) -> Totals:
    """Return sums and counts by prompt, the prompts of all seeds together."""
    for row in grid:
        for run, first in zip(row, grid[0], strict=True):
            _check_units(run, first, metric)
    units = dict.fromkeys(unit for run in grid[0] for unit in run.scores[metric].units)
    slots = {unit: slot for slot, unit in enumerate(units)}
    cells = [
        [totals_of(s.values, [slots[u] for u in s.units], len(slots)) for s in scores]
        for scores in ([run.scores[metric] for run in row] for row in grid)
    ]
    sums, counts = np.moveaxis(np.array(cells, dtype=np.float64), (2, 3), (0, 1))
    return Totals(sums, counts)


def _check_units(run: RunResult, first: RunResult, metric: str) -> None:
    for one in (run, first):
        if metric not in one.scores or not one.scores[metric].values:
            raise InputError(
                f"comparison: run {one.objective!r} seed {one.seed} has no values of {metric!r}, "
                "which other runs have; judge all runs alike"
            )
    if sorted(run.scores[metric].units) != sorted(first.scores[metric].units):
        raise InputError(
            f"comparison: {metric!r} of {run.objective!r} and {first.objective!r}, seed "
            f"{run.seed}, was judged on different prompts; judge all objectives of a seed alike"
        )


def _seeds_ahead(totals: Totals, objective: int, baseline: int) -> int:
    """Count the seeds in which the objective's own mean is above the baseline's."""
    per_seed: Float[ndarray, "objectives seeds"] = np.divide(
        totals.sums.sum(axis=0),
        totals.counts.sum(axis=0),
        out=np.full(totals.sums.shape[1:], math.nan),
        where=totals.counts.sum(axis=0) > 0,
    )
    return int((per_seed[objective] > per_seed[baseline]).sum())


def summarise(
    runs: Mapping[str, RunResult],
    *,
    name: str,
    created: str,
    command: str,
    environment: Mapping[str, str],
    settings: Mapping[str, Any],
    baselines: Mapping[str, Mapping[str, float]],
    draws: int = DRAWS,
) -> StudyResults:
    """Return the results of a study: its runs, how it was made, and the objectives compared.

    They are compared with plain `bt` if it was run, else with the first.

    Args:
        runs: by folder relative to the study's; one for every objective and seed.
        name: the study's name.
        created: time of writing, ISO 8601.
        command: the exact command that reproduces the study.
        environment: versions and machine, as text.
        settings: everything that was configured, JSON-ready.
        baselines: means of scorers that learn nothing, by name and metric.
        draws: number of resamplings.

    Raises:
        InputError: if there is no run, or the runs do not fit together (see `compare`).
    """
    if not runs:
        raise InputError("study: expected at least one finished run, got none; run the study first")
    objectives = [run.objective for run in runs.values()]
    baseline = "bt" if "bt" in objectives else objectives[0]
    return StudyResults(
        name=name,
        created=created,
        command=command,
        environment=environment,
        settings=settings,
        runs=runs,
        baselines=baselines,
        comparison=compare(list(runs.values()), baseline, draws=draws),
    )
