"""Results of benchmark suites."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, TypeAlias

from pydantic import AfterValidator

from trueward.results.document import Document, expect_alike
from trueward.types import Estimate, Number

Weights: TypeAlias = dict[str, float]
"""Weights of the means of `cells`, by name; empty where a part has no data."""


@dataclass(frozen=True)
class ItemValues:
    """The values of one kind, at most one an item; NaN is undefined. Four lists of equal length."""

    ids: Sequence[str]
    units: Sequence[str]
    """Prompt of each item, which the bootstrap resamples."""
    values: Sequence[Number]
    tied: Sequence[bool]
    """True where equal rewards decided it."""

    @property
    def defined(self) -> int:
        """The number of values that are not NaN."""
        return sum(not math.isnan(value) for value in self.values)


def _whole(cells: Mapping[str, ItemValues]) -> Mapping[str, ItemValues]:
    for kind, one in cells.items():
        for name in ("units", "values", "tied"):
            expect_alike((len(one.ids), len(getattr(one, name))), "ids", name, kind)
    return cells


@dataclass(frozen=True)
class SuitePart:
    """One number of a suite: a subset, a section or the whole."""

    name: str
    n: int
    """Number of items it rests on."""
    ties: int
    """Number of items that equal rewards decided."""
    undefined: int
    """Number of items left out because their value is undefined."""
    estimate: Estimate


@dataclass(frozen=True)
class SuiteResult(Document):
    """The numbers of one suite and one scorer: `SUITE.json`; `docs/suites.md` explains suites."""

    SCHEMA: ClassVar[str] = "trueward.suite/1"

    suite: str
    scorer: str
    """Label of the model or file that gave the scores."""
    primary: str
    """Name of the part that stands for the whole suite."""
    parts: tuple[SuitePart, ...]
    missing: tuple[str, ...]
    """Parts that the suite has and the data has not; masked in what is above them."""
    extras: Mapping[str, Number]
    """Numbers that are not means over items and have no interval."""
    draws: int
    """Number of resamplings of prompts."""
    confidence: Number
    """Coverage of the intervals."""
    weights: Mapping[str, dict[str, Number]] = field(default_factory=dict)
    """Weights of the means of `cells`, by part."""
    cells: Annotated[Mapping[str, ItemValues], AfterValidator(_whole)] = field(default_factory=dict)
    """Value of every item, by kind; a part is a weighted sum of their means."""
    data: str | None = None
    """Digest of the items that were judged: only results of the same data are paired. Documents
    that were written before digests have none."""

    @property
    def value(self) -> Estimate:
        """The value of the primary metric."""
        return self.part(self.primary).estimate

    def part(self, name: str) -> SuitePart:
        """Return the part of that name; KeyError if there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)
