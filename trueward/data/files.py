"""One reader a file format; each names the file and the line or row it could not read."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from datasets import Dataset

from trueward.data.columns import ALIASES, PAIR_NUMBERS
from trueward.data.messages import described
from trueward.data.tables import dataset_from_rows
from trueward.errors import DataError

_TEXT_ROLES = ("prompt", "chosen", "rejected", "response")
_NUMBER_ROLES = ("chosen_score", "rejected_score", "score", "rank")
DEPTH = 100
"""Most brackets within one another."""
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def read_file(path: Path) -> Dataset:
    """Read a JSON, JSONL, CSV or Parquet file, plain or gzipped.

    Raises:
        DataError: an unknown ending, an empty file, or a line or row that cannot be read.
    """
    endings = [ending.lower() for ending in path.suffixes]
    ending = endings[-2] if endings[-1:] == [".gz"] and len(endings) > 1 else path.suffix.lower()
    if ending not in READERS:
        raise DataError(f"{path}: expected a file ending in {', '.join(READERS)} plain or .gz")
    try:
        data = gzip.decompress(path.read_bytes()) if endings[-1] == ".gz" else path.read_bytes()
        rows = READERS[ending](data, str(path))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line} is not UTF-8 text ({error.reason} at byte {error.start}); "
            "save the file as UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(rows) == 0:
        raise DataError(f"{path}: no rows; expected at least one")
    return rows


def _read_json(data: bytes, name: str) -> Dataset:
    """Read a top-level list, or else one object a line."""
    text = data.decode("utf-8-sig")
    read = _list_rows if text.lstrip().startswith("[") else _line_rows
    return dataset_from_rows(list(read(text, name)), name)


def check_depth(text: str, where: str) -> None:
    """Refuse JSON with more brackets within one another than anything can go through later.

    Raises:
        DataError: naming the depth.
    """
    if text.count("[") + text.count("{") <= DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEPTH:
            raise DataError(f"{where}: more than {DEPTH} brackets within one another; flatten it")


def _list_rows(text: str, name: str) -> Iterator[dict[str, Any]]:
    check_depth(text, name)
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}: line {error.lineno} is not valid JSON ({error.msg})") from error
    except ValueError as error:  # too long a whole number
        raise DataError(f"{name}: cannot be read ({error}); mend the file") from error
    for number, row in enumerate(rows):
        yield _object(row, f"{name}: row {number}")


def _line_rows(text: str, name: str) -> Iterator[dict[str, Any]]:
    lines = (line for line in text.split("\n") if line.strip())
    for number, line in enumerate(lines):
        check_depth(line, f"{name}: row {number}")
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{name}: row {number} is not valid JSON ({error.msg} at column {error.colno}); "
                "expected one object a line, or a list of objects"
            ) from error
        except ValueError as error:  # too long a whole number
            raise DataError(f"{name}: row {number} cannot be read ({error})") from error
        yield _object(row, f"{name}: row {number}")


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object with named fields, got {described(row)}")
    return row


def _read_csv(data: bytes, name: str) -> Dataset:
    """Read a header line and rows; columns of text stay text whatever they look like."""
    types = {alias: pa.string() for role in _TEXT_ROLES for alias in ALIASES[role]}
    numbers = [alias for role in _NUMBER_ROLES for alias in ALIASES[role]]
    types |= {column: pa.float64() for column in (*numbers, *PAIR_NUMBERS)}
    if not data.strip():
        raise DataError(f"{name}: no rows; expected at least one")
    data.decode()  # Arrow would take other bytes for binary columns
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{name}: {_one_line(error)}") from error
    return Dataset(table)


def _read_parquet(data: bytes, name: str) -> Dataset:
    try:
        return Dataset(pyarrow.parquet.read_table(pa.BufferReader(data)))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}: not a readable Parquet file ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


READERS: Mapping[str, Callable[[bytes, str], Dataset]] = {
    ".json": _read_json,
    ".jsonl": _read_json,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""Readers by file ending; `.gz` may follow."""
