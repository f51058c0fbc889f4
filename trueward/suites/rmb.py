"""RMB: pairs and best-of-n over 49 everyday scenarios, for helpfulness and harmlessness."""

from trueward.suites.rows import RowField
from trueward.suites.suite import Suite, averaged, each, strictly_best
from trueward.types import Prompt

FORMS = ("pairwise", "bon")
GOALS = {"Helpfulness": "helpful", "Harmlessness": "harmless"}
SUBSETS = tuple(f"{form}/{goal}" for form in FORMS for goal in GOALS.values())


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return the best response first, then the losers (one in a pair)."""
    best_of_n = row.has("bon_best")
    path = row["category_path"].text()
    goal = next((short for long, short in GOALS.items() if long in path.split("/")), None)
    if goal is None:
        row["category_path"].fail("a path with " + " or ".join(GOALS))
    losers = row["loser_list"].items() if best_of_n else [row["reject"]]
    if not losers:
        row["loser_list"].fail("at least one loser")
    return Prompt(
        id=f"{path}/{row['bon_uid' if best_of_n else 'pair_uid'].identity()}",
        prompt=row["conversation_input"].conversation(),
        responses=tuple(
            field["answer"].text()
            for field in (row["bon_best" if best_of_n else "chosen"], *losers)
        ),
        subset=f"{'bon' if best_of_n else 'pairwise'}/{goal}",
    )


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
    read_prompt=read_prompt,
    values=each(strictly_best),
    parts=averaged(SUBSETS),
    keys=("pair_uid", "bon_uid"),
)
