"""What two results of one suite share: cells of the same items, with the values both have."""

import math
from typing import TypeAlias

from trueward.errors import InputError
from trueward.suites.outcomes import Cell
from trueward.suites.result import SuiteResult
from trueward.suites.weights import Weights

Pair: TypeAlias = tuple[Cell, Cell]


def shared_cells(result: SuiteResult, other: SuiteResult) -> tuple[Weights, dict[str, Pair]]:
    """The primary metric's cells of both, cut to the items that have a value on both sides.

    A cell in which no item is left is masked for both, as a suite masks what it has no data for.

    Raises:
        InputError: they were judged on different data, or share no value of the primary metric.
    """
    _check_same_data(result, other)
    parts = [_primary(result, other), _primary(other, result)]
    together = [name for name in parts[0] if name in parts[1]]
    _check_same_items(result, other, [*parts[0], *parts[1]])
    cut = {name: _cut(result.cells[name], other.cells[name]) for name in together}
    cells = {name: pair for name, pair in cut.items() if pair[0].ids}
    if not cells:
        raise InputError(
            f"{_about(result)}: no item has a value of {result.primary!r} by both "
            f"{result.scorer!r} and {other.scorer!r}; leave the suite out"
        )
    part = min(parts, key=len)  # what is masked on one side has its weight spread already
    kept = {name: part[name] for name in cells}
    spread = sum(part.values()) / sum(kept.values())
    return {name: weight * spread for name, weight in kept.items()}, cells


def _check_same_data(result: SuiteResult, other: SuiteResult) -> None:
    if result.data and other.data and result.data != other.data:
        raise InputError(
            f"{_about(result)} was judged on different data by {result.scorer!r} ({result.data}) "
            f"and {other.scorer!r} ({other.data}); judge both on the same"
        )


def _check_same_items(result: SuiteResult, other: SuiteResult, names: list[str]) -> None:
    items = [
        [_items(one.cells[name]) if name in one.cells else [] for name in names]
        for one in (result, other)
    ]
    if items[0] != items[1]:
        raise InputError(
            f"{_about(result)} was judged on different items by {result.scorer!r} and "
            f"{other.scorer!r}; judge both on the same"
        )


def _primary(one: SuiteResult, other: SuiteResult) -> Weights:
    """Cells and weights of the primary metric; InputError says why there are none."""
    if one.primary in one.weights:
        return dict(one.weights[one.primary])
    empty = [name for name, cell in one.cells.items() if not cell.defined]
    if any(name in empty for name in other.weights.get(one.primary, empty)):
        raise InputError(
            f"{_about(one)}: every value of {one.primary!r} by {one.scorer!r} is undefined, as τ "
            "is where all rewards of a prompt are equal; leave the suite out"
        )
    raise InputError(
        f"{_about(one)} by {one.scorer!r} has no {one.primary!r}: its data is missing; judge it "
        "on whole data, or leave the suite out"
    )


def _cut(one: Cell, other: Cell) -> Pair:
    """Both cells in one order, less the items that are undefined on either side."""
    places = [{name: place for place, name in enumerate(cell.ids)} for cell in (one, other)]
    both = [
        (mine, places[1][name])
        for name, mine in places[0].items()
        if not math.isnan(one.values[mine] + other.values[places[1][name]])
    ]
    return _chosen(one, [mine for mine, _ in both]), _chosen(other, [its for _, its in both])


def _chosen(cell: Cell, places: list[int]) -> Cell:
    return Cell(
        ids=[cell.ids[i] for i in places],
        units=[cell.units[i] for i in places],
        values=[cell.values[i] for i in places],
        tied=[cell.tied[i] for i in places],
    )


def _items(cell: Cell) -> list[tuple[str, str]]:
    return sorted(zip(cell.ids, cell.units, strict=True))


def _about(one: SuiteResult) -> str:
    return f"suite comparison: {one.suite!r}"
