"""Every model against the first, suite by suite, corrected for all comparisons at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trueward.evals.bootstrap import CONFIDENCE, DRAWS
from trueward.evals.significance import holm
from trueward.evals.suites.compare import SuiteDifference, compare_suites
from trueward.evals.suites.result import SuiteResult

_DRAWS_A_COMPARISON = 200


def compare_models(results: Mapping[str, Sequence[SuiteResult]]) -> tuple[SuiteDifference, ...]:
    """Differences of primary metrics to the first model's, paired by prompt; Holm over them all.

    The number of resamplings grows with the number of comparisons, so that the smallest p-value
    there can be, times their number, stays below 1 − confidence. A suite whose primary metric the
    data does not give, or that the first model was not judged on, is left out.

    Args:
        results: by model, its results, a suite each.

    Raises:
        InputError: models were judged on different items of a suite.
    """
    first, *others = results
    usable = {name: [r for r in rows if r.primary in r.weights] for name, rows in results.items()}
    shared = {
        other: ([r for r in usable[other] if r.suite in suites], suites)
        for other in others
        for suites in [_by_suite(usable[first], usable[other])]
    }
    family = sum(len(mine) for mine, _ in shared.values())
    draws = max(DRAWS, _DRAWS_A_COMPARISON * family)
    found = [
        difference
        for mine, theirs in shared.values()
        for difference in compare_suites(mine, list(theirs.values()), draws=draws)
    ]
    corrected = holm([difference.p_value for difference in found])
    return tuple(
        replace(
            difference,
            p_holm=p_holm,
            significant_holm=difference.significant and p_holm < 1 - CONFIDENCE,
        )
        for difference, p_holm in zip(found, corrected, strict=True)
    )


def _by_suite(
    baselines: Sequence[SuiteResult], results: Sequence[SuiteResult]
) -> dict[str, SuiteResult]:
    """The baseline's results on the suites that both have."""
    names = {result.suite for result in results}
    return {one.suite: one for one in baselines if one.suite in names}
