"""What a suite is: how its rows become items, and what its metric makes of their scores."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from trueward.errors import DataError
from trueward.files import JsonField
from trueward.stats import CONFIDENCE, DRAWS
from trueward.suites.fields import has
from trueward.suites.intervals import counts_of, estimates
from trueward.suites.outcomes import Outcome, gather, prompt_of
from trueward.suites.result import SuiteResult, make_part
from trueward.suites.sources import Reader, Table, read_tables, row_fields
from trueward.suites.weights import Weights
from trueward.types import Item

ScoreLists: TypeAlias = Sequence[Sequence[float]]
"""For each item the rewards of its responses, in logits."""


def _no_extras(items: Sequence[Item], scores: ScoreLists) -> dict[str, float]:
    return {}


@dataclass(frozen=True)
class Suite:
    """A benchmark: its facts, its loader and its metric; values are shares unless it says so."""

    name: str
    measures: str
    primary: str
    """Name of the part one quotes."""
    tie_rule: str
    local_format: str
    citation: str
    origin: str
    licence: str
    item: Callable[[JsonField, str, int], Item]
    """Makes an item of a row, its table's name and its number."""
    outcomes: Callable[[Sequence[Item], ScoreLists], Iterable[Outcome]]
    parts: Callable[[Mapping[str, int]], dict[str, Weights]]
    """Makes every part's weights from the number of values in each cell."""
    tables: tuple[Table, ...] = ()
    """Where it lies on the hub; none where the hub has no form that `datasets` reads."""
    only: tuple[str, ...] = ()
    """Names to read in a folder; all where it is empty."""
    keys: tuple[str, ...] = ("id",)
    """The fields of which a row has one that makes its item's id its own."""
    unit: Callable[[Item], str] = prompt_of
    extras: Callable[[Sequence[Item], ScoreLists], dict[str, float]] = _no_extras

    def load(self, source: str | Path | None = None, *, read: Reader) -> list[Item]:
        """Read the suite's items.

        Args:
            source: None for the hub, or a hub name, a file, or a folder of files.
            read: how to read one table into rows: `trueward.data.load_rows`.

        Raises:
            DataError: naming file, row and field, if a row is not what it must be.
        """
        tables = read_tables(source, self.tables, self.only, read)
        return list(_without_repeats(self._items(tables), self.keys))

    def from_rows(self, rows: Iterable[Mapping[str, Any]], table: str) -> list[Item]:
        """The same for rows that are in memory; `table` names them as a file would."""
        return list(_without_repeats(self._items([(table, table, rows)]), self.keys))

    def _items(
        self, tables: Iterable[tuple[str, str, Iterable[Mapping[str, Any]]]]
    ) -> Iterator[tuple[Item, JsonField]]:
        for name, place, rows in tables:
            for number, row in enumerate(row_fields(rows, place)):
                yield self.item(row, name, number), row

    def judge(
        self,
        items: Sequence[Item],
        scores: Sequence[Sequence[int | float]],
        *,
        scorer: str = "",
        draws: int = DRAWS,
        confidence: float = CONFIDENCE,
        seed: int = 0,
    ) -> SuiteResult:
        """The suite's metric of these scores, each part with a bootstrap interval over prompts.

        Args:
            items: as `load` gave them.
            scores: for each item the rewards of its responses, in their order, in logits.
            scorer: what gave the scores.
            draws: number of resamplings.
            confidence: coverage of the intervals.
            seed: of the resampling.

        Raises:
            DataError: no item, or not one finite score for each response.
        """
        rewards = _checked(items, scores, self.name)
        cells = gather(self.outcomes(items, rewards), items, self.unit)
        weights = self.parts(counts_of(cells))
        present = {name: part for name, part in weights.items() if part}
        intervals = estimates(cells, present, draws, confidence, seed)
        return SuiteResult(
            suite=self.name,
            scorer=scorer,
            primary=self.primary,
            parts=tuple(make_part(name, present[name], cells, intervals[name]) for name in present),
            missing=tuple(name for name, part in weights.items() if not part),
            extras=self.extras(items, rewards),
            draws=draws,
            confidence=confidence,
            weights=present,
            cells=cells,
        )


def _without_repeats(
    items: Iterable[tuple[Item, JsonField]], keys: Sequence[str]
) -> Iterator[Item]:
    seen: dict[str, str] = {}
    for item, row in items:
        if item.id in seen:
            key = next((name for name in keys if has(row, name)), keys[0])
            raise DataError(
                f"{row.file}: field {key!r}: {item.id!r} is the id of {seen[item.id]} already; "
                "give every item its own"
            )
        seen[item.id] = row.file
        yield item


def _checked(
    items: Sequence[Item], scores: Sequence[Sequence[int | float]], suite: str
) -> list[list[float]]:
    if len(items) != len(scores) or not items:
        raise DataError(
            f"{suite}: got {len(items)} items and scores for {len(scores)}; "
            "give at least one item, and scores for each"
        )
    for item, row in zip(items, scores, strict=True):
        if len(row) != len(item.responses):
            raise DataError(
                f"{suite}: item {item.id!r} has {len(item.responses)} responses and {len(row)} "
                "scores; give one score a response"
            )
        if not all(map(math.isfinite, row)):
            raise DataError(
                f"{suite}: item {item.id!r} has a score that is not finite; "
                "score its responses again, or leave the item out of the suite's file"
            )
    return [[float(score) for score in row] for row in scores]
