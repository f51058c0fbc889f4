"""Streams of preference rows, paired and encoded a block at a time as they are read."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from datasets import IterableDataset

from trueward.data.encode import FATE, KEPT, LONGEST, LengthReport, encode_block
from trueward.data.encoder import Encoder
from trueward.data.forms import PAIR_NUMBERS, Form, recognise
from trueward.data.pairs import PairingReport, read_pairs
from trueward.data.rule import PairRule
from trueward.data.store import dataset_from_rows
from trueward.errors import DataError
from trueward.types import Row

STREAM_BLOCK = 32
"""Rows that are read ahead, to be tokenized in one call."""


@dataclass
class _Pass:
    """Counts of one pass over a stream."""

    rows: int = 0
    pairs: int = 0
    longest: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)


@dataclass
class StreamReport:
    """Running counts of what became of a stream's rows, over the pass that has read most."""

    form: Form
    columns: tuple[str, ...]
    max_length: int | None
    text: bool | None = None
    """True where responses are text, False for messages, None for token ids."""
    running: _Pass = field(default_factory=_Pass)
    before: _Pass = field(default_factory=_Pass)

    def begin(self) -> None:
        """Count a new pass."""
        self.before, self.running = self._fullest, _Pass()

    @property
    def _fullest(self) -> _Pass:
        return max(self.running, self.before, key=lambda one: one.rows)

    @property
    def pairing(self) -> PairingReport:
        """The rows that became pairs so far, and those that did not."""
        counts, unused = self._fullest, self.form.unused(self.columns)
        return PairingReport(
            self.form.kind, counts.rows, counts.pairs, dict(counts.left_out), unused
        )

    @property
    def lengths(self) -> LengthReport:
        """What the over-length policy did so far; its rows are not listed."""
        counts = self._fullest
        return LengthReport(
            unit="pairs",
            total=counts.pairs,
            kept=sum(counts.fates[fate] for fate in KEPT),
            max_length=self.max_length,
            longest=counts.longest,
            dropped=counts.fates["over"],
            truncated=counts.fates["truncated"],
            indistinct=counts.fates["indistinct"],
        )

    def __str__(self) -> str:
        return f"{self.pairing}; {self.lengths}"


def encode_stream(
    stream: IterableDataset, encoder: Encoder, name: str
) -> tuple[IterableDataset, StreamReport]:
    """Return a stream of token ids, and a report that counts while it is read.

    Pairs, templates, policies and errors are those of `to_pairs` and `encode_pairs`; of a stream's
    columns only what training reads is kept. The first row says which form the rows have.

    Raises:
        DataError: here, an unknown form, no rows, or rows that have to be gathered first; while the
            stream is read, a row that is not what it must be.
    """
    first = next(iter(stream), None)
    if first is None:
        raise DataError(f"{name}: no rows; expected at least one")
    head = dataset_from_rows([first], name)
    form = recognise(head, None, name)
    if form.kind == "one response a row":
        raise DataError(
            f"{name}: a stream of one response a row cannot be gathered by prompt; give pairs or "
            "lists of responses, or the data as a Dataset"
        )
    report = StreamReport(form, tuple(head.column_names), encoder.max_length)
    foreign = list(head.column_names)  # and, once seen, the columns that only later rows have
    prepared = stream.map(
        _Block(encoder, report, name, foreign),
        batched=True,
        batch_size=STREAM_BLOCK,
        with_indices=True,
        remove_columns=foreign,
    )
    return prepared, report


@dataclass(frozen=True)
class _Block:
    """Turns a block of rows into token ids, and counts."""

    encoder: Encoder
    report: StreamReport
    name: str
    foreign: list[str]

    def __call__(self, columns: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
        report = self.report
        if numbers[0] == 0:
            report.begin()
        self.foreign.extend(column for column in columns if column not in self.foreign)
        pairs, origin = self._pairs(columns, numbers)
        given = {c: [pair.get(c) for pair in pairs] for c in dict.fromkeys(chain(*pairs))}
        encoded = encode_block(given, origin, encoder=self.encoder, name=self.name, whole=True)
        fates, longest = encoded.pop(FATE, []), encoded.pop(LONGEST, [])
        counts = report.running
        counts.rows += len(numbers)
        counts.pairs += len(pairs)
        counts.fates.update(fates)
        counts.longest = max([counts.longest, *longest])
        if pairs and "chosen" in pairs[0]:
            report.text = isinstance(pairs[0]["chosen"], str)
        if self.encoder.truncation == "error" and "over" in fates:
            row = fates.index("over")
            raise DataError(
                f"{self.name}: row {origin[row]} has {longest[row]} tokens, more than max_length="
                f"{self.encoder.max_length}; raise it, or choose truncation drop, truncate_left or "
                "truncate_right"
            )
        encoded |= {column: given[column] for column in PAIR_NUMBERS if column in given}
        kept = [i for i, fate in enumerate(fates) if fate in KEPT]
        return {column: [values[i] for i in kept] for column, values in encoded.items()}

    def _pairs(
        self, columns: dict[str, list[Any]], numbers: list[int]
    ) -> tuple[list[Row], list[int]]:
        """Return the pairs of a block, and the number of the row that each comes from."""
        report = self.report
        pairs: list[Row] = []
        origin: list[int] = []
        for index, number in enumerate(numbers):
            row = {c: columns[c][index] if c in columns else None for c in report.columns}
            pairs += read_pairs(
                [(number, row)], report.form, PairRule(), report.running.left_out, self.name
            )
            origin += [number] * (len(pairs) - len(origin))
        return pairs, origin
