"""A JSONL file that grows in chunks, and can be gone on with after an interruption."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.errors import OutputExistsError
from trueward.files import plain, write_json

CHUNK = 64
"""Rows that are scored and written at a time."""


@dataclass(frozen=True)
class RowFile:
    """Rows under way in `PATH.part`, renamed to `PATH` when the last is written."""

    path: Path
    record: Path
    """What the rows were made of: written before the first of them."""

    @property
    def part(self) -> Path:
        """Where rows are while more are to come."""
        return self.path.with_name(self.path.name + ".part")

    def check_apart(self, source: str) -> None:
        """Refuse to write where the rows come from.

        Raises:
            OutputExistsError: the file, its `.part` or its record is the source.
        """
        check_apart(source, self.path, self.part, self.record)

    def resume(self, chunk: int | None = None) -> int:
        """How many rows stand in whole chunks; what is behind them is cut off."""
        chunk = chunk or CHUNK
        kept = end = offset = 0
        if not self.part.is_file():
            return kept
        with self.part.open("r+b") as stream:
            for number, line in enumerate(stream, start=1):
                offset += len(line)
                if number % chunk == 0 and line.endswith(b"\n"):
                    kept, end = number, offset
            stream.truncate(end)
        return kept

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows that are written so far."""
        if self.part.is_file():
            with self.part.open(encoding="utf-8") as stream:
                yield from map(json.loads, stream)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a chunk at the end."""
        lines = [json.dumps(plain(row), ensure_ascii=False, allow_nan=False) for row in rows]
        with self.part.open("a", encoding="utf-8") as stream:
            stream.write("".join(line + "\n" for line in lines))

    def finish(self) -> None:
        """Give the file its name."""
        self.part.replace(self.path)

    def remove(self) -> None:
        """Remove the rows and their record."""
        for path in (self.path, self.part, self.record):
            path.unlink(missing_ok=True)


def check_apart(source: str, *outputs: Path) -> None:
    """Refuse outputs of which one is the source, by whatever name, or holds a folder's place.

    Raises:
        OutputExistsError: naming it.
    """
    for path in outputs:
        if path.is_dir():
            raise OutputExistsError(f"{path} is a folder, not a file; choose another output")
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise OutputExistsError(
                f"{path} is where the rows come from ({source}); choose another output"
            )


def begin_record(path: Path, identity: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write what rows are made of (`made_of`, which a second sitting must share), and facts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json({"schema": "trueward.scores/1", "made_of": identity, **facts}, path)


def read_record(path: Path) -> dict[str, Any]:
    """A record as `begin_record` wrote it; empty where there is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    known = isinstance(record, dict) and isinstance(record.get("made_of"), dict)
    return record if known else {}


def check_same(path: Path, record: Path, identity: Mapping[str, Any]) -> None:
    """Refuse to go on with, or to take for the same, what was made of something else.

    Raises:
        OutputExistsError: naming what differs.
    """
    earlier = read_record(record).get("made_of")
    if earlier is None:
        raise OutputExistsError(
            f"{path} is there, but not {record.name}, which says what it was made of; "
            "choose another output, or --overwrite"
        )
    changed = [
        f"{name} was {_said(earlier.get(name))}, now {_said(identity.get(name))}"
        for name in {**earlier, **identity}
        if earlier.get(name) != identity.get(name)
    ]
    if changed:
        raise OutputExistsError(
            f"{path} was made of something else: {'; '.join(changed)}; "
            "choose another output, or --overwrite"
        )


def _said(value: Any) -> str:
    return "not given" if value is None else str(value)
