"""Scores from a file in place of a model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from trueward.errors import DataError
from trueward.files import JsonField
from trueward.suites.fields import has, identity
from trueward.suites.sources import Reader, row_fields
from trueward.types import Item


def read_scores(source: str | Path, *, read: Reader) -> dict[str, list[float]]:
    """Scores by item id: rows `{id, scores: […]}`, or JudgeBench's own `{pair_id, scores: […]}`.

    Args:
        source: a file that `read` reads.
        read: how to read it into rows: `trueward.data.load_rows`.

    Raises:
        DataError: naming file, row and field, if a row is not so, or an id comes twice.
    """
    found: dict[str, list[float]] = {}
    for row in row_fields(read(source), str(source)):
        name = "id" if has(row, "id") or not has(row, "pair_id") else "pair_id"
        own = identity(row[name])
        if own in found:
            row[name].fail("an id that no other row has")
        found[own] = [_finite(score) for score in row["scores"].items()]
    return found


def scores_of(items: Sequence[Item], scores: Mapping[str, Sequence[float]]) -> list[list[float]]:
    """The scores in the order of the items; `scores` are in the order of their file's rows.

    Raises:
        DataError: an item has no scores or not one a response, or scores belong to no item.
    """
    missing = [item.id for item in items if item.id not in scores]
    strangers = scores.keys() - {item.id for item in items}
    if missing:
        raise DataError(
            f"scores: none for {len(missing)} of {len(items)} items, such as {missing[0]!r}; "
            "add them"
        )
    if strangers:
        raise DataError(
            f"scores: {len(strangers)} of {len(scores)} ids are of no item, such as "
            f"{min(strangers)!r}; give the scores of this suite"
        )
    for item in items:
        if len(scores[item.id]) != len(item.responses):
            raise DataError(
                f"row {list(scores).index(item.id)}: field 'scores': expected "
                f"{len(item.responses)} scores, one for each response of {item.id!r}, got "
                f"{len(scores[item.id])}; mend the row"
            )
    return [list(scores[item.id]) for item in items]


def _finite(score: JsonField) -> float:
    value = score.number()
    return value if math.isfinite(value) else score.fail("a finite number")
