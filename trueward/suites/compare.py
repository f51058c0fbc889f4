"""Scorers on the same suites: paired bootstrap over prompts, with Holm's correction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray

from trueward.errors import InputError
from trueward.results import ItemValues, PairedDifference, SuiteResult, Weights
from trueward.stats import CONFIDENCE, DRAWS, difference, significance
from trueward.suites.suite import cell_means, part_values

_DRAWS_A_COMPARISON = 200


@dataclass(frozen=True)
class _ComparedScorers:
    suite: str
    metric: str
    scorer: str
    baseline: str


@dataclass(frozen=True)
class SuiteDifference(
    PairedDifference, _ComparedScorers
):  # fields begin with those of the last base
    """A scorer minus the baseline on the primary metric of one suite, paired by prompt."""


@dataclass(frozen=True)
class Compared:
    """Differences to the first model, and the suites that could not be paired."""

    differences: tuple[SuiteDifference, ...]
    left_out: tuple[str, ...]
    """The reason for each."""


@dataclass(frozen=True)
class _Gap:
    """The difference of one primary metric, and the same under resampled prompts."""

    result: SuiteResult
    baseline: SuiteResult
    value: float
    draws: Float[ndarray, " draws"]


def compare_suites(
    results: Sequence[SuiteResult],
    baselines: Sequence[SuiteResult],
    *,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[SuiteDifference, ...]:
    """Compare the primary metric of every suite with the baseline's, in the order of `results`.

    A draw resamples prompts and is the same for both scorers. Intervals are percentile intervals.
    Prompts without a value by either scorer are left out for both.

    Args:
        results: one for each suite, of one scorer.
        baselines: one for each of the same suites, of the other.
        draws: number of resamplings.
        confidence: coverage of the intervals.
        seed: seed of the resampling.

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
    gaps = [_gap(result, others[result.suite], draws, seed) for result in results]
    return _differences(gaps, confidence)


def compare_models(results: Mapping[str, Sequence[SuiteResult]]) -> Compared:
    """Compare primary metrics with the first model's, paired by prompt; Holm over them all.

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
    gaps: list[_Gap] = []
    left_out = [
        f"suite comparison: {one.suite!r}: {first!r}, with which others are compared, was not "
        "judged on it"
        for one in given
        if one.suite not in baselines
    ]
    for one, baseline in pairs:
        try:
            gaps.append(_gap(one, baseline, draws, seed=0))
        except InputError as error:
            left_out.append(str(error))
    return Compared(_differences(gaps, CONFIDENCE), tuple(dict.fromkeys(left_out)))


def _differences(gaps: Sequence[_Gap], confidence: float) -> tuple[SuiteDifference, ...]:
    """Return the differences with Holm's correction over them all."""
    tested = significance([gap.value for gap in gaps], [gap.draws for gap in gaps], confidence)
    return tuple(
        SuiteDifference(
            suite=gap.result.suite,
            metric=gap.result.primary,
            scorer=gap.result.scorer,
            baseline=gap.baseline.scorer,
            **vars(one),
        )
        for gap, one in zip(gaps, tested, strict=True)
    )


def _gap(result: SuiteResult, baseline: SuiteResult, draws: int, seed: int) -> _Gap:
    weights, cells = _shared_cells(result, baseline)
    names = list(weights)
    columns = [pair[side] for side in (0, 1) for pair in cells.values()]
    means, resampled = cell_means(columns, draws, seed)
    ours, theirs = slice(None, len(names)), slice(len(names), None)
    value, drawn = (
        difference(
            part_values(found[..., ours], names, weights),
            part_values(found[..., theirs], names, weights),
        )
        for found in (means, resampled)
    )
    return _Gap(result, baseline, float(value), drawn)


def _shared_cells(
    result: SuiteResult, other: SuiteResult
) -> tuple[Weights, dict[str, tuple[ItemValues, ItemValues]]]:
    """Return the primary metric's cells of both, cut to the items with a value on both sides.

    A cell in which no item is left is masked for both, as a suite masks what it has no data for.

    Raises:
        InputError: they were judged on different data, or share no value of the primary metric.
    """
    about = f"suite comparison: {result.suite!r}"
    if result.data and other.data and result.data != other.data:
        raise InputError(
            f"{about} was judged on different data by {result.scorer!r} ({result.data}) "
            f"and {other.scorer!r} ({other.data}); judge both on the same"
        )
    parts = [_primary(result, other), _primary(other, result)]
    if any(_members(result, name) != _members(other, name) for part in parts for name in part):
        raise InputError(
            f"{about} was judged on different items by {result.scorer!r} and "
            f"{other.scorer!r}; judge both on the same"
        )
    together = [name for name in parts[0] if name in parts[1]]
    cut = {name: _cut(result.cells[name], other.cells[name]) for name in together}
    cells = {name: pair for name, pair in cut.items() if pair[0].ids}
    if not cells:
        raise InputError(
            f"{about}: no item has a value of {result.primary!r} by both "
            f"{result.scorer!r} and {other.scorer!r}; leave the suite out"
        )
    part = min(parts, key=len)  # what is masked on one side has its weight spread already
    kept = {name: part[name] for name in cells}
    spread = sum(part.values()) / sum(kept.values())
    return {name: weight * spread for name, weight in kept.items()}, cells


def _primary(one: SuiteResult, other: SuiteResult) -> Weights:
    """Return the weights of the primary metric; InputError says why there are none."""
    if one.primary in one.weights:
        return dict(one.weights[one.primary])
    about = f"suite comparison: {one.suite!r}"
    empty = [name for name, cell in one.cells.items() if not cell.defined]
    if any(name in empty for name in other.weights.get(one.primary, empty)):
        raise InputError(
            f"{about}: every value of {one.primary!r} by {one.scorer!r} is undefined, as τ "
            "is where all rewards of a prompt are equal; leave the suite out"
        )
    raise InputError(
        f"{about} by {one.scorer!r} has no {one.primary!r}: its data is missing; judge it "
        "on whole data, or leave the suite out"
    )


def _members(one: SuiteResult, cell: str) -> list[tuple[str, str]]:
    found = one.cells.get(cell)
    return sorted(zip(found.ids, found.units, strict=True)) if found else []


def _cut(one: ItemValues, other: ItemValues) -> tuple[ItemValues, ItemValues]:
    """Return both cells in one order, less the items that are undefined on either side."""
    places = [{name: place for place, name in enumerate(cell.ids)} for cell in (one, other)]
    both = [
        (mine, places[1][name])
        for name, mine in places[0].items()
        if not math.isnan(one.values[mine] + other.values[places[1][name]])
    ]
    return _chosen(one, [mine for mine, _ in both]), _chosen(other, [its for _, its in both])


def _chosen(cell: ItemValues, places: list[int]) -> ItemValues:
    return ItemValues(
        ids=[cell.ids[i] for i in places],
        units=[cell.units[i] for i in places],
        values=[cell.values[i] for i in places],
        tied=[cell.tied[i] for i in places],
    )
