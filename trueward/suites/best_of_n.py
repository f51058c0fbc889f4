"""Your own best-of-n lists: is a right response at the top?"""

from collections.abc import Iterator, Sequence

from trueward.files import JsonField
from trueward.suites.fields import conversation, has, identity, replies
from trueward.suites.outcomes import OVERALL, Outcome, and_overall, share_of_top
from trueward.suites.pairs import parts, subset_of
from trueward.suites.suite import ScoreLists, Suite
from trueward.types import Item


def item(row: JsonField, table: str, number: int) -> Item:
    """The right responses first; without an id known by its row, without a subset by its file."""
    right, wrong = replies(row["chosen"]), replies(row["rejected"])
    return Item(
        id=identity(row["id"]) if has(row, "id") else f"{table}/{number}",
        prompt=conversation(row["prompt"]),
        responses=right + wrong,
        subset=subset_of(row, table),
        labels={"right": len(right)},
    )


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """The share of right responses among those tied at the maximum."""
    for place, (one, row) in enumerate(zip(items, scores, strict=True)):
        yield from and_overall(share_of_top(place, one.subset, row, one.labels["right"]))


SUITE = Suite(
    name="best-of-n",
    measures="how often the response that scores highest is right, on your own lists",
    primary=OVERALL,
    tie_rule="the share of right responses among those tied at the maximum",
    local_format="rows `prompt, chosen[], rejected[]`, and perhaps `id` and `subset`",
    citation="none",
    origin="your own file",
    licence="that of the data",
    item=item,
    outcomes=outcomes,
    parts=parts,
)
