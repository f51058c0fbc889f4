"""Rows of Python values as a dataset, with the offending row named where types do not agree."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from datasets import Dataset

from trueward.data.messages import check_text, described
from trueward.errors import DataError


def dataset_from_rows(rows: Sequence[Mapping[str, Any]], name: str) -> Dataset:
    """Make a dataset of `rows`, whose columns are the union of their keys.

    Raises:
        DataError: a field's type is not that of the rows before it, or its text cannot be stored.
    """
    columns = dict.fromkeys(key for row in rows for key in row)
    values = {column: [row.get(column) for row in rows] for column in columns}
    try:
        return Dataset.from_dict(values)
    except UnicodeEncodeError:
        for number, fields in enumerate(rows):
            for column, value in fields.items():
                check_text([column, value], f"{name}: row {number}, field {column!r}")
        raise
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        column, row = _first_disagreement(values)
    raise DataError(
        f"{name}: row {row}, field {column!r}: "
        f"{described(values[column][row])} is of another type than the rows before"
    )


def _first_disagreement(values: Mapping[str, list[Any]]) -> tuple[str, int]:
    """The first column that Arrow refuses, and the row that made it, by bisection."""
    column = next(name for name, cells in values.items() if not _is_uniform(cells))
    good, bad = 0, len(values[column])
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _is_uniform(values[column][:middle]) else (good, middle)
    return column, bad - 1


def _is_uniform(cells: Iterable[Any]) -> bool:
    try:
        Dataset.from_dict({"cells": list(cells)})
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return False
    return True
