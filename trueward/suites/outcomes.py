"""What a benchmark says of each item: values in cells, and the tie rules that several share."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trueward.types import Item


class Outcome(NamedTuple):
    """One value of one item."""

    cell: str
    place: int
    """Of the item in the list of items."""
    value: float
    tied: bool = False
    """Whether equal rewards decided it."""


@dataclass(frozen=True)
class Cell:
    """The values of one kind, at most one an item; NaN is undefined. Four lists of equal length."""

    ids: Sequence[str]
    units: Sequence[str]
    """The prompt of each, which the bootstrap resamples."""
    values: Sequence[int | float]
    tied: Sequence[bool]

    @property
    def defined(self) -> int:
        """How many values are not NaN."""
        return sum(not math.isnan(value) for value in self.values)


def gather(
    outcomes: Iterable[Outcome], items: Sequence[Item], unit: Callable[[Item], str]
) -> dict[str, Cell]:
    """Outcomes by cell, in the order in which cells first come.

    A unit is named by the first item that has it.
    """
    named: dict[str, str] = {}
    units = [named.setdefault(unit(item), item.id) for item in items]
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.cell, []).append(outcome)
    return {
        cell: Cell(
            ids=[items[one.place].id for one in members],
            units=[units[one.place] for one in members],
            values=[one.value for one in members],
            tied=[one.tied for one in members],
        )
        for cell, members in found.items()
    }


def prompt_of(item: Item) -> str:
    """The prompt's content: items with the same prompt are one unit."""
    return json.dumps(item.prompt, sort_keys=True)


OVERALL = "overall"
"""The cell of all items together."""


def and_overall(outcome: Outcome) -> Iterator[Outcome]:
    """The outcome in its own cell, and in the one of all items."""
    yield outcome
    yield outcome._replace(cell=OVERALL)


def strictly_best(place: int, cell: str, scores: Sequence[float], best: int = 0) -> Outcome:
    """1 if the best response beats every other; a tie is wrong."""
    others = max(score for number, score in enumerate(scores) if number != best)
    return Outcome(cell, place, float(scores[best] > others), scores[best] == others)


def share_of_top(place: int, cell: str, scores: Sequence[float], right: int) -> Outcome:
    """The share of right responses among those tied at the maximum; the first `right` are right.

    With one right response this is 1/(number tied at the maximum) if it is there, else 0.
    """
    top = [number for number, score in enumerate(scores) if score == max(scores)]
    return Outcome(cell, place, sum(number < right for number in top) / len(top), len(top) > 1)
