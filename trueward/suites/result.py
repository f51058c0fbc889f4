"""What a suite says of one scorer, and its JSON form `trueward.suite/1`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from trueward.files import JsonField, plain, read_json, write_json
from trueward.types import Estimate

SCHEMA = "trueward.suite/1"
Weights: TypeAlias = dict[str, float]
"""Cell to weight; empty where the part has no data."""


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
        """Return how many values are not NaN."""
        return sum(not math.isnan(value) for value in self.values)


@dataclass(frozen=True)
class Part:
    """One number of a suite: a subset, a section or the whole."""

    name: str
    n: int
    """Items it rests on."""
    ties: int
    """Items that equal rewards decided."""
    undefined: int
    """Items left out because their value is undefined."""
    estimate: Estimate


@dataclass(frozen=True)
class SuiteResult:
    """The numbers of one suite and one scorer; `docs/suites.md` explains each field."""

    suite: str
    scorer: str
    """What gave the scores."""
    primary: str
    """Name of the part one quotes."""
    parts: tuple[Part, ...]
    missing: tuple[str, ...]
    """Parts that the suite has and the data has not; masked in what is above them."""
    extras: Mapping[str, float]
    """Numbers that are no mean over items, without an interval."""
    draws: int
    confidence: float
    weights: Mapping[str, Weights] = field(default_factory=dict)
    """By part: the weight of each cell's mean."""
    cells: Mapping[str, Cell] = field(default_factory=dict)
    """The value of every item."""
    data: str | None = None
    """Digest of the items that were judged: only results of the same data are paired."""

    @property
    def value(self) -> Estimate:
        """The primary metric."""
        return self.part(self.primary).estimate

    def part(self, name: str) -> Part:
        """The part of that name; KeyError if there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document: NaN is null."""
        return {"schema": SCHEMA, **plain(asdict(self))}

    @classmethod
    def from_json(cls, document: JsonField) -> "SuiteResult":
        """Read and check a document.

        Raises:
            DataError: naming file and field, if anything is missing or of another type.
        """
        if document["schema"].value != SCHEMA:
            document["schema"].fail(f'"{SCHEMA}"')
        return cls(
            suite=document["suite"].text(),
            scorer=document["scorer"].text(),
            primary=document["primary"].text(),
            parts=tuple(_part(node) for node in document["parts"].items()),
            missing=tuple(document["missing"].texts()),
            extras=_numbers(document["extras"]),
            draws=document["draws"].integer(),
            confidence=document["confidence"].number(),
            weights={name: _numbers(node) for name, node in document["weights"].members().items()},
            cells={name: _cell(node) for name, node in document["cells"].members().items()},
            data=_digest(document),
        )


def make_part(name: str, weights: Weights, cells: Mapping[str, Cell], estimate: Estimate) -> Part:
    """The part with the counts of the items it rests on."""
    rows = [
        (identity, math.isnan(value), tied)
        for cell in (cells[name] for name in weights)
        for identity, value, tied in zip(cell.ids, cell.values, cell.tied, strict=True)
    ]
    everything = {identity for identity, _, _ in rows}
    defined = {identity for identity, undefined, _ in rows if not undefined}
    tied = {identity for identity, _, tied in rows if tied}
    return Part(name, len(everything), len(tied), len(everything - defined), estimate)


def save_suite_result(result: SuiteResult, path: Path | str) -> None:
    """Write a suite's result, whole or not at all."""
    write_json(result.to_dict(), path)


def load_suite_result(path: Path | str) -> SuiteResult:
    """Read a suite's result; DataError names the file and the field that is wrong."""
    return SuiteResult.from_json(read_json(path))


def _digest(document: JsonField) -> str | None:
    """Documents that were written before digests have none."""
    return document["data"].text() if document.value.get("data") is not None else None


def _numbers(node: JsonField) -> dict[str, float]:
    return {name: member.number() for name, member in node.members().items()}


def _part(node: JsonField) -> Part:
    numbers = node["estimate"]
    return Part(
        name=node["name"].text(),
        n=node["n"].integer(),
        ties=node["ties"].integer(),
        undefined=node["undefined"].integer(),
        estimate=Estimate(*(numbers[name].number() for name in ("value", "low", "high"))),
    )


def _cell(node: JsonField) -> Cell:
    cell = Cell(
        ids=node["ids"].texts(),
        units=node["units"].texts(),
        values=node["values"].numbers(),
        tied=[flag.boolean() for flag in node["tied"].items()],
    )
    for name in ("units", "values", "tied"):
        if len(node[name].value) != len(cell.ids):
            node[name].fail(f"a list of {len(cell.ids)} like 'ids'")
    return cell
