"""Runs: folders and files of results that are claimed, identified, gone on with, and recorded."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

from trueward.errors import InputError, OutputExistsError
from trueward.files import plain, write_json

Item = TypeVar("Item")

Advance: TypeAlias = Callable[[int], object]
"""Told how many further responses are done."""
Begin: TypeAlias = Callable[[str, int, int], Advance]
"""Told what begins, how many responses there are, how many are done; then each batch's count."""

PACKAGES = ("trueward", "torch", "transformers", "trl", "datasets", "accelerate", "peft")
"""The packages on which numbers depend."""
RESULT_MARKS = (
    ("settings.json", "accuracy_threshold"),
    ("results.json", "baselines"),
    ("trueward.json", "trueward"),
    ("train.json", "finished"),
)
"""Files that training and studies leave, and a key of each: users have files of such names."""
CHUNK = 64
"""Rows that are scored and written at a time."""


def silent(what: str, total: int, done: int) -> Advance:
    """Show no progress."""
    return lambda count: None


# What a run was


def environment() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on, and the device."""
    import torch  # slow, and most of what runs are asked for needs none of it

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": device,
        "cores": str(os.cpu_count()),
    }


def facts_of(command: str) -> dict[str, Any]:
    """Return what every record says of the sitting that wrote it: its command and environment."""
    return {"command": command, "environment": environment()}


def rows_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a digest of rows, in order."""
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(row, sort_keys=True, default=str).encode() + b"\n")
    return f"sha256:{total.hexdigest()[:16]}"


# Folders


@dataclass(frozen=True)
class RunKind:
    """A kind of run: the document that tells whose a folder is, and what is said of a taken one."""

    foreign: str
    """Said of a folder that holds something else."""
    document: str = ""
    """The file that tells whose the folder is; without one the folder must be empty."""
    identity: str = ""
    """The key of the document that two sittings must share; without one all of it."""
    finished: str = ""
    """Said of a finished run."""
    other: str = ""
    """Said of a run with another identity."""
    option: str = "output"
    """The option by which another folder is chosen, where this one is a file."""
    marks: Sequence[tuple[str, str]] = RESULT_MARKS
    """Files, and a key of each, by which `--overwrite` knows what it may remove."""
    irremovable: str = "holds nothing of ours; --overwrite will not remove it"
    """Said of a folder with none of the marks."""


