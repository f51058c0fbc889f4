"""Reading of rows: files, folders, and data sets on the hub."""

import gzip
import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from datasets import (
    Dataset,
    DatasetDict,
    ReadInstruction,
    concatenate_datasets,
    load_dataset,
    load_from_disk,
)

from trueward.data.forms import ALIASES, PAIR_NUMBERS
from trueward.data.messages import described
from trueward.data.store import (
    BLOCK,
    cache_file,
    content_digest,
    dataset_from_rows,
    dataset_from_tables,
)
from trueward.errors import DataError, MissingSplitError
from trueward.types import Row

_TEXT_ROLES = ("prompt", "chosen", "rejected", "response")
_NUMBER_ROLES = ("chosen_score", "rejected_score", "score", "rank")
_DEPTH = 100
"""Most brackets within one another that JSON may have."""
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def load_rows(
    source: str | Path | Dataset | DatasetDict,
    *,
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
) -> Dataset:
    """Return the rows of a file, a folder, a hub data set or a `datasets` object.

    - a JSON (one object a line, or a list), JSONL, CSV or Parquet file, plain or `.gz`: its only
      split is `train`;
    - a folder written by `save_to_disk`, with one split or several;
    - any other folder, or a name on the hub, as `datasets.load_dataset` reads it;
    - a `DatasetDict`; or a `Dataset`, which is returned as it is, `split` unread.

    A file's rows are kept in the cache of `datasets` (`HF_DATASETS_CACHE`) by its content, so that
    they are read from there a second time, and never held in memory. Only a JSON list and a CSV
    file are read whole, once.

    `split` may be a slice or a sum, as in `"train[:1000]"` or `"train+test"`. `config` and
    `revision` are of the hub. Columns and types are kept: `to_pairs` gives them meaning. The name
    is kept as `info.dataset_name`, so that later messages can say where a row came from.

    Raises:
        DataError: nothing there, an unknown split, an unreadable row, or no rows.
    """
    name = str(source) if isinstance(source, str | Path) else "dataset"
    if isinstance(source, Dataset):
        rows = source
    elif isinstance(source, DatasetDict):
        rows = _select(source, split, name)
    elif Path(source).is_file():
        rows = _select({"train": _read_file(Path(source))}, split, name)
    elif (Path(source) / "state.json").is_file() or (Path(source) / "dataset_dict.json").is_file():
        rows = _from_disk(Path(source), split)
    else:
        rows = _from_hub(name, split, config, revision)
    if len(rows) == 0:
        raise DataError(f"{name}: split {split!r} has no rows; expected at least one")
    if not isinstance(source, Dataset):
        rows.info.dataset_name = name
    return rows


def stream_rows(source: str) -> Iterator[Row]:
    """Yield the rows of a file, folder or hub name, whatever their fields; JSONL line by line.

    Raises:
        DataError: as `load_rows`.
    """
    jsonl = Path(source).is_file() and source.lower().removesuffix(".gz").endswith(".jsonl")
    yield from _stream_lines(source) if jsonl else load_rows(source)


def _stream_lines(source: str) -> Iterator[Row]:
    """Yield rows one by one, from bytes: a text stream would meet a bad byte before its row."""
    opened = gzip.open if source.lower().endswith(".gz") else open
    number = 0
    try:
        with opened(source, "rb") as stream:
            for line in stream:
                where = f"{source}: row {number}"
                text = _decoded(line, where, "utf-8" if number else "utf-8-sig")
                if text.strip():
                    yield _row(text, where, streamed=True)
                    number += 1
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{source}: row {number} cannot be read ({error}); mend the file"
        ) from error
    if number == 0:
        raise DataError(f"{source}: no rows; expected at least one")


def _decoded(line: bytes, where: str, encoding: str, offset: int = 0) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where} is not UTF-8 text ({error.reason} at byte {offset + error.start}); "
            "save the file as UTF-8"
        ) from error


def _from_disk(folder: Path, split: str) -> Dataset:
    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{folder}: not a readable save_to_disk folder ({_first_line(error)})"
        ) from error
    if isinstance(saved, Dataset):
        saved = {"train": saved, str(saved.split or "train"): saved}
    return _select(saved, split, str(folder))


def _from_hub(name: str, split: str, config: str | None, revision: str | None) -> Dataset:
    if not Path(name).is_dir() and _looks_like_a_path(name):
        raise DataError(f"{name}: no such file or folder")
    try:
        return load_dataset(name, config, split=split, revision=revision)
    except ValueError as error:
        if str(error).startswith(("Unknown split", "Bad split")):
            raise MissingSplitError(f"{name}: no split {split!r}: {_first_line(error)}") from error
        raise DataError(f"{name}: split {split!r}: {_first_line(error)}") from error
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{name}: no file, folder or readable hub data set of this name with split {split!r} "
            f"({_first_line(error)})"
        ) from error


def _looks_like_a_path(name: str) -> bool:
    known = tuple(f"{ending}{packed}" for ending in READERS for packed in ("", ".gz"))
    return name.lower().endswith(known) or name.startswith((".", "/", "~")) or name.count("/") > 1


