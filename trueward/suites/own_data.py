"""Your own data: pairs of a chosen and a rejected response, and best-of-n lists."""

from trueward.suites.rows import RowField
from trueward.suites.suite import (
    OVERALL,
    Suite,
    and_overall,
    each,
    pooled,
    share_of_top,
    strictly_best,
)
from trueward.types import Prompt


def read_pair(row: RowField, table: str, number: int) -> Prompt:
    """Return a pair; without an id it is known by its row, without a subset by its file."""
    return Prompt(
        id=_identity(row, table, number),
        prompt=row["prompt"].conversation(),
        responses=(row["chosen"].reply(), row["rejected"].reply()),
        subset=_subset(row, table),
    )


def read_list(row: RowField, table: str, number: int) -> Prompt:
    """Return the right responses first; id and subset as of a pair."""
    right, wrong = row["chosen"].replies(), row["rejected"].replies()
    return Prompt(
        id=_identity(row, table, number),
        prompt=row["prompt"].conversation(),
        responses=right + wrong,
        subset=_subset(row, table),
        labels={"right": len(right)},
    )


def _identity(row: RowField, table: str, number: int) -> str:
    return row["id"].identity() if row.has("id") else f"{table}/{number}"


def _subset(row: RowField, table: str) -> str:
    if not row.has("subset"):
        return table
    name = row["subset"].text()
    return name if name != OVERALL else row["subset"].fail("another name than that of the whole")


PAIRS = Suite(
    name="pairs",
    measures="accuracy on your own pairs",
    primary="overall",
    tie_rule="a tie is wrong",
    local_format="rows `prompt, chosen, rejected`, and perhaps `id` and `subset`",
    citation="none",
    origin="your own file",
    licence="that of the data",
    read_prompt=read_pair,
    values=each(and_overall(strictly_best)),
    parts=pooled(),
)

BEST_OF_N = Suite(
    name="best-of-n",
    measures="how often the response that scores highest is right, on your own lists",
    primary="overall",
    tie_rule="the share of right responses among those tied at the maximum",
    local_format="rows `prompt, chosen[], rejected[]`, and perhaps `id` and `subset`",
    citation="none",
    origin="your own file",
    licence="that of the data",
    read_prompt=read_list,
    values=each(and_overall(share_of_top)),
    parts=pooled(),
)
