"""Every model against the first, suite by suite, corrected for all comparisons at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trueward.errors import InputError
from trueward.stats import CONFIDENCE, DRAWS, holm
from trueward.suites.compare import SuiteDifference, compare_suites
from trueward.suites.result import SuiteResult

_DRAWS_A_COMPARISON = 200


@dataclass(frozen=True)
class Compared:
    """Differences to the first model, and the suites that could not be paired."""

    differences: tuple[SuiteDifference, ...]
    left_out: tuple[str, ...]
    """A reason each."""


def compare_models(results: Mapping[str, Sequence[SuiteResult]]) -> Compared:
    """Differences of primary metrics to the first model's, paired by prompt; Holm over them all.

    The number of resamplings grows with the number of comparisons, so that the smallest p-value
    there can be, times their number, stays below 1 − confidence. A suite that cannot be paired
    (other data, no primary metric, not judged by the first model) is left out, with its reason.

    Args:
        results: by model, its results, a suite each.
    """
    first, *others = results
    baselines = {one.suite: one for one in results[first]}
    given = [one for other in others for one in results[other]]
    pairs = [(one, baselines[one.suite]) for one in given if one.suite in baselines]
    draws = max(DRAWS, _DRAWS_A_COMPARISON * len(pairs))
    found: list[SuiteDifference] = []
    left_out = [
        f"suite comparison: {one.suite!r}: {first!r}, with which others are compared, was not "
        "judged on it"
        for one in given
        if one.suite not in baselines
    ]
    for one, baseline in pairs:
        try:
            found += compare_suites([one], [baseline], draws=draws)
        except InputError as error:
            left_out.append(str(error))
    return Compared(_corrected(found), tuple(dict.fromkeys(left_out)))


def _corrected(found: Sequence[SuiteDifference]) -> tuple[SuiteDifference, ...]:
    """Holm's correction over them all."""
    p_values = holm([one.p_value for one in found])
    return tuple(
        replace(one, p_holm=p, significant_holm=one.significant and p < 1 - CONFIDENCE)
        for one, p in zip(found, p_values, strict=True)
    )
