"""Rows that are made once, and kept for whoever asks for the same again."""

from collections.abc import Iterable, Mapping
from typing import Any

from trueward.runs import RowFile, begin_record, check_same


def ready(out: RowFile, identity: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether rows of this identity are finished; with `overwrite` they are removed first.

    Raises:
        OutputExistsError: what is there was made of something else.
    """
    if overwrite:
        out.remove()
    begun = next((path for path in (out.path, out.part) if path.exists()), None)
    if begun is not None:
        check_same(begun, out.record, identity)
    return out.path.exists()


def write_rows(
    out: RowFile, identity: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Append rows one by one, the record before the first, and finish the file."""
    begun = False
    for row in rows:
        if not begun:
            begin_record(out.record, identity, {})
            begun = True
        out.append([row])
    out.finish()
