"""Objectives against a baseline: a paired hierarchical bootstrap over prompts and seeds."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.errors import InputError
from trueward.evals.bootstrap import (
    CONFIDENCE,
    DRAWS,
    Totals,
    difference,
    estimate,
    plain_means,
    resampled_means,
    totals_of,
)
from trueward.evals.comparison import Comparison, Difference, Entry
from trueward.evals.metrics import in_order
from trueward.evals.run_result import RunResult
from trueward.evals.significance import bootstrap_p_value, holm

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
    """Mean of every metric and objective, and its difference to the baseline, with intervals.

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
        for entry in _judge(grid, metric, objectives.index(baseline), draws, confidence, seed)
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


def _judge(
    grid: Grid, metric: str, baseline: int, draws: int, confidence: float, seed: int
) -> list[Entry]:
    """The entries of one metric, an objective each."""
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
    """The difference of every objective to the baseline, by the objective's place."""
    means = plain_means(totals)
    others = [i for i in range(len(means)) if i != baseline]
    gap_of_means = difference(means, means[[baseline]])
    gaps = difference(resampled, resampled[:, [baseline]])
    p_values = [bootstrap_p_value(gaps[:, i]) for i in others]
    found = {}
    for i, p_value, p_holm in zip(others, p_values, holm(p_values), strict=True):
        gap = estimate(float(gap_of_means[i]), gaps[:, i], confidence)
        significant = gap.low > 0 or gap.high < 0
        found[i] = Difference(
            estimate=gap,
            p_value=p_value,
            p_holm=p_holm,
            significant=significant,
            significant_holm=significant and p_holm < 1 - confidence,
            seeds_ahead=_seeds_ahead(totals, i, baseline),
        )
    return found


def _totals(grid: Grid, metric: str) -> Totals:
    """Sums and counts by prompt, the prompts of all seeds together."""
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
    """In how many seeds the objective's own mean is above the baseline's."""
    per_seed: Float[ndarray, "objectives seeds"] = np.divide(
        totals.sums.sum(axis=0),
        totals.counts.sum(axis=0),
        out=np.full(totals.sums.shape[1:], math.nan),
        where=totals.counts.sum(axis=0) > 0,
    )
    return int((per_seed[objective] > per_seed[baseline]).sum())
