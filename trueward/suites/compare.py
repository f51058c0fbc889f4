"""Two scorers on the same suites: paired bootstrap over prompts, Holm's correction over suites."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray

from trueward.errors import InputError
from trueward.stats import CONFIDENCE, DRAWS, bootstrap_p_value, difference, estimate, holm
from trueward.suites.intervals import cell_means, part_values
from trueward.suites.paired import shared_cells
from trueward.suites.result import SuiteResult
from trueward.types import Estimate


@dataclass(frozen=True)
class SuiteDifference:
    """A scorer minus the baseline on the primary metric of one suite, paired by prompt."""

    suite: str
    metric: str
    scorer: str
    baseline: str
    estimate: Estimate
    p_value: float
    p_holm: float
    """Corrected for the number of suites compared."""
    significant: bool
    """The interval excludes zero."""
    significant_holm: bool
    """And the corrected p-value is below 1 − confidence."""


def compare_suites(
    results: Sequence[SuiteResult],
    baselines: Sequence[SuiteResult],
    *,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[SuiteDifference, ...]:
    """The primary metric of every suite against the baseline's, in the order of `results`.

    A draw resamples prompts and is the same for both scorers. Intervals are percentile intervals.
    Items without a value by either scorer are left out for both.

    Args:
        results: one for each suite, of one scorer.
        baselines: one for each of the same suites, of the other.
        draws: number of resamplings.
        confidence: coverage of the intervals.
        seed: of the resampling.

    Raises:
        InputError: the suites differ, one was judged on other data, or has no value of its primary
            metric that both scorers share.
    """
    others = {result.suite: result for result in baselines}
    mine = [result.suite for result in results]
    if sorted(mine) != sorted(others) or len(others) != len(baselines):
        raise InputError(
            f"suite comparison: got {', '.join(mine) or 'nothing'} against "
            f"{', '.join(others) or 'nothing'}; judge both scorers on the same suites, each once"
        )
    paired = [_paired(result, others[result.suite], draws, seed) for result in results]
    p_values = [bootstrap_p_value(gaps) for _, gaps in paired]
    found = []
    for result, (gap, gaps), p, p_holm in zip(
        results, paired, p_values, holm(p_values), strict=True
    ):
        interval = estimate(gap, gaps, confidence)
        significant = interval.low > 0 or interval.high < 0
        found.append(
            SuiteDifference(
                suite=result.suite,
                metric=result.primary,
                scorer=result.scorer,
                baseline=others[result.suite].scorer,
                estimate=interval,
                p_value=p,
                p_holm=p_holm,
                significant=significant,
                significant_holm=significant and p_holm < 1 - confidence,
            )
        )
    return tuple(found)


def _paired(
    result: SuiteResult, other: SuiteResult, draws: int, seed: int
) -> tuple[float, Float[ndarray, " draws"]]:
    """The difference of the primary metric, and the same under resampled prompts."""
    weights, cells = shared_cells(result, other)
    names = list(weights)
    columns = [pair[side] for side in (0, 1) for pair in cells.values()]
    means, resampled = cell_means(columns, draws, seed)
    ours, theirs = slice(None, len(names)), slice(len(names), None)
    gaps = [
        difference(
            part_values(found[..., ours], names, weights),
            part_values(found[..., theirs], names, weights),
        )
        for found in (means, resampled)
    ]
    return float(gaps[0]), gaps[1]
