"""Rows stored as Arrow: in memory, or flat in a file of the cache that a repeat finds."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import pyarrow as pa
from datasets import Dataset, Features
from datasets.arrow_writer import ArrowWriter
from datasets.table import table_cast

from trueward.data.messages import check_text, described
from trueward.errors import DataError
from trueward.types import Row

BLOCK = 1_000
"""Rows that are held in Python at a time."""
_REFUSED = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


def cache_file(kind: str, *key: object) -> Path:
    """Return the file of the cache of `datasets` for what a key gives under this code."""
    text = json.dumps([_code(), *key], sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return Path(datasets.config.HF_DATASETS_CACHE) / "trueward" / f"{kind}-{digest}.arrow"


def content_digest(path: Path) -> str:
    """Return a digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


def numbered(rows: Dataset) -> Iterator[tuple[int, Row]]:
    """Yield rows with their numbers, read a block at a time."""
    number = 0
    for block in rows.iter(batch_size=BLOCK):
        for values in zip(*block.values(), strict=True):
            yield number, dict(zip(block, values, strict=True))
            number += 1


def dataset_from_rows(rows: Iterable[Row], name: str, file: Path | None = None) -> Dataset:
    """Make a dataset of `rows`, whose columns are the union of their keys; in `file`, if given.

    Raises:
        DataError: a field's type is not that of the rows before it, or its text cannot be stored.
    """
    return dataset_from_tables(_tables(iter(rows), name), file)


def dataset_from_tables(tables: Iterable[pa.Table], file: Path | None = None) -> Dataset:
    """Make a dataset of tables whose types widen from one to the next; in `file`, if given.

    The file appears once it is whole. Its name is the dataset's fingerprint, so that a repeat finds
    what was made of the dataset too.

    Raises:
        DataError: the file's folder cannot be written.
    """
    tables = iter(tables)
    first = next(tables, None)
    if first is None:
        return Dataset.from_dict({})
    if file is None:
        whole = [first, *tables]
        schema = _widest(table.schema for table in whole)
        return Dataset(pa.concat_tables([table_cast(table, schema) for table in whole]))
    with _beside(file) as folder:
        parts = (Path(folder) / f"{number}.arrow" for number in count())
        part, schema, waiting = next(parts), first.schema, chain([first], tables)
        while (wider := _fill(part, schema, waiting, file.stem)) is not None:
            schema = _widest([schema, wider.schema])
            waiting = chain(_stored(part), [wider], tables)
            part = next(parts)
        part.replace(file)
    return Dataset.from_file(str(file))


def _beside(file: Path) -> TemporaryDirectory[str]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(dir=file.parent)
    except OSError as error:
        raise DataError(
            f"{file.parent}: the cache of data sets cannot be written ({error.strerror or error}); "
            "set HF_DATASETS_CACHE to a folder that can"
        ) from error


def _fill(
    path: Path, schema: pa.Schema, tables: Iterable[pa.Table], fingerprint: str
) -> pa.Table | None:
    """Write tables of a schema until one does not fit it; return that one, or None."""
    features = Features.from_arrow_schema(schema)
    with ArrowWriter(path=str(path), features=features, fingerprint=fingerprint) as writer:
        for table in tables:
            if _widest([schema, table.schema]) != schema:
                return table
            writer.write_table(table)
        writer.finalize()
    return None


def _stored(path: Path) -> Iterator[pa.Table]:
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])


def _widest(schemas: Iterable[pa.Schema]) -> pa.Schema:
    return pa.unify_schemas(list(schemas), promote_options="permissive")


def _tables(rows: Iterator[Row], name: str) -> Iterator[pa.Table]:
    """Yield blocks of rows as tables whose types go together."""
    schema, start = pa.schema([]), 0
    while block := list(islice(rows, BLOCK)):
        columns = dict.fromkeys(key for row in block for key in row)
        values = {column: [row.get(column) for row in block] for column in columns}
        try:
            table = _table(values)
            schema = _widest([schema, table.schema])
        except UnicodeEncodeError:
            for number, fields in enumerate(block, start):
                for column, value in fields.items():
                    check_text([column, value], f"{name}: row {number}, field {column!r}")
            raise
        except _REFUSED:
            column, row = _first_disagreement(values, schema)
            raise DataError(
                f"{name}: row {start + row}, field {column!r}: {described(values[column][row])} "
                "is of another type than the rows before"
            ) from None
        yield table
        start += len(block)


def _table(values: Mapping[str, list[Any]]) -> pa.Table:
    return Dataset.from_dict(dict(values)).data.table.replace_schema_metadata(None)


def _first_disagreement(values: Mapping[str, list[Any]], schema: pa.Schema) -> tuple[str, int]:
    """Return the first column that Arrow refuses, and the row that made it, by bisection."""

    def fit(name: str, rows: int) -> bool:
        before = [schema.field(name)] if name in schema.names else []
        try:
            _widest([pa.schema(before), _table({name: values[name][:rows]}).schema])
        except _REFUSED:
            return False
        return True

    length = len(next(iter(values.values())))
    column = next(name for name in values if not fit(name, length))
    good, bad = 0, length
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fit(column, middle) else (good, middle)
    return column, bad - 1


@cache
def _code() -> str:
    """Return a digest of this package's source: what other code has stored is not found."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