@dataclass(frozen=True)
class Run:
    """A folder of results that one command claims, goes on with and finishes."""

    folder: Path
    kind: RunKind

    def claim(self, identity: Any = None, *, overwrite: bool = False) -> None:
        """Check that the folder is free or holds this run, unfinished; write nothing.

        Args:
            identity: what two sittings must share, in JSON's terms.
            overwrite: check instead that it holds nothing but a run's results.

        Raises:
            OutputExistsError: it is a file, or holds something else.
        """
        if overwrite:
            if self.occupied() and not any(
                _holds(self.folder / n, key) for n, key in self.kind.marks
            ):
                refuse(self.folder, self.kind.irremovable)
        elif self.occupied():
            earlier = self.earlier()
            if earlier is None:
                refuse(self.folder, self.kind.foreign)
            if earlier.get("finished"):
                self.refuse_finished()
            self.check_same(earlier, identity)

    def occupied(self) -> bool:
        """Return whether there is something in the folder.

        Raises:
            OutputExistsError: it is a file.
        """
        if self.folder.exists() and not self.folder.is_dir():
            refuse(self.folder, f"is a file, not a folder; choose another {self.kind.option}")
        return self.folder.is_dir() and any(self.folder.iterdir())

    def earlier(self) -> dict[str, Any] | None:
        """Return the document of an earlier sitting; None without one, or if it is not ours."""
        found = _object(self.folder / self.kind.document) if self.kind.document else None
        needed = {self.kind.identity, "finished"} if self.kind.identity else set()
        return found if found is not None and needed <= found.keys() else None

    def check_same(self, earlier: Mapping[str, Any], identity: Any) -> None:
        """Raise OutputExistsError unless the earlier sitting was of this identity."""
        was = earlier[self.kind.identity] if self.kind.identity else earlier
        if was != json.loads(json.dumps(plain(identity))):
            refuse(self.folder, self.kind.other)

    def refuse_finished(self) -> NoReturn:
        """Raise OutputExistsError because nothing is left to do."""
        refuse(self.folder, self.kind.finished)

    def remove(self) -> None:
        """Remove an earlier run's folder, once it is known that the next one can begin."""
        self.claim(overwrite=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` that takes its place at the end, or goes on an error."""
    aside = folder.absolute().with_name(f"{folder.absolute().name}.{os.getpid()}.tmp")
    aside.mkdir(parents=True)
    try:
        yield aside
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def last_checkpoint(folder: Path, last_file: str = "trainer_state.json") -> str | None:
    """Return the newest checkpoint that was written to its end, to the file that comes last."""
    whole = {
        int(file.parent.name.rpartition("-")[2]): file.parent
        for file in folder.glob(f"checkpoint-*/{last_file}")
    }
    return str(whole[max(whole)]) if whole else None


# Files that may not be replaced


def refuse(path: Path, why: str) -> NoReturn:
    """Raise OutputExistsError: `path` holds what must stay, and why."""
    raise OutputExistsError(f"{path} {why}")


def check_free(*paths: Path, overwrite: bool) -> None:
    """Raise OutputExistsError where one of the files is there and may not be overwritten."""
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None and not overwrite:
        refuse(taken, "is there already; choose another output, or --overwrite")


def check_apart(source: str, *outputs: Path) -> None:
    """Refuse outputs of which one is the source, by whatever name, or holds a folder's place.

    Raises:
        OutputExistsError: naming it.
    """
    for path in outputs:
        if path.is_dir():
            refuse(path, "is a folder, not a file; choose another output")
        if path.exists() and Path(source).exists() and path.samefile(source):
            refuse(path, f"is where the rows come from ({source}); choose another output")


def check_inputs_stay(inputs: Iterable[str | None], outputs: Iterable[Path]) -> None:
    """Raise InputError if a file that is read lies where a result is to be written."""
    read = {Path(path).resolve(): path for path in inputs if path is not None}
    for taken in outputs:
        if path := read.get(taken.resolve()):
            raise InputError(
                f"{path} is to be read, and results would replace it; choose another output, "
                "or move the file"
            )


def check_writable(folder: Path) -> None:
    """Raise InputError if nothing can be written there."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise InputError(f"{folder}: cannot write below {there}; choose another output")


# Rows


@dataclass(frozen=True)
class RowFile:
    """A JSONL file that grows in chunks in `PATH.part`, and gets its name with the last."""

    path: Path
    record: Path
    """The document of what the rows were made of: written before the first of them."""

    @property
    def part(self) -> Path:
        """The file of the rows while more are to come."""
        return self.path.with_name(self.path.name + ".part")

    def check_apart(self, source: str) -> None:
        """Refuse to write where the rows come from.

        Raises:
            OutputExistsError: the file, its `.part` or its record is the source.
        """
        check_apart(source, self.path, self.part, self.record)

    def finished(self, identity: Mapping[str, Any], *, result: Path | None = None) -> bool:
        """Return whether all is there: the rows, or the result that was made of them.

        Raises:
            OutputExistsError: what is there, finished or not, was made of something else.
        """
        known = (*([result] if result else []), self.path, self.part)
        begun = next((path for path in known if path.exists()), None)
        if begun is not None:
            check_same(begun, self.record, identity)
        return known[0].exists()

    def write(
        self,
        items: Iterable[Item],
        make: Callable[[list[Item], Advance], Iterable[Mapping[str, Any]]],
        identity: Mapping[str, Any],
        facts: Mapping[str, Any] | None = None,
        *,
        size: Callable[[Item], int] = lambda item: 1,
        begin: Callable[[int], Advance] = lambda done: lambda count: None,
        chunk: int | None = None,
    ) -> int:
        """Write the rows that are missing, chunk by chunk, and give the file its name.

        Args:
            items: what rows are made of, a row each; those of rows that stand are passed over.
            make: the rows of a chunk of items; tells its second argument what is done on the way.
            identity: what two sittings must share.
            facts: put into the record beside the identity.
            size: how many responses an item has.
            begin: told how many responses were done before; what it returns is told of the others.
            chunk: items at a time (`CHUNK`).

        Returns:
            The number of rows in the file.
        """
        chunk = chunk or CHUNK
        begin_record(self.record, identity, facts or {})
        number, rest = self.resume(chunk), iter(items)
        advance = begin(sum(map(size, islice(rest, number))))
        while batch := list(islice(rest, chunk)):
            self.append(make(batch, advance))
            number += len(batch)
        self.finish()
        return number

    def resume(self, chunk: int | None = None) -> int:
        """Return how many rows stand in whole chunks; cut off what is behind them."""
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
        """Yield the rows: all of a finished file, else those written so far."""
        file = next((path for path in (self.path, self.part) if path.is_file()), None)
        if file is not None:
            with file.open(encoding="utf-8") as stream:
                yield from map(json.loads, stream)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
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


def begin_record(path: Path, identity: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write what rows are made of (`made_of`, which a second sitting must share), and facts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json({"schema": "trueward.scores/1", "made_of": identity, **facts}, path)


def read_record(path: Path) -> dict[str, Any]:
    """Return a document with `made_of`; an empty one where there is none."""
    found = _object(path)
    return found if found is not None and isinstance(found.get("made_of"), dict) else {}


def check_same(path: Path, record: Path, identity: Mapping[str, Any]) -> None:
    """Refuse to go on with, or to take for the same, what was made of something else.

    Raises:
        OutputExistsError: naming what differs.
    """
    earlier = read_record(record).get("made_of")
    if earlier is None:
        refuse(
            path,
            f"is there, but not {record.name}, which says what it was made of; "
            "choose another output, or --overwrite",
        )
    changed = [
        f"{name} was {shown(earlier.get(name))}, now {shown(identity.get(name))}"
        for name in {**earlier, **identity}
        if earlier.get(name) != identity.get(name)
    ]
    if changed:
        refuse(
            path,
            f"was made of something else: {'; '.join(changed)}; "
            "choose another output, or --overwrite",
        )


def shown(value: Any) -> str:
    """Return a setting as a message shows it."""
    return "not given" if value is None else str(value)


def _object(path: Path) -> dict[str, Any] | None:
    """Read a JSON object that may be anybody's; None for anything else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _holds(path: Path, key: str) -> bool:
    return key in (_object(path) or {})
