"""Rows of a suite: the tables that hold them, their fields, and files of scores for them."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trueward.errors import DataError
from trueward.files import JsonField
from trueward.types import Message, Prompt, Row

ENDINGS = (".json", ".jsonl", ".csv", ".parquet")
"""Endings of the files that are read in a folder; `.gz` may follow."""
_SAVED = "state.json"
"""The file that marks a folder written by `save_to_disk`."""

Rows: TypeAlias = Iterable[Row]
Reader: TypeAlias = Callable[..., Rows]
"""Reads a file, `read(path)`, or a hub table, `read(name, split=…)`, into rows.

`trueward.data.load_rows` is one.
"""


@dataclass(frozen=True)
class HubTable:
    """One table of a suite on the hub."""

    hub: str
    split: str
    name: str
    """Name that a file of it would have."""


def read_tables(
    source: str | Path | None, tables: Sequence[HubTable], only: Sequence[str], read: Reader
) -> Iterator[tuple[str, str, Rows]]:
    """Yield every table's name, its place (for messages) and its rows.

    Args:
        source: None for the suite's own hub tables, another hub name to read with the same
            splits, a file, or a folder of files.
        tables: the suite's tables on the hub.
        only: names of the files or folders to read in a folder; all where it is empty.
        read: reads one table.

    Raises:
        DataError: nothing is there.
    """
    if source is None and not tables:
        raise DataError("this suite has no hub table that can be read; give the path of its data")
    if source is not None and Path(source).is_dir():
        for path in _tables_in(Path(source), only):
            yield _name(path, Path(source)), str(path), read(path)
    elif source is None or _is_hub_name(source, tables):
        for table in tables:
            hub = table.hub if source is None else str(source)
            yield table.name, hub, read(hub, split=table.split)
    else:
        yield _name(Path(source), Path(source).parent), str(source), read(source)


def _is_hub_name(source: str | Path, tables: Sequence[HubTable]) -> bool:
    text = str(source)
    return (
        bool(tables) and not Path(source).exists() and text.count("/") == 1 and text[0] not in "./~"
    )


def _tables_in(folder: Path, only: Sequence[str]) -> list[Path]:
    """Return the files and `save_to_disk` folders below a folder, or itself if it is one."""
    saved = {mark.parent for mark in folder.rglob(_SAVED)}
    files = {
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name.removesuffix(".gz").endswith(ENDINGS)
        and not saved.intersection(path.parents)
    }
    found = [path for path in sorted(saved | files) if not only or _stem(path) in only]
    if not found:
        wanted = " named " + ", ".join(only) if only else ""
        raise DataError(f"{folder}: no {', '.join(ENDINGS)} file or saved data set{wanted} in it")
    return found


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_name(_stem(path)).as_posix()


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    return next((name.removesuffix(e) for e in ENDINGS if name.endswith(e)), name)


class RowField(JsonField):
    """A value of a row, or the whole row, read as benchmarks write prompts and responses."""

    def has(self, name: str) -> bool:
        """Return whether the row has the field, and something in it."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def one_of(self, names: tuple[str, ...]) -> str:
        """Return the string, one of these."""
        if self.value not in names:
            self.fail("one of " + ", ".join(map(repr, names)))
        return self.text()

    def identity(self) -> str:
        """Return an id as text; it is text or a whole number."""
        usable = isinstance(self.value, str | int) and not isinstance(self.value, bool)
        return str(self.value) if usable else self.fail("text or a whole number")

    def flag(self) -> bool:
        """Return true or false; 1 and 0 will do."""
        return bool(self.value) if self.value in (0, 1) else self.fail("true, false, 1 or 0")

    def conversation(self) -> list[Message]:
        """Return a prompt as messages: text is one message of the user."""
        if isinstance(self.value, str):
            return [{"role": "user", "content": self.value}]
        if not isinstance(self.value, list) or not self.value:
            self.fail("text or a list of messages")
        return [{name: turn[name].text() for name in ("role", "content")} for turn in self.items()]

    def reply(self) -> str:
        """Return a response, which is text or a list of one message."""
        if isinstance(self.value, list) and len(self.value) == 1:
            return self.items()[0]["content"].text()
        return self.value if isinstance(self.value, str) else self.fail("text or one message")

    def replies(self, count: int | None = None) -> tuple[str, ...]:
        """Return a list of responses: `count` of them where that is given, else at least one."""
        found = tuple(item.reply() for item in self.items())
        if count is not None and len(found) != count:
            self.fail(f"a list of {count} responses")
        return found if found else self.fail("at least one response")


def row_fields(rows: Rows, place: str) -> Iterator[RowField]:
    """Yield every row as a field that knows its place, counted from zero."""
    for number, row in enumerate(rows):
        yield RowField(dict(row), f"{place}: row {number}", remedy="mend the row")


def pair_in_subset(row: RowField, subset: str, number: int) -> Prompt:
    """Return a pair, the better response first; its id is the row's or its number in the subset."""
    own = row["id"].identity() if row.has("id") else str(number)
    return Prompt(
        id=f"{subset}/{own}",
        prompt=row["prompt"].conversation(),
        responses=(row["chosen"].reply(), row["rejected"].reply()),
        subset=subset,
    )


def read_scores(source: str | Path, *, read: Reader) -> dict[str, list[float]]:
    """Read scores by prompt id: rows `{id, scores: […]}`, or JudgeBench's `{pair_id, scores: […]}`.

    Args:
        source: a file that `read` reads.
        read: how to read it into rows: `trueward.data.load_rows`.

    Raises:
        DataError: naming file, row and field, if a row is not so, or an id comes twice.
    """
    scores: dict[str, list[float]] = {}
    for row in row_fields(read(source), str(source)):
        field = row["id" if row.has("id") or not row.has("pair_id") else "pair_id"]
        identity = field.identity()
        if identity in scores:
            field.fail("an id that no other row has")
        scores[identity] = [_finite(score) for score in row["scores"].items()]
    return scores


def _finite(score: RowField) -> float:
    value = score.number()
    return value if math.isfinite(value) else score.fail("a finite number")


def scores_of(
    prompts: Sequence[Prompt], scores: Mapping[str, Sequence[float]]
) -> list[list[float]]:
    """Return the scores in the order of the prompts; `scores` are in the order of their rows.

    Raises:
        DataError: a prompt has no scores or not one a response, or scores belong to no prompt.
    """
    ids = [str(prompt.id) for prompt in prompts]
    missing = [identity for identity in ids if identity not in scores]
    strangers = scores.keys() - set(ids)
    if missing:
        raise DataError(
            f"scores: none for {len(missing)} of {len(ids)} items, such as {missing[0]!r}; add them"
        )
    if strangers:
        raise DataError(
            f"scores: {len(strangers)} of {len(scores)} ids are of no item, such as "
            f"{min(strangers)!r}; give the scores of this suite"
        )
    for identity, prompt in zip(ids, prompts, strict=True):
        if len(scores[identity]) != len(prompt.responses):
            raise DataError(
                f"row {list(scores).index(identity)}: field 'scores': expected "
                f"{len(prompt.responses)} scores, one for each response of {identity!r}, got "
                f"{len(scores[identity])}; mend the row"
            )
    return [list(scores[identity]) for identity in ids]
