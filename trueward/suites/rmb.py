"""RMB: pairs and best-of-n over 49 everyday scenarios, for helpfulness and harmlessness."""

from collections.abc import Iterator, Mapping, Sequence

from trueward.files import JsonField
from trueward.suites.fields import conversation, has, identity
from trueward.suites.outcomes import Outcome, strictly_best
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean, plain_mean
from trueward.types import Item

FORMS = ("pairwise", "bon")
GOALS = {"Helpfulness": "helpful", "Harmlessness": "harmless"}
CELLS = tuple(f"{form}/{goal}" for form in FORMS for goal in GOALS.values())


def item(row: JsonField, table: str, number: int) -> Item:
    """The best response first, then the losers (one in a pair)."""
    best_of_n = has(row, "bon_best")
    path = row["category_path"].text()
    goal = next((short for long, short in GOALS.items() if long in path.split("/")), None)
    if goal is None:
        row["category_path"].fail("a path with " + " or ".join(GOALS))
    losers = row["loser_list"].items() if best_of_n else [row["reject"]]
    if not losers:
        row["loser_list"].fail("at least one loser")
    return Item(
        id=f"{path}/{identity(row['bon_uid' if best_of_n else 'pair_uid'])}",
        prompt=conversation(row["conversation_input"]),
        responses=tuple(
            field["answer"].text()
            for field in (row["bon_best" if best_of_n else "chosen"], *losers)
        ),
        subset=f"{'bon' if best_of_n else 'pairwise'}/{goal}",
    )


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """1 where the best response beats every loser; a tie is wrong."""
    for place, (one, row) in enumerate(zip(items, scores, strict=True)):
        yield strictly_best(place, one.subset, row)


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """The four cells of form and goal, and their mean."""
    cells = {name: mean(name, counts) for name in CELLS}
    return {"overall": plain_mean(cells.values()), **cells}


SUITE = Suite(
    name="rmb",
    measures="accuracy on pairs and best-of-n lists, for helpfulness and harmlessness",
    primary="overall",
    tie_rule="a tie is wrong",
    local_format="the folder `RMB_dataset`, or any file of its rows: `pair_uid, "
    "conversation_input, chosen, reject, category_path` and `bon_uid, conversation_input, "
    "bon_best, loser_list, category_path`",
    citation="Zhou et al. (2024), RMB, arXiv:2410.09893",
    origin="Zhou-Zoey/RMB-Reward-Model-Benchmark on GitHub",
    licence="not stated",
    item=item,
    outcomes=outcomes,
    parts=parts,
    keys=("pair_uid", "bon_uid"),
)