def _select(splits: Mapping[str, Dataset], split: str, name: str) -> Dataset:
    """Return the rows of a split, a slice of one, or a sum of them, as `datasets` writes it."""
    lengths = {key: len(rows) for key, rows in splits.items()}
    try:
        parts = ReadInstruction.from_spec(split).to_absolute(lengths)
    except (ValueError, AssertionError) as error:
        raise MissingSplitError(
            f"{name}: no split {split!r}; it has {', '.join(splits)}"
        ) from error
    chosen = [
        splits[part.splitname].select(
            range(part.from_ or 0, lengths[part.splitname] if part.to is None else part.to)
        )
        for part in parts
    ]
    return chosen[0] if len(chosen) == 1 else concatenate_datasets(chosen)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _read_file(path: Path) -> Dataset:
    """Read a JSON, JSONL, CSV or Parquet file, plain or gzipped, by way of a file of the cache."""
    endings = [ending.lower() for ending in path.suffixes]
    packed = endings[-1:] == [".gz"]
    ending = endings[-2] if packed and len(endings) > 1 else path.suffix.lower()
    if ending not in READERS:
        raise DataError(f"{path}: expected a file ending in {', '.join(READERS)} plain or .gz")
    try:
        stored = cache_file("rows", ending, packed, content_digest(path))
        if stored.is_file():
            return Dataset.from_file(str(stored))
        with gzip.open(path) if packed else path.open("rb") as stream:
            rows = READERS[ending](stream, str(path), stored)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(rows) == 0:
        raise DataError(f"{path}: no rows; expected at least one")
    return rows


def _read_json(stream: BufferedIOBase, name: str, stored: Path) -> Dataset:
    """Read one object a line, line by line, or else a top-level list."""
    first = next((line for line in stream if line.strip()), b"")
    stream.seek(0)
    if first.removeprefix(BOM_UTF8).lstrip().startswith(b"["):
        return dataset_from_rows(_list_rows(_text(stream, name), name), name, stored)
    lines = (line for line in _lines(stream, name) if line.strip())
    rows = (_row(line, f"{name}: row {i}", streamed=False) for i, line in enumerate(lines))
    return dataset_from_rows(rows, name, stored)


def _lines(stream: BufferedIOBase, name: str) -> Iterator[str]:
    offset = 0
    for number, line in enumerate(stream):
        encoding = "utf-8" if number else "utf-8-sig"
        yield _decoded(line, f"{name}: line {number + 1}", encoding, offset)
        offset += len(line)


def _text(stream: BufferedIOBase, name: str) -> str:
    return "".join(_lines(stream, name))


def _check_depth(text: str, where: str) -> None:
    """Refuse JSON with more brackets within one another than anything can go through later."""
    if text.count("[") + text.count("{") <= _DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > _DEPTH:
            raise DataError(f"{where}: more than {_DEPTH} brackets within one another; flatten it")


def _list_rows(text: str, name: str) -> list[Row]:
    _check_depth(text, name)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}: line {error.lineno} is not valid JSON ({error.msg})") from error
    except ValueError as error:  # too long a whole number
        raise DataError(f"{name}: cannot be read ({error}); mend the file") from error
    return [_object(row, f"{name}: row {number}") for number, row in enumerate(rows)]


def _row(line: str, where: str, *, streamed: bool) -> Row:
    _check_depth(line, where)
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        place = "" if streamed else f" at column {error.colno}"
        form = "" if streamed else ", or a list of objects"
        raise DataError(
            f"{where} is not valid JSON ({error.msg}{place}); expected one object a line{form}"
        ) from error
    except ValueError as error:  # too long a whole number
        remedy = "; mend the file" if streamed else ""
        raise DataError(f"{where} cannot be read ({error}){remedy}") from error
    return _object(row, where)


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object with named fields, got {described(row)}")
    return row


def _read_csv(stream: BufferedIOBase, name: str, stored: Path) -> Dataset:
    """Read a header line and rows; columns of text stay text whatever they look like."""
    data = _text(stream, name).encode()  # Arrow would take bytes that are no text for binary
    types = {alias: pa.string() for role in _TEXT_ROLES for alias in ALIASES[role]}
    numbers = [alias for role in _NUMBER_ROLES for alias in ALIASES[role]]
    types |= {column: pa.float64() for column in (*numbers, *PAIR_NUMBERS)}
    if not data.strip():
        raise DataError(f"{name}: no rows; expected at least one")
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{name}: {_one_line(error)}") from error
    return dataset_from_tables([table] if len(table) else [], stored)


def _read_parquet(stream: BufferedIOBase, name: str, stored: Path) -> Dataset:
    source = pa.BufferReader(stream.read()) if isinstance(stream, gzip.GzipFile) else stream
    try:
        batches = pyarrow.parquet.ParquetFile(source).iter_batches(BLOCK)
        return dataset_from_tables((pa.Table.from_batches([b]) for b in batches), stored)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}: not a readable Parquet file ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


READERS: Mapping[str, Callable[[BufferedIOBase, str, Path], Dataset]] = {
    ".json": _read_json,
    ".jsonl": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""Readers of an open file, by its ending (`.gz` may follow): its name, and where rows are kept."""
