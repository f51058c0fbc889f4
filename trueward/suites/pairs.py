"""Your own pairs: a chosen and a rejected response."""

from collections.abc import Iterator, Mapping, Sequence

from trueward.files import JsonField
from trueward.suites.fields import conversation, has, identity, reply
from trueward.suites.outcomes import OVERALL, Outcome, and_overall, strictly_best
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean
from trueward.types import Item


def item(row: JsonField, table: str, number: int) -> Item:
    """A pair; without an id it is known by its row, without a subset by its file."""
    own = row["id"] if has(row, "id") else None
    return Item(
        id=identity(own) if own else f"{table}/{number}",
        prompt=conversation(row["prompt"]),
        responses=(reply(row["chosen"]), reply(row["rejected"])),
        subset=subset_of(row, table),
    )


def subset_of(row: JsonField, table: str) -> str:
    """The row's subset, or its file's name."""
    if not has(row, "subset"):
        return table
    name = row["subset"].text()
    return name if name != OVERALL else row["subset"].fail("another name than that of the whole")


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """1 where the chosen response scores higher; a tie is wrong."""
    for place, (one, row) in enumerate(zip(items, scores, strict=True)):
        yield from and_overall(strictly_best(place, one.subset, row))


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """All pairs together, and each subset."""
    return {name: mean(name, counts) for name in dict.fromkeys((OVERALL, *counts))}


SUITE = Suite(
    name="pairs",
    measures="accuracy on your own pairs",
    primary=OVERALL,
    tie_rule="a tie is wrong",
    local_format="rows `prompt, chosen, rejected`, and perhaps `id` and `subset`",
    citation="none",
    origin="your own file",
    licence="that of the data",
    item=item,
    outcomes=outcomes,
    parts=parts,
)
