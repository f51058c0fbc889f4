"""Where the rows of a suite lie: on the hub, in a file, or in a folder of files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from trueward.errors import DataError
from trueward.files import JsonField

ENDINGS = (".json", ".jsonl", ".csv", ".parquet")
"""Of the files that are read in a folder; `.gz` may follow."""
_SAVED = "state.json"
"""A folder that `save_to_disk` wrote has one."""

Rows: TypeAlias = Iterable[Mapping[str, Any]]


Reader: TypeAlias = Callable[..., Rows]
"""Reads a file, `read(path)`, or a hub table, `read(name, split=…)`, into rows.

`trueward.data.load_rows` is one.
"""


@dataclass(frozen=True)
class Table:
    """One table of a suite on the hub."""

    hub: str
    split: str
    name: str
    """What the suite calls it, as it would a file."""


def read_tables(
    source: str | Path | None, tables: Sequence[Table], only: Sequence[str], read: Reader
) -> Iterator[tuple[str, str, Rows]]:
    """The name, the place (for messages) and the rows of every table.

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
        for path in _parts(Path(source), only):
            yield _name(path, Path(source)), str(path), read(path)
    elif source is None or _is_hub_name(source, tables):
        for table in tables:
            hub = table.hub if source is None else str(source)
            yield table.name, hub, read(hub, split=table.split)
    else:
        yield _name(Path(source), Path(source).parent), str(source), read(source)


def row_fields(rows: Rows, place: str) -> Iterator[JsonField]:
    """Every row as a field that knows its place, counted from zero."""
    for number, row in enumerate(rows):
        yield JsonField(dict(row), f"{place}: row {number}", remedy="mend the row")


def _is_hub_name(source: str | Path, tables: Sequence[Table]) -> bool:
    text = str(source)
    return (
        bool(tables) and not Path(source).exists() and text.count("/") == 1 and text[0] not in "./~"
    )


def _parts(folder: Path, only: Sequence[str]) -> list[Path]:
    """Files and `save_to_disk` folders below a folder, or the folder itself if it is one."""
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
